"""Read extxyz files, many frames at a time."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import checks, electronic_state, metadata
from flowpot.dataset.atom_states import along_axis, with_atom_charges
from flowpot.dataset.io import checksum
from flowpot.dataset.io.ase import label_arrays
from flowpot.dataset.io.extxyz.frames import Frame, batches
from flowpot.dataset.io.extxyz.table import Body, Layout, parse_layout, read_table
from flowpot.dataset.io.overlooked import check_overlooked
from flowpot.dataset.io.periodicity import periodic_axes
from flowpot.dataset.labels import (
    ASE_KEYS,
    MACE_KEYS,
    PROPERTIES,
    VIRIALS,
    LabelKeys,
)
from flowpot.dataset.where import Where

_DEFAULT_PROPERTIES = "species:S:1:pos:R:3"
_FREE_ENERGY = "free_energy"
_NOT_INFO = frozenset(("Lattice", "Properties", "pbc"))
_CHARGES = "initial_charges"
_STATE_OF_ATOMS = {electronic_state.ASE_MAGMOMS: "magmoms", _CHARGES: _CHARGES}
"""Columns of the electronic state, by ASE's names, and what they are called here."""
_RESULTS = ("magmoms", "magmom")
"""Names of moments that are results of a calculation."""


@dataclass
class _Naming:
    """
    Names of the labels in a file, as far as it is read.

    Parameters
    ----------
    path
        The file.
    keys
        Names that the caller has chosen, if any.
    wanted
        Whether to read labels at all.
    used
        Name of each label so far, and the first frame that has it.
    present
        Names of everything in the file.
    layouts
        Layouts of the lines of atoms, by the value of `Properties`.
    checked
        Sets of names in frames that were searched for overlooked labels.
    """

    path: Path
    keys: LabelKeys | None
    wanted: bool = True
    used: dict[str, tuple[str, int]] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    layouts: dict[str, Layout] = field(default_factory=dict)
    checked: set[Any] = field(default_factory=set)

    @property
    def candidates(self) -> tuple[LabelKeys, ...]:
        """Names to look for, in this order."""
        if not self.wanted:
            return ()
        return (MACE_KEYS, ASE_KEYS) if self.keys is None else (self.keys,)

    @property
    def virials(self) -> tuple[str, ...]:
        """Names of virials to look for."""
        if not self.wanted:
            return ()
        return VIRIALS if self.keys is None else (self.keys.virial,)

    @property
    def taken(self) -> set[str]:
        """Names that are not those of metadata."""
        labels = {getattr(k, name) for k in self.candidates for name in PROPERTIES}
        return labels | set(self.virials) | _NOT_INFO

    def find(self, label: str, names: Any, frame: int) -> str | None:
        """Return the name of a label among some; refuse two names in one file."""
        for keys in self.candidates:
            key = getattr(keys, label)
            if key not in names:
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
    labels: bool = True,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[dict[str, Any]]:
    """
    Read a file in pieces of some 30 MB.

    Parameters
    ----------
    path
        The file.
    keys
        Names of its labels. None: MACE's, else ASE's; of ASE's energies the free one,
        if a frame has both.
    labels
        Whether to read labels.
    advance
        Called with the number of bytes of each piece, once it is read.

    Yields
    ------
    dict
        The columns of a Dataset.

    Raises
    ------
    ValueError
        Where the file is empty, truncated or malformed, a label has two names, no
        frame has labels by the names in `keys`, or a column may be a label that no key
        names.
    """
    checksum.check_extxyz(path)
    naming = _Naming(path, keys, labels)
    for frames in batches(path, advance):
        yield _fields(frames, naming)
    if keys is not None and labels and not naming.used:
        raise ValueError(
            f"{path}: no frame has labels named as in {keys}; its frames have "
            f"{sorted(naming.present)}: name these"
        )


def _fields(frames: Sequence[Frame], naming: _Naming) -> dict[str, Any]:
    """Turn frames into the columns of a Dataset."""
    where = Where(str(naming.path), frames[0].body.frame)
    naming.present.update(*(frame.values for frame in frames))
    sizes = np.array([frame.body.n_atoms for frame in frames])
    cell, pbc = _cells(frames, where)
    labels_of = [_labels(frame, naming) for frame in frames]
    labels = label_arrays(labels_of, sizes, cell, where)
    per_atom = _atoms(frames, sizes, naming)
    labels["forces"] = per_atom.pop("forces")
    sums = np.add.reduceat(per_atom.pop(_CHARGES), np.cumsum(sizes) - sizes)
    for frame, own_labels in zip(frames, labels_of, strict=True):
        _check_overlooked(frame, own_labels, naming)
    records = [
        {k: v for k, v in frame.values.items() if k not in naming.taken}
        for frame in frames
    ]
    fields = {
        **per_atom,
        "cell": cell,
        "pbc": pbc,
        "offsets": np.concatenate([[0], np.cumsum(sizes)]),
        "info": metadata.columns_of(records, where),
        "charge": with_atom_charges(
            electronic_state.numbers_of(
                [frame.values.get("charge") for frame in frames], "charge", where
            ),
            sums,
            where,
        ),
        "spin": electronic_state.numbers_of(
            [f.values.get("spin") for f in frames], "spin", where
        ),
        **labels,
    }
    return checks.checked(fields, where)


