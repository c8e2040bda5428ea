"""Read extxyz, many frames at a time."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import checks, extxyz_frames, info
from flowpot.dataset.conversion import label_arrays
from flowpot.dataset.extxyz_frames import Frame
from flowpot.dataset.extxyz_table import Layout, parse_layout, read_table
from flowpot.dataset.labels import ASE_KEYS, MACE_KEYS, PROPERTIES, LabelKeys
from flowpot.dataset.where import Where

_DEFAULT_PROPERTIES = "species:S:1:pos:R:3"
_NOT_INFO = frozenset(("Lattice", "Properties", "pbc"))


@dataclass
class _Naming:
    """
    How the labels of a file are named.

    Parameters
    ----------
    path
        The file.
    candidates
        The names to look for, the first before the second.
    used
        For each label found so far its name, and the first frame that has it.
    present
        All the names that the file has for anything.
    layouts
        The layouts of atoms' lines, by the text that describes them.
    """

    path: Path
    candidates: tuple[LabelKeys, ...]
    used: dict[str, tuple[str, int]] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    layouts: dict[str, Layout] = field(default_factory=dict)

    def find(self, label: str, held: Any, frame: int) -> str | None:
        """Give the name of a label among those held; refuse two names in one file."""
        for keys in self.candidates:
            key = getattr(keys, label)
            if key not in held:
                continue
            known, first = self.used.setdefault(label, (key, frame))
            if known != key:
                raise Where(str(self.path)).frame(
                    frame,
                    f"its {label} is named {key!r}, that of frame {first} {known!r}: "
                    "if both are of one method, rename them alike; else choose one by "
                    "keys=LabelKeys()",
                )
            return str(key)
        return None


def stream(
    path: Path,
    *,
    keys: LabelKeys | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[dict[str, Any]]:
    """
    Read a file in pieces of some 30 MB.

    Parameters
    ----------
    path
        The file.
    keys
        The names of its labels. None: MACE's, then ASE's.
    advance
        Called with the number of bytes of each piece, once it is read.

    Yields
    ------
    dict
        The arrays of a Dataset.

    Raises
    ------
    ValueError
        Where the file is empty, truncated or malformed, a label is named in two ways,
        or none has the names given.
    """
    naming = _Naming(path, (MACE_KEYS, ASE_KEYS) if keys is None else (keys,))
    for frames in extxyz_frames.batches(path, advance):
        yield _fields(frames, naming)
    if keys is not None and not naming.used:
        raise ValueError(
            f"{path}: no frame has labels named as in {keys}; its frames have "
            f"{sorted(naming.present)}: name these"
        )
    if "virial" in naming.present and "stress" not in naming.used:
        warnings.warn(
            f"{path}: `virial` is not read; stress is -virial / volume", stacklevel=2
        )


def _fields(frames: Sequence[Frame], naming: _Naming) -> dict[str, Any]:
    """Turn frames into the arrays of a Dataset."""
    where = Where(str(naming.path), frames[0].body.frame)
    naming.present.update(*(frame.values for frame in frames))
    sizes = np.array([frame.body.n_atoms for frame in frames])
    cell, pbc = _cells(frames, where)
    labels = label_arrays([_labels(frame, naming) for frame in frames], sizes, where)
    numbers, positions, labels["forces"] = _atoms(frames, sizes, naming)
    taken = {getattr(k, label) for k in naming.candidates for label in PROPERTIES}
    taken |= _NOT_INFO
    records = [
        {k: v for k, v in frame.values.items() if k not in taken} for frame in frames
    ]
    fields = {
        "numbers": numbers,
        "positions": positions,
        "cell": cell,
        "pbc": pbc,
        "offsets": np.concatenate([[0], np.cumsum(sizes)]),
        "info": info.columns_of(records, where),
        **labels,
    }
    return checks.checked(fields, where)


def _cells(
    frames: Sequence[Frame], where: Where
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Give cells and periodicity; a frame with a cell is periodic unless it says."""
    cell = np.zeros((len(frames), 9))
    pbc = np.zeros((len(frames), 3), bool)
    for index, frame in enumerate(frames):
        lattice = frame.values.get("Lattice")
        try:
            if lattice is not None:
                cell[index] = [float(each) for each in lattice.split()]
            pbc[index] = frame.values.get("pbc", lattice is not None)
        except (ValueError, TypeError) as error:
            raise where.frame(
                index,
                f"Lattice={lattice!r}, pbc={frame.values.get('pbc')!r}: give nine "
                "numbers, and three of T and F",
            ) from error
    return cell.reshape(-1, 3, 3), pbc


def _labels(frame: Frame, naming: _Naming) -> dict[str, Any]:
    """Give a frame's energy and stress."""
    names = {
        label: naming.find(label, frame.values, frame.body.frame)
        for label in ("energy", "stress")
    }
    return {label: frame.values[name] for label, name in names.items() if name}


def _atoms(
    frames: Sequence[Frame], sizes: NDArray[np.int64], naming: _Naming
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Read numbers, positions and forces, the frames of each layout together."""
    kinds = [frame.values.get("Properties", _DEFAULT_PROPERTIES) for frame in frames]
    total = int(sizes.sum())
    numbers = np.empty(total, np.int64)
    positions, forces = np.empty((total, 3)), np.full((total, 3), np.nan)
    for kind in dict.fromkeys(kinds):
        member = np.array([each == kind for each in kinds])
        bodies = [frames[index].body for index in np.flatnonzero(member).tolist()]
        first = bodies[0].frame
        layout = _layout(kind, first, naming)
        key = naming.find("forces", layout.vectors, first)
        rows = np.repeat(member, sizes)
        wanted = ["pos", key] if key else ["pos"]
        where = Where(str(naming.path))
        numbers[rows], vectors = read_table(bodies, layout, wanted, where)
        positions[rows] = vectors["pos"]
        if key:
            forces[rows] = vectors[key]
    return numbers, positions, forces


def _layout(properties: str, frame: int, naming: _Naming) -> Layout:
    """Parse a layout once; point out forces that are left out."""
    if properties in naming.layouts:
        return naming.layouts[properties]
    try:
        layout = parse_layout(properties)
    except ValueError as error:
        raise Where(str(naming.path)).frame(frame, str(error)) from error
    naming.layouts[properties] = layout
    naming.present.update(layout.vectors)
    if naming.find("forces", layout.vectors, frame) is None:
        for name in layout.vectors:
            if "force" in name.lower():
                warnings.warn(
                    f"{naming.path}: the column {name!r} is not read; if these are the "
                    f"forces, pass keys=LabelKeys(forces={name!r}, ...)",
                    stacklevel=2,
                )
    return layout
