"""The files that a campaign starts from, as its own file names them."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flowpot.dataset import Dataset, LabelKeys
from flowpot.dataset.geometry.vacuum import VacuumWarning, vacuum_note
from flowpot.dataset.io.files import Periodicity, periodic_axes

KEYS, PBC = "keys", "pbc"
"""How the labels of the files are called, and which of their axes are periodic."""

_LOOKED_AT = 100
"""Frames of a dataset that are searched for vacuum."""


@dataclass(frozen=True)
class Reading:
    """
    How to read the files.

    Parameters
    ----------
    folder
        What their names are relative to.
    keys
        The names of labels. None: see `Dataset.stream`.
    pbc
        Which axes are periodic. None: as the files say.
    labelled_structures
        Whether structures may have labels: where none of them is augmented.
    """

    folder: Path
    keys: LabelKeys | None = None
    pbc: Periodicity | None = None
    labelled_structures: bool = False

    @classmethod
    def of(cls, folder: Path, keys: Any, pbc: Any, *, labelled: bool) -> "Reading":
        """
        Check what a campaign's file says of its files.

        Raises
        ------
        ValueError
            With the field, what it is, and what it may be.
        """
        if pbc is not None:
            periodic_axes(pbc)
        return cls(folder, _label_keys(keys), pbc, labelled)

    def read(self, name: str, given: Any) -> Any:
        """
        Read what a campaign starts from; models stay files.

        Parameters
        ----------
        name
            ``structures``, ``dataset``, ``explored`` or ``committee``.
        given
            A file's name or pattern, or a list of them.

        Returns
        -------
        Any
            Frames as Atoms, frames as a Dataset, or paths.
        """
        paths = self._paths(name, given)
        if name == "committee":
            return paths
        labels = {"dataset": True, "structures": self.labelled_structures}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VacuumWarning)  # see `note`
            frames = Dataset.read(
                paths, keys=self.keys, labels=labels.get(name, False), pbc=self.pbc
            )
        return list(frames) if name == "structures" else frames

    def note(self, name: str, frames: Any) -> str | None:
        """Say whether frames hold vacuum along axes that are said to be periodic."""
        if name not in ("structures", "dataset") or self.pbc is not None:
            return None
        chosen = np.unique(np.linspace(0, len(frames) - 1, _LOOKED_AT).astype(int))
        found = vacuum_note(frames[int(index)] for index in chosen)
        return found and f"{name}: {found}"

    def _paths(self, name: str, given: Any) -> list[Path]:
        paths: list[Path] = []
        for each in given if isinstance(given, list) else [given]:
            if not isinstance(each, str):
                raise ValueError(f"{each!r} is not the name of a file")  # noqa: TRY004, one error for all bad values
            absolute = Path(each).expanduser().is_absolute()
            matching = [] if absolute else sorted(self.folder.glob(each))
            paths += matching or [self.folder / Path(each).expanduser()]
        if missing := [str(path) for path in paths if not path.exists()]:
            raise FileNotFoundError(f"{name}: there is no file {', '.join(missing)}")
        return paths


def _label_keys(keys: Any) -> LabelKeys | None:
    if keys is None:
        return None
    names = list(LabelKeys.__dataclass_fields__)
    if (
        not isinstance(keys, Mapping)
        or not keys.keys() <= set(names)
        or not all(isinstance(each, str) for each in keys.values())
    ):
        raise ValueError(
            f"{KEYS} is {keys!r}: give the names of some of {', '.join(names)}, as in "
            "{energy: dft_energy, forces: dft_forces}"
        )
    return LabelKeys(**keys)
