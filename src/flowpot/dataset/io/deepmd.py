"""
DeePMD-kit's NumPy format: a folder of systems, whose frames have the same atoms.

A system has the files ``type.raw`` (an index per atom), ``type_map.raw`` (the elements
of the indices), ``nopbc`` if nothing is periodic, and folders ``set.*`` with
``coord.npy`` (A), ``box.npy`` (A), ``energy.npy`` (eV), ``force.npy`` (eV/A) and
``virial.npy`` (eV; see `flowpot.dataset.labels`), one row per frame. In systems of
mixed type, ``real_atom_types.npy`` of a set gives the atoms of each frame, -1 where
there is none.

https://docs.deepmodeling.com/projects/deepmd/en/stable/data/system.html
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from ase.symbols import Symbols
from numpy.typing import NDArray

from flowpot.dataset import arrays, checks
from flowpot.dataset.arrays import Columns
from flowpot.dataset.electronic_state import STATE
from flowpot.dataset.labels import stress_of, virial_of
from flowpot.dataset.where import Where

SUFFIX = ".deepmd"
_TYPES, _NAMES, _OPEN = "type.raw", "type_map.raw", "nopbc"
_READ = {"coord", "box", "energy", "force", "virial", "real_atom_types"}


def stream(folder: Path) -> Iterator[dict[str, Any]]:
    """
    Read every system in a folder, or the folder itself if it is one, set by set.

    Yields
    ------
    dict
        The columns of a Dataset, for each set.

    Raises
    ------
    ValueError
        Where there is no system, or a file of one is missing, damaged or misshapen.
    """
    systems = sorted(path.parent for path in folder.rglob(_TYPES))
    if not systems:
        raise ValueError(
            f"{folder}: it has no {_TYPES}: give a folder of DeePMD systems, or a file"
        )
    for system in systems:
        sets = sorted(path for path in system.glob("set.*") if path.is_dir())
        if not sets:
            is_raw = (system / "coord.raw").exists()
            remedy = "convert it by dpdata to deepmd/npy" if is_raw else "copy it whole"
            raise ValueError(f"{system}: it has no folder set.000: {remedy}")
        types, names = _types(system)
        is_open = (system / _OPEN).exists()
        for path in sets:
            yield _read_set(path, types, names, is_open=is_open)


def _types(system: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the index of each atom, and the atomic number of each index."""
    if not (system / _NAMES).is_file():
        raise ValueError(
            f"{system}: it has no {_NAMES}: write the chemical symbol of each type "
            "there, one a line"
        )
    try:
        names = (system / _NAMES).read_text().split()
        types = np.array((system / _TYPES).read_text().split(), np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{system / _TYPES}: it is damaged ({error})") from error
    unknown = [name for name in names if atomic_numbers.get(name, 0) < 1]
    if unknown:
        raise ValueError(
            f"{system / _NAMES}: {unknown[0]!r} is no element: use chemical symbols"
        )
    numbers = np.array([atomic_numbers[name] for name in names], np.int64)
    _check_types(types, numbers, system / _TYPES, least=0)
    return types, numbers


def _check_types(
    types: NDArray[np.int64], numbers: NDArray[np.int64], path: Path, least: int
) -> None:
    if types.size == 0 or types.min() < least or types.max() >= len(numbers):
        raise ValueError(
            f"{path}: its types must lie between {least} and {len(numbers) - 1}, as "
            f"{_NAMES} names {len(numbers)}"
        )


def _read_set(
    folder: Path,
    types: NDArray[np.int64],
    numbers: NDArray[np.int64],
    *,
    is_open: bool,
) -> dict[str, Any]:
    files = {path.stem: path for path in sorted(folder.glob("*.npy"))}
    if ignored := sorted(files.keys() - _READ):
        warnings.warn(
            f"{folder}: {', '.join(ignored)} are not read: frames have energy, forces "
            "and stress",
            stacklevel=2,
        )
    needed = {"coord"} if is_open else {"coord", "box"}
    if missing := sorted(needed - files.keys()):
        raise ValueError(
            f"{folder}: it has no {missing[0]}.npy: copy it whole (or make an empty "
            f"file {_OPEN} beside {_TYPES} if nothing is periodic)"
        )
    atoms = len(types)
    coord = _array(files["coord"], (-1, atoms, 3))
    n = len(coord)
    shapes = {"box": (n, 3, 3), "energy": (n,), "force": (n, atoms, 3)}
    shapes |= {"virial": (n, 3, 3)}
    arrays_of = {
        name: _array(files[name], shape)
        for name, shape in shapes.items()
        if name in files
    }
    cell = arrays_of.get("box", np.zeros((n, 3, 3)))
    rows = np.broadcast_to(types, (n, atoms))
    if "real_atom_types" in files:
        path = files["real_atom_types"]
        rows = _array(path, (n, atoms)).astype(np.int64)
        _check_types(rows, numbers, path, least=-1)
    real = rows >= 0
    fields = {
        "numbers": numbers[rows[real]],
        "positions": coord[real],
        "cell": cell,
        "pbc": np.full((n, 3), not is_open),
        "offsets": np.concatenate([[0], np.cumsum(real.sum(axis=1))]),
        "energy": arrays_of.get("energy"),
        "forces": arrays_of["force"][real] if "force" in arrays_of else None,
        "stress": (
            stress_of(arrays_of["virial"], cell) if "virial" in arrays_of else None
        ),
    }
    return checks.checked(fields, Where(str(folder)))


def _array(path: Path, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Read an array, whose rows are flat in the file, and give it its shape."""
    try:
        return np.load(path, allow_pickle=False).astype(np.float64).reshape(shape)
    except (ValueError, EOFError, OSError, TypeError) as error:
        wanted = ", ".join("frames" if size < 0 else str(size) for size in shape)
        raise ValueError(
            f"{path}: it is no array of ({wanted}) numbers ({error}): write or copy it "
            "again"
        ) from error


def write(folder: Path, columns: Columns) -> None:
    """
    Write systems into an empty folder, each with the frames that have its atoms.

    Atoms keep their order, and so do the frames of a system. The format has no place
    for metadata: a warning names what is left out.

    Raises
    ------
    ValueError
        Where a frame is periodic along some axes only.
    """
    pbc, offsets = columns.pbc, columns.offsets
    mixed = np.flatnonzero(pbc.any(axis=1) != pbc.all(axis=1))
    if len(mixed):
        axes = "".join("FT"[axis] for axis in pbc[mixed[0]].astype(int))
        raise ValueError(
            f"frame {mixed[0]} is periodic along some axes only (pbc {axes}), and "
            "DeePMD knows all or none: make such frames periodic, with their vacuum"
        )
    stated = [name for name in STATE if columns.has_any(name)]
    if lost := [*stated, *sorted(columns.info)]:
        warnings.warn(
            f"{folder}: DeePMD's format has no place for the columns "
            f"{', '.join(lost)}: they are left out",
            stacklevel=3,
        )
    starts = offsets[:-1]
    has = {
        "energy": ~np.isnan(columns.energy),
        "forces": columns.has_forces,
        "stress": ~np.isnan(columns.stress[:, 0, 0]),
    }
    groups: dict[tuple[Any, ...], list[int]] = {}
    for frame, start in enumerate(starts):
        atoms = columns.numbers[start : offsets[frame + 1]]
        labels = tuple(name for name in has if has[name][frame])
        key = (atoms.tobytes(), bool(pbc[frame, 0]), labels)
        groups.setdefault(key, []).append(frame)
    n_systems: dict[str, int] = {}
    for (_, _, labels), frames in groups.items():
        part = Columns(**arrays.select(columns.fields, np.array(frames)))
        atoms = part.numbers[: part.offsets[1]]
        name = Symbols(atoms).get_chemical_formula()
        n_systems[name] = number = n_systems.get(name, 0) + 1
        system = folder / (name if number == 1 else f"{name}_{number}")
        _write_system(system, part, atoms, labels)


def _write_system(
    folder: Path,
    columns: Columns,
    atoms: NDArray[np.int64],
    labels: tuple[str, ...],
) -> None:
    n = len(columns.cell)
    kinds, types = np.unique(atoms, return_inverse=True)
    arrays = {"coord": columns.positions.reshape(n, -1)}
    if columns.cell.any():
        arrays["box"] = columns.cell.reshape(n, 9)
    if "energy" in labels:
        arrays["energy"] = columns.energy
    if "forces" in labels:
        arrays["force"] = columns.forces.reshape(n, -1)
    if "stress" in labels:
        virial = virial_of(columns.stress, columns.cell)
        arrays["virial"] = virial.reshape(n, 9)
    (folder / "set.000").mkdir(parents=True)
    (folder / _TYPES).write_text("".join(f"{index}\n" for index in types))
    names = "".join(f"{chemical_symbols[kind]}\n" for kind in kinds)
    (folder / _NAMES).write_text(names)
    if not columns.pbc.any():
        (folder / _OPEN).touch()
    for name, array in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", array)
