"""The frames that flow between the stages, as columns of arrays."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
from ase import Atoms
from monty.json import MSONable
from numpy.typing import ArrayLike, NDArray

from flowpot.dataset import arrays, metadata
from flowpot.dataset.artifact import Artifact
from flowpot.dataset.conversions import Convertible
from flowpot.dataset.description import Description, describe
from flowpot.dataset.fingerprint import fingerprints, first_of_each
from flowpot.dataset.io.ase import iterate_atoms
from flowpot.dataset.labels import PROPERTIES


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(Convertible, MSONable):
    """
    Frames of different sizes, with their labels: immutable, and stored by columns.

    There are n frames, of A atoms in all. Frame i has the rows
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
        Labels, each None if no frame has it. Total energies, shape (n,), in eV; forces,
        shape (A, 3), in eV/A; stress, shape (n, 3, 3), in eV/A^3, positive under
        tension (ASE's sign).
    info
        Metadata: one column of length n per name (see `flowpot.dataset.metadata`).
    magmoms, charge, spin
        The electronic state that frames are calculated in, each None if no frame
        states it (see `flowpot.dataset.electronic_state`). Initial magnetic moments,
        shape (A,), in Bohr magnetons; charge, shape (n,), in e; spin multiplicity
        2S + 1, shape (n,). They are inputs of a calculation, not labels.

    Raises
    ------
    ValueError
        Where an array has the wrong shape, or a frame is not usable. The message names
        the frame and the remedy.

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

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy the columns, without what is computed from them."""
        return self._of, (self.fields | {"info": dict(self.info)},)

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
            An integer gives Atoms, with the labels as calculator results and the
            metadata in ``atoms.info``. A slice, a boolean mask of length n or an
            array of frame numbers gives a Dataset. A contiguous slice shares the
            memory of this one; anything else copies the selected frames.

        Raises
        ------
        IndexError
            Where there is no such frame, or the mask has another length.
        """
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"frame {index} of a dataset of {len(self)} frames")
            start = int(index) % len(self)
            return self[start : start + 1].to_atoms()[0]
        return self._of(arrays.select(self.fields, index))

    def __iter__(self) -> Iterator[Atoms]:
        """Iterate over the frames, as Atoms."""
        return iterate_atoms(self)

    @cached_property
    def fingerprints(self) -> NDArray[np.str_]:
        """Content hash of each frame, shape (n,): see `flowpot.dataset.fingerprint`."""
        return fingerprints(self)

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
        """Replace some labels, shaped as in the constructor; None keeps a label."""
        labels = {"energy": energy, "forces": forces, "stress": stress}
        new = {name: value for name, value in labels.items() if value is not None}
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
        Replace parts of the electronic state; None keeps a part.

        Parameters
        ----------
        magmoms
            Initial magnetic moments, shape (A,), in Bohr magnetons.
        charge, spin
            Charge (e) and multiplicity 2S + 1: one number, or one per frame. NaN is a
            frame that states none.
        """
        new: dict[str, Any] = {}
        if magmoms is not None:
            new["magmoms"] = magmoms
        for name, value in (("charge", charge), ("spin", spin)):
            if value is not None:
                is_number = np.ndim(value) == 0
                new[name] = np.full(len(self), value, float) if is_number else value
        return type(self)(**(self.fields | new))

    def with_info(self, **columns: Any) -> Self:
        """
        Set columns of metadata.

        Parameters
        ----------
        **columns
            For each column one value for all frames, or one per frame. None removes
            the column.
        """
        new = metadata.with_columns(self.info, columns, len(self))
        return self._of(self.fields | {"info": new})

    @classmethod
    def concatenate(cls, datasets: "Iterable[Dataset]") -> Self:
        """Join datasets; metadata that one of them lacks are missing in its frames."""
        return cls._of(arrays.concatenate([part.fields for part in datasets]))

    def deduplicate(self) -> Self:
        """Keep one frame of each fingerprint: the first that is labelled, if any is."""
        return self[first_of_each(self.fingerprints, self.is_labelled)]

    def describe(self) -> Description:
        """Summarise the frames; the summary prints as tables."""
        return describe(self)

    def __repr__(self) -> str:
        """Return the numbers of frames, atoms and labelled frames."""
        frames, atoms, labelled = len(self), len(self.numbers), self.is_labelled.sum()
        return f"Dataset({frames} frames, {atoms} atoms, {labelled} labelled)"

    def save(self, json_path: str | PathLike[str]) -> None:  # type: ignore[override]
        """Do what `write` does; monty's own would write JSON, whatever the suffix."""
        self.write(Path(json_path))

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
        return cls.load(Artifact.from_document(d["artifact"]))