def _cells(
    frames: Sequence[Frame], where: Where
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return cells and periodic axes; a frame with a cell is periodic by default."""
    cell = np.zeros((len(frames), 9))
    pbc = np.zeros((len(frames), 3), bool)
    for index, frame in enumerate(frames):
        lattice = frame.values.get("Lattice")
        try:
            if lattice is not None:
                cell[index] = [float(text) for text in lattice.split()]
            pbc[index] = _periodic(frame.values.get("pbc", lattice is not None))
        except (ValueError, TypeError) as error:
            raise where.frame(
                index,
                f"Lattice={lattice!r}, pbc={frame.values.get('pbc')!r}: give nine "
                "numbers, and three of T and F",
            ) from error
    return cell.reshape(-1, 3, 3), pbc


def _periodic(value: Any) -> Any:
    """Return which axes are periodic: one truth value, or three."""
    if isinstance(value, str):  # without spaces, such as TTF
        return periodic_axes(value.upper())
    if any(axis not in (0, 1) for axis in np.ravel(value).tolist()):
        raise ValueError(f"{value!r} has other values than T and F, or 1 and 0")
    return value


def _labels(frame: Frame, naming: _Naming) -> dict[str, Any]:
    """Return a frame's energy, stress and virial."""
    number, values = frame.body.frame, frame.values
    names = {
        label: naming.find(label, values, number) for label in ("energy", "stress")
    }
    known = naming.used.get("energy", (ASE_KEYS.energy, number))[0]
    by_ase = naming.wanted and naming.keys is None and known == ASE_KEYS.energy
    if by_ase and _FREE_ENERGY in values:
        # The forces are its gradient; ASE's other one may be extrapolated.
        naming.used["energy"] = (ASE_KEYS.energy, number)
        names["energy"] = _FREE_ENERGY
    virial = next((name for name in naming.virials if name in values), None)
    if virial is not None:
        naming.used.setdefault("virial", (virial, number))
    names["virial"] = virial
    return {label: values[name] for label, name in names.items() if name}


def _check_overlooked(frame: Frame, labels: Mapping[str, Any], naming: _Naming) -> None:
    """Refuse a frame that may have labels by names that no key has."""
    properties = frame.values.get("Properties", _DEFAULT_PROPERTIES)
    kind = (properties, *frame.values)
    if not naming.wanted or kind in naming.checked:
        return
    naming.checked.add(kind)
    number = frame.body.frame
    vectors = naming.layouts[properties].vectors
    forces = naming.find("forces", vectors, number)
    present = {"stress" if name == "virial" else name for name in labels}
    check_overlooked(
        [
            name
            for name, value in frame.values.items()
            if name not in naming.taken and np.asarray(value).dtype.kind in "iuf"
        ],
        [name for name in vectors if name not in ("pos", forces)],
        present | ({"forces"} if forces else set()),
        naming.keys,
        Where(str(naming.path)),
        number,
    )


def _atoms(
    frames: Sequence[Frame], sizes: NDArray[np.int64], naming: _Naming
) -> dict[str, NDArray[Any]]:
    """Return the columns of the atoms, reading the frames of each layout together."""
    kinds = [frame.values.get("Properties", _DEFAULT_PROPERTIES) for frame in frames]
    total = int(sizes.sum())
    columns = {
        "numbers": np.empty(total, np.int64),
        "positions": np.empty((total, 3)),
        "forces": np.full((total, 3), np.nan),
        "magmoms": np.full(total, np.nan),
        _CHARGES: np.full(total, np.nan),
    }
    for kind in dict.fromkeys(kinds):
        member = np.array([other == kind for other in kinds])
        bodies = [frames[index].body for index in np.flatnonzero(member).tolist()]
        first = bodies[0].frame
        layout = _layout(kind, first, naming)
        key = naming.find("forces", layout.vectors, first)
        rows = np.repeat(member, sizes)
        wanted = ["pos", *_STATE_OF_ATOMS, *([key] if key else [])]
        where = Where(str(naming.path))
        columns["numbers"][rows], table = read_table(bodies, layout, wanted, where)
        columns["positions"][rows] = table["pos"]
        if key:
            columns["forces"][rows] = table[key]
        for column, name in _STATE_OF_ATOMS.items():
            if column in table:
                columns[name][rows] = table[column][:, 0]
        moments = table.get(electronic_state.ASE_MAGMOMS)
        if moments is not None and moments.shape[1] > 1:
            columns["magmoms"][rows] = _signed(moments, bodies, where)
    return columns


def _signed(
    moments: NDArray[np.float64], bodies: Sequence[Body], where: Where
) -> NDArray[np.float64]:
    """Turn vectors of moments into signed numbers along each frame's axis."""
    ends = np.cumsum([body.n_atoms for body in bodies])
    parts = zip(np.split(moments, ends[:-1]), bodies, strict=True)
    along = [along_axis(part, each.frame, where) for part, each in parts]
    return np.concatenate(along)


def _layout(properties: str, frame: int, naming: _Naming) -> Layout:
    """Return the layout that a value of `Properties` describes, parsed once."""
    if properties in naming.layouts:
        return naming.layouts[properties]
    try:
        layout = parse_layout(properties)
    except ValueError as error:
        raise Where(str(naming.path)).frame(frame, str(error)) from error
    naming.layouts[properties] = layout
    naming.present.update(layout.vectors)
    moments = electronic_state.ASE_MAGMOMS
    for result in _RESULTS:
        has_moments = moments in layout.numbers or moments in layout.vectors
        if result in layout.numbers and not has_moments:
            warnings.warn(
                f"{naming.path}: the column {result!r} is not read; if calculations "
                f"are to start from these moments, name it {moments!r}",
                stacklevel=2,
            )
    return layout
