"""From and to what else holds frames: ASE, pymatgen, documents, files, artifacts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ase import Atoms
from pymatgen.core import IMolecule, IStructure, Molecule, Structure

from flowpot.dataset import arrays, checks, electronic_state
from flowpot.dataset.arrays import Columns
from flowpot.dataset.artifact import Artifact
from flowpot.dataset.io import ase as ase_frames
from flowpot.dataset.io import files, hdf5, load
from flowpot.dataset.io import pymatgen as pymatgen_frames
from flowpot.dataset.io.static_documents import from_static_documents
from flowpot.dataset.labels import MACE_KEYS, LabelKeys


@dataclass(frozen=True, eq=False, repr=False)
class Convertible(Columns):
    """
    Columns that are checked, never change, and convert from and to other forms.

    It is the part of `flowpot.dataset.Dataset` that knows formats; its parameters are
    those of a Dataset.
    """

    def __post_init__(self) -> None:
        """Check the columns, and keep a copy that nothing else can change."""
        self._keep(checks.checked(arrays.owned(self.fields)))

    def _keep(self, fields: Mapping[str, Any]) -> Self:
        for name, value in arrays.frozen(electronic_state.completed(fields)).items():
            object.__setattr__(self, name, value)
        return self

    @classmethod
    def _of(cls, fields: Mapping[str, Any]) -> Self:
        """Make a Dataset of columns that are valid and that nothing else changes."""
        return object.__new__(cls)._keep(fields)  # noqa: SLF001

    @classmethod
    def from_atoms(
        cls,
        frames: Iterable[Atoms],
        *,
        labels: bool = True,
        keys: LabelKeys = MACE_KEYS,
    ) -> Self:
        """
        Make a Dataset of ASE frames.

        Parameters
        ----------
        frames
            The frames; ``atoms.info`` becomes the metadata.
        labels
            Whether to take labels: those in ``atoms.info`` and ``atoms.arrays``, else
            the calculator's results, if they are of the frame as it is now. Nothing
            is calculated. Of a calculator's energies ``free_energy`` is taken, whose
            gradient the forces are; virials become stress.
        keys
            The names of the labels in ``atoms.info`` and ``atoms.arrays``.

        Raises
        ------
        ValueError
            Where a frame is not usable, or something in it may be a label that no key
            names.
        """
        fields = ase_frames.from_atoms(list(frames), labels=labels, keys=keys)
        return cls._of(checks.checked(fields))

    def to_atoms(self) -> list[Atoms]:
        """Return ASE Atoms: labels as calculator results, metadata in ``info``."""
        return ase_frames.to_atoms(self)

    @classmethod
    def from_structures(cls, frames: Iterable[IStructure | IMolecule]) -> Self:
        """Make a Dataset of pymatgen objects; ``properties`` become metadata."""
        return cls._of(checks.checked(pymatgen_frames.from_structures(list(frames))))

    def to_structures(self) -> list[Structure | Molecule]:
        """Return a pymatgen Structure per frame, a Molecule where it has no cell."""
        return pymatgen_frames.to_structures(self)

    @classmethod
    def from_static_documents(
        cls, documents: Iterable[Any], *, stress_convention: str | None = None
    ) -> Self:
        """
        Make a Dataset of atomate2 static documents, with their labels.

        Parameters
        ----------
        documents
            The documents, or the dictionaries that a JobStore has of them.
        stress_convention
            Unit and sign of the stress: ``"vasp"``, ``"aims"`` or ``"ase"`` (see
            `flowpot.dataset.io.static_documents`). None: those of the document's class.

        Raises
        ------
        ValueError
            Where a label cannot be true, or a stress has an unknown unit and sign.
        """
        fields = from_static_documents(list(documents), stress_convention)
        return cls._of(checks.checked(fields))

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
        """Read one file or several, joined in their order: see `stream`."""
        pieces = files.stream(
            path, keys=keys, labels=labels, pbc=pbc, progress=progress
        )
        return cls._of(arrays.concatenate(list(pieces)))

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
        Read files piece by piece, so that a large one need not fit into memory.

        Parameters
        ----------
        path
            The file or files: extxyz (`.xyz`, `.extxyz`), HDF5 (`.h5`, `.hdf5`), a
            folder of DeePMD systems, or CIF, POSCAR and whatever else ASE or pymatgen
            reads.
        frames
            Frames per piece, at most. None: as many as are read fastest.
        keys
            The names of the labels in extxyz files. None: MACE's ``REF_*``, else ASE's
            ``energy``, ``forces`` and ``stress``.
        labels
            Whether to read labels; False reads structures only.
        pbc
            Which axes are periodic, in place of what the file says: True, False, or
            three of T and F, such as ``"TTF"`` for a slab.
        progress
            Whether to show a progress bar. None: on a terminal, for large files.

        Yields
        ------
        Dataset
            Consecutive frames.

        Raises
        ------
        FileNotFoundError
            Where there is no such file.
        ValueError
            Where a file is damaged or unknown: the message names the frame and the
            remedy.
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
            Whether to write NaN, in an extxyz file, for labels that only other frames
            have: metatrain drops a label that any frame lacks.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            Where the suffix is unknown.
        """
        return files.write(self, Path(path), keys=keys, fill=fill)

    def to_bytes(self) -> bytes:
        """Return the dataset as the content of an HDF5 file."""
        return hdf5.to_bytes(self)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read the content of an HDF5 file."""
        return cls._of(hdf5.from_bytes(content))

    def to_artifact(self, name: str = "dataset.h5") -> Artifact:
        """
        Return the dataset as an Artifact, in HDF5.

        It is inline unless ``FLOWPOT_ARTIFACT_ROOT`` names a shared folder or object
        store. Set this where datasets exceed some 100 MB: every inline byte passes
        through the database for each job that reads it.
        """
        return Artifact.from_bytes(name, self.to_bytes())

    @classmethod
    def load(cls, source: Any) -> Self:
        """
        Make one Dataset of whatever holds frames.

        Parameters
        ----------
        source
            A Dataset, an Artifact, a path, ASE Atoms, a pymatgen Structure or Molecule,
            a stage's document, a list of any of these, or what these are in a JobStore.

        Raises
        ------
        TypeError
            Where the source is none of these.
        """
        return cls._of(arrays.concatenate(list(load.pieces(source))))
