"""The files that a campaign starts from, which its configuration file names."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flowpot.dataset import Dataset, LabelKeys
from flowpot.dataset.geometry.vacuum import VacuumWarning, vacuum_note
from flowpot.dataset.io.periodicity import Periodicity, periodic_axes

KEYS, PBC = "keys", "pbc"
"""The keys for the names of the files' labels, and for their periodic axes."""

_LOOKED_AT = 100
"""Frames of a dataset that are searched for vacuum."""


@dataclass(frozen=True)
class Reading:
    """
    How to read the files.

    Parameters
    ----------
    folder
        Folder to which their names are relative.
    keys
        Names of the labels. None: see `Dataset.stream`.
    pbc
        Periodic axes. None: those in the files.
    labelled_structures
        Whether labels of structures are read: where structures are not augmented.
    """

    folder: Path
    keys: LabelKeys | None = None
    pbc: Periodicity | None = None
    labelled_structures: bool = False

    @classmethod
    def of(cls, folder: Path, keys: Any, pbc: Any, *, labelled: bool) -> "Reading":
        """
        Make it from the values of ``keys`` and ``pbc`` in a configuration file.

        Raises
        ------
        ValueError
            With the key, its value, and the values that it may have.
        """
        if pbc is not None:
            periodic_axes(pbc)
        names = list(LabelKeys.__dataclass_fields__)
        if keys is not None and (
            not isinstance(keys, Mapping)
            or not keys.keys() <= set(names)
            or not all(isinstance(key, str) for key in keys.values())
        ):
            raise ValueError(
                f"{KEYS} is {keys!r}: give the names of some of {', '.join(names)}, as "
                "in {energy: dft_energy, forces: dft_forces}"
            )
        label_keys = None if keys is None else LabelKeys(**keys)
        return cls(folder, label_keys, pbc, labelled)

    def read(self, name: str, given: Any) -> Any:
        """
        Read what a campaign starts from.

        Parameters
        ----------
        name
            ``structures``, ``dataset``, ``explored`` or ``committee``.
        given
            Name or pattern of files, or a list of these.

        Returns
        -------
        list of Atoms, Dataset, or list of Path
            Structures as Atoms, other frames as a Dataset; of models their paths.

        Raises
        ------
        ValueError
            If there is no name, a name is no text, or the files have no frames.
        FileNotFoundError
            If there is no such file.
        """
        patterns = given if isinstance(given, list) else [given]
        if not patterns:
            raise ValueError("the list is empty: name one file at least")
        paths = [path for pattern in patterns for path in self._matching(pattern)]
        if missing := [str(path) for path in paths if not path.exists()]:
            raise FileNotFoundError(f"{name}: there is no file {', '.join(missing)}")
        if name == "committee":
            return paths
        labels = {"dataset": True, "structures": self.labelled_structures}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VacuumWarning)  # see `note`
            frames = Dataset.read(
                paths, keys=self.keys, labels=labels.get(name, False), pbc=self.pbc
            )
        if not len(frames):
            raise ValueError(f"{', '.join(map(str, paths))}: there are no frames in it")
        return list(frames) if name == "structures" else frames

    def _matching(self, pattern: Any) -> list[Path]:
        """Return the file of a name, or the files of a pattern; they may be missing."""
        if not (isinstance(pattern, str) and pattern.strip()):
            raise ValueError(f"{pattern!r} is not the name of a file")
        path = self.folder / Path(pattern).expanduser()
        is_pattern = not path.exists() and not Path(pattern).expanduser().is_absolute()
        matching = sorted(self.folder.glob(pattern)) if is_pattern else []
        return matching or [path]

    def note(self, name: str, frames: Any) -> str | None:
        """Return a note on frames with vacuum along periodic axes; None for none."""
        if name not in ("structures", "dataset") or self.pbc is not None:
            return None
        chosen = np.unique(np.linspace(0, len(frames) - 1, _LOOKED_AT).astype(int))
        note = vacuum_note(frames[int(index)] for index in chosen)
        return note and f"{name}: {note}"
