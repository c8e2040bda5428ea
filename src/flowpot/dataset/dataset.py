"""The frames that flow between the stages: columns of arrays, not lists of objects."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
from ase import Atoms
from monty.json import MSONable
from numpy.typing import ArrayLike, NDArray
from pymatgen.core import IMolecule, IStructure, Molecule, Structure

from flowpot.dataset import (
    arrays,
    artifact,
    checks,
    electronic_state,
    fingerprint,
    metadata,
)
from flowpot.dataset.arrays import Columns
from flowpot.dataset.description import Description, describe
from flowpot.dataset.io import ase as ase_frames
from flowpot.dataset.io import files, hdf5, load
from flowpot.dataset.io import pymatgen as pymatgen_frames
from flowpot.dataset.labels import MACE_KEYS, PROPERTIES, LabelKeys


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Columns, MSONable):
    """
    An immutable, columnar set of frames of different sizes, with their labels.

    For n frames that hold A atoms in all. Frame i owns the rows
    ``offsets[i]:offsets[i + 1]`` of the per-atom arrays. A label that a frame does
    not have is NaN throughout that frame.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (A,).
    positions
        Cartesian positions, shape (A, 3), in A.
    cell
        Cell vectors as rows, shape (n, 3, 3), in A.
    pbc
        Whether each cell vector is periodic, shape (n, 3).
    offsets
        Where each frame begins in the per-atom arrays, and their end, shape (n + 1,).
    energy, forces, stress
        Labels, each None where no frame has it. Total energies, shape (n,), in eV;
        forces, shape (A, 3), in eV/A; stress, shape (n, 3, 3), in eV/A^3, positive
        under tension (ASE's sign).
    info
        Metadata: one column of length n per name (see `flowpot.dataset.metadata`).
    magmoms, charge, spin
        The electronic state that frames are to be calculated in, each None where
        nothing is said of any frame (see `flowpot.dataset.electronic_state`). Initial
        magnetic moments, shape (A,), in Bohr magnetons; charge, shape (n,), in e; spin
        multiplicity 2S + 1, shape (n,). They are no labels.

    Raises
    ------
    ValueError
        Where an array has the wrong shape, or a frame is not usable; it names the
        frame and the remedy.

    Examples
    --------
    >>> from ase.build import bulk
    >>> frames = Dataset.from_atoms([bulk("Si"), bulk("C")])
    >>> frames = frames.with_info(config_type=["input", "vacancy"])
    >>> frames.n_atoms
    array([2, 2])
    >>> frames[frames.info["config_type"] == "vacancy"][0].symbols
    Symbols('C2')
    """

    def __post_init__(self) -> None:
        """Check what is given, and keep a copy that no one can change."""
        self._keep(checks.checked(arrays.owned(self.fields)))

    def _keep(self, fields: Mapping[str, Any]) -> Self:
        for name, value in arrays.frozen(electronic_state.completed(fields)).items():
            object.__setattr__(self, name, value)
        return self

    @classmethod
    def _of(cls, fields: Mapping[str, Any]) -> Self:
        """Make a Dataset of arrays that are valid and belong to no one else."""
        return object.__new__(cls)._keep(fields)  # noqa: SLF001

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy by the arrays alone."""
        return self._of, (self.fields | {"info": dict(self.info)},)

    # -- a sequence of frames ----------------------------------------------------
    @overload
    def __getitem__(self, index: int | np.integer) -> Atoms: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | NDArray[Any]) -> Self: ...
    def __getitem__(self, index: Any) -> Atoms | Self:
        """
        Return one frame as Atoms, or a Dataset of some frames.

        Parameters
        ----------
        index
            An integer gives Atoms, with its labels as calculator results and its
            metadata in ``atoms.info``. A slice, a boolean mask of length n or an
            array of frame numbers gives a Dataset: a contiguous slice shares its
            memory, anything else copies the selected frames only.
        """
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"frame {index} of a dataset of {len(self)} frames")
            start = int(index) % len(self)
            return self[start : start + 1].to_atoms()[0]
        return self._of(arrays.select(self.fields, index))

    def __iter__(self) -> Iterator[Atoms]:
        """Return each frame as Atoms."""
        return ase_frames.iterate_atoms(self.fields)

    @cached_property
    def fingerprints(self) -> NDArray[np.str_]:
        """Content hash of each frame, shape (n,): see `flowpot.dataset.fingerprint`."""
        return fingerprint.fingerprints(self)

    # -- labels and metadata -----------------------------------------------------
    @property
    def labelled(self) -> Self:
        """The frames that have an energy and forces (stress is optional)."""
        return self[self.is_labelled]

    @property
    def unlabelled(self) -> Self:
        """The frames that lack an energy or forces."""
        return self[~self.is_labelled]

    def with_labels(
        self,
        energy: ArrayLike | None = None,
        forces: ArrayLike | None = None,
        stress: ArrayLike | None = None,
    ) -> Self:
        """Replace the labels that are given, shaped as in the constructor."""
        given = {"energy": energy, "forces": forces, "stress": stress}
        new = {name: value for name, value in given.items() if value is not None}
        return type(self)(**(self.fields | new))

    def without_labels(self) -> Self:
        """Return the same frames, unlabelled."""
        return type(self)(**(self.fields | dict.fromkeys(PROPERTIES)))

    def with_state(
        self,
        magmoms: ArrayLike | None = None,
        charge: ArrayLike | None = None,
        spin: ArrayLike | None = None,
    ) -> Self:
        """
        Replace the parts of the electronic state that are given.

        Parameters
        ----------
        magmoms
            Initial magnetic moments, shape (A,), in Bohr magnetons.
        charge, spin
            Charge (e) and multiplicity 2S + 1: one number, or one per frame. NaN
            says nothing.
        """
        new: dict[str, Any] = {}
        if magmoms is not None:
            new["magmoms"] = magmoms
        for name, value in (("charge", charge), ("spin", spin)):
            if value is not None:
                one = np.ndim(value) == 0
                new[name] = np.full(len(self), value, float) if one else value
        return type(self)(**(self.fields | new))

    def with_info(self, **columns: Any) -> Self:
        """Set columns: one value, or one per frame; None removes the column."""
        new = metadata.with_columns(self.info, columns, len(self))
        return self._of(self.fields | {"info": new})

    # -- sets of frames ----------------------------------------------------------
    @classmethod
    def concatenate(cls, datasets: "Iterable[Dataset]") -> Self:
        """Join datasets; a column that one lacks is missing for its frames."""
        return cls._of(arrays.concatenate([each.fields for each in datasets]))

    def deduplicate(self) -> Self:
        """Keep one frame of each fingerprint: the first labelled one, or the first."""
        return self[fingerprint.first_of_each(self.fingerprints, self.is_labelled)]

    def describe(self) -> Description:
        """Summarise the frames; the summary prints as a table."""
        return describe(self)

    def __repr__(self) -> str:
        """Say how much there is."""
        frames, atoms, labelled = len(self), len(self.numbers), self.is_labelled.sum()
        return f"Dataset({frames} frames, {atoms} atoms, {labelled} labelled)"

    # -- conversions -------------------------------------------------------------
    @classmethod
    def from_atoms(
        cls,
        frames: Iterable[Atoms],
        *,
        labels: bool = True,
        keys: LabelKeys = MACE_KEYS,
    ) -> Self:
        """
        Take frames from ASE.

        Parameters
        ----------
        frames
            The frames; ``atoms.info`` becomes the metadata.
        labels
            Whether to take labels: those in ``atoms.info`` and ``atoms.arrays``, else
            the calculator's results, if they are of the frame as it is now. Nothing
            is ever calculated. Of a calculator's energies the ``free_energy`` counts,
            whose gradient the forces are; virials become stress.
        keys
            The names of labels in ``atoms.info`` and ``atoms.arrays``.
        """
        made = ase_frames.from_atoms(list(frames), labels=labels, keys=keys)
        return cls._of(checks.checked(made))

    def to_atoms(self) -> list[Atoms]:
        """Return ASE frames, labels as calculator results, metadata in ``info``."""
        return ase_frames.to_atoms(self.fields)

    @classmethod
    def from_structures(cls, frames: Iterable[IStructure | IMolecule]) -> Self:
        """Take frames, unlabelled, from pymatgen; ``properties`` become metadata."""
        return cls._of(checks.checked(pymatgen_frames.from_structures(list(frames))))

    def to_structures(self) -> list[Structure | Molecule]:
        """Return pymatgen Structures, and Molecules where a frame has no cell."""
        return pymatgen_frames.to_structures(self.fields)

    @classmethod
    def from_static_documents(
        cls, documents: Iterable[Any], *, stress_convention: str | None = None
    ) -> Self:
        """
        Take labelled frames from atomate2 static documents (objects or dicts).

        The class of a document says what its stress means; `stress_convention`
        (``"vasp"``, ``"aims"``, ``"ase"``) says it where that is unknown.
        """
        made = pymatgen_frames.from_static_documents(list(documents), stress_convention)
        return cls._of(checks.checked(made))

    # -- files and bytes ---------------------------------------------------------
    @classmethod
    def read(
        cls,
        path: str | Path | Iterable[str | Path],
        *,
        keys: LabelKeys | None = None,
        labels: bool = True,
        pbc: files.Periodicity | None = None,
        progress: bool | None = None,
    ) -> Self:
        """Read one file or several, joined in the order given: see `stream`."""
        return cls.concatenate(
            cls.stream(path, keys=keys, labels=labels, pbc=pbc, progress=progress)
        )

    @classmethod
    def stream(
        cls,
        path: str | Path | Iterable[str | Path],
        *,
        frames: int | None = None,
        keys: LabelKeys | None = None,
        labels: bool = True,
        pbc: files.Periodicity | None = None,
        progress: bool | None = None,
    ) -> Iterator[Self]:
        """
        Read files piece by piece, so that a large one need not fit in memory.

        Parameters
        ----------
        path
            The file or files: extxyz (`.xyz`, `.extxyz`), HDF5 (`.h5`, `.hdf5`), a
            folder of DeePMD systems, or CIF, POSCAR and whatever else ASE or pymatgen
            reads.
        frames
            Frames per piece, at most. None: each piece is as large as reads fastest.
        keys
            The names of the labels in extxyz files. None: MACE's `REF_*`, then ASE's
            `energy`, `forces` and `stress`.
        labels
            Whether to take labels; False takes structures only.
        pbc
            Which axes are periodic, if not those that the file says: True, False, or
            three of T and F, such as ``"TTF"`` for a slab.
        progress
            Whether to show a progress bar; None: on a terminal, for large files.
        """
        pieces = files.stream(
            path, frames=frames, keys=keys, labels=labels, pbc=pbc, progress=progress
        )
        return map(cls._of, pieces)

    def write(
        self, path: str | Path, *, keys: LabelKeys = MACE_KEYS, fill: bool = False
    ) -> Path:
        """
        Write extxyz or HDF5, by the suffix; the file appears whole or not at all.

        Parameters
        ----------
        path
            The file; an existing one is replaced. With the suffix ``.deepmd``, a new
            folder of DeePMD systems: see `flowpot.dataset.io.deepmd`.
        keys
            The names of the labels in an extxyz file.
        fill
            Whether extxyz files give, as NaN, labels that only other frames have:
            metatrain drops a label that any frame lacks.
        """
        return files.write(self.fields, Path(path), keys=keys, fill=fill)

    def to_bytes(self) -> bytes:
        """Return the content of the HDF5 file."""
        return hdf5.to_bytes(self.fields)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read the content of an HDF5 file."""
        return cls._of(hdf5.from_bytes(content))

    def to_artifact(self, name: str = "dataset.h5") -> artifact.Artifact:
        """
        Return the dataset as an Artifact, in HDF5.

        It is inline unless ``FLOWPOT_ARTIFACT_ROOT`` names a shared folder or object
        store. Name one where datasets exceed some 100 MB: every inline byte passes
        through the database for each job that reads it.
        """
        return artifact.Artifact.from_bytes(name, self.to_bytes())

    @classmethod
    def load(cls, source: Any) -> Self:
        """Make one Dataset of whatever holds frames: see `flowpot.dataset.io.load`."""
        return cls._of(arrays.concatenate(list(load.pieces(source))))

    def as_dict(self) -> dict[str, Any]:
        """Serialise for a job's inputs: as an Artifact, never as nested lists."""
        return {
            "@module": type(self).__module__,
            "@class": type(self).__name__,
            "artifact": self.to_artifact().model_dump(),
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """Undo `as_dict`."""
        return cls.load(artifact.Artifact.from_document(d["artifact"]))
