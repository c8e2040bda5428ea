"""
The electronic state that a frame is calculated in: moments, charge, multiplicity.

These are three optional columns of a Dataset. They are inputs of a calculation, not
labels.

`magmoms`
    Initial magnetic moment of each atom along one axis, in Bohr magnetons.
`charge`
    Charge of the frame (of its cell), in units of e: 1 where an electron is missing.
`spin`
    Spin multiplicity 2S + 1 of the frame (of its cell), as in pymatgen's Molecule and
    in the OMol data: the total moment is fixed at ``spin - 1`` Bohr magnetons. In a
    metal it need not be a whole number.

NaN means that nothing is stated, which is not the same as zero: a frame with zero
moments is calculated without spin polarisation, even if its elements have default
moments.

In ASE they are the array ``initial_magmoms``, ``info["charge"]`` and ``info["spin"]``.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset.atom_states import along_axis, with_atom_charges
from flowpot.dataset.where import Where

STATE = ("magmoms", "charge", "spin")
ASE_MAGMOMS = "initial_magmoms"
"""Name of the moments in ``atoms.arrays`` and in extxyz files."""


def from_atoms(frames: Sequence[Atoms]) -> dict[str, NDArray[np.float64]]:
    """
    Read the electronic state of ASE frames.

    Parameters
    ----------
    frames
        The charge of a frame is ``info["charge"]``, else the attribute ``charge`` that
        pymatgen's adaptor sets, else that of its initial charges, where there are any
        (see `with_atom_charges`). Moments that are vectors have to have a common axis.
        Its multiplicity is ``info["spin"]``, else the attribute
        ``spin_multiplicity`` that pymatgen's adaptor sets.

    Returns
    -------
    dict
        The three columns, NaN where a frame states nothing.

    Raises
    ------
    ValueError
        Where moments have no common axis, or a charge or multiplicity is not one
        number.
    """
    moments = [_moments(atoms, number) for number, atoms in enumerate(frames)]
    stated = numbers_of([_stated_charge(atoms) for atoms in frames], "charge")
    charges = with_atom_charges(stated, [_atom_charges(atoms) for atoms in frames])
    spins = []
    for atoms, charge in zip(frames, charges, strict=True):
        spin = atoms.info.get("spin")
        adapted = getattr(atoms, "spin_multiplicity", None)
        lowest = lowest_spin(atoms.numbers, charge if np.isfinite(charge) else None)
        if spin is None and adapted and adapted != lowest:
            spin = adapted
        spins.append(spin)
    return {
        "magmoms": np.concatenate([np.empty(0), *moments]),
        "charge": charges,
        "spin": numbers_of(spins, "spin"),
    }


def _moments(atoms: Atoms, frame: int) -> NDArray[np.float64]:
    moments = atoms.arrays.get(ASE_MAGMOMS)
    if moments is None:
        return np.full(len(atoms), np.nan)
    if moments.ndim > 1:
        return along_axis(moments, frame)
    return moments.astype(np.float64)


def _stated_charge(atoms: Atoms) -> Any:
    """Return the charge that a frame was given, None where it was given none."""
    if atoms.info.get("charge") is not None:
        return atoms.info["charge"]
    # The adaptor sets zero where no charge was stated.
    return getattr(atoms, "charge", None) or None


def _atom_charges(atoms: Atoms) -> float:
    """Return the sum of the atoms' charges (e), NaN where they have none."""
    if atoms.has("initial_charges"):
        return float(atoms.get_initial_charges().sum())
    return np.nan


def numbers_of(
    values: Sequence[Any], name: str, where: Where | None = None
) -> NDArray[np.float64]:
    """
    Make a column of one number per frame.

    Parameters
    ----------
    values
        Values of the frames, None or NaN where missing.
    name
        Name of the column: ``charge`` or ``spin``.
    where
        The file they come from, for messages.

    Raises
    ------
    ValueError
        Where a value is not one number.
    """
    column = np.full(len(values), np.nan)
    for frame, value in enumerate(values):
        if value is None:
            continue
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "iuf":
            raise (where or Where()).frame(
                frame, f"its {name} is {value!r}: {_MEANING[name]}"
            )
        column[frame] = array.reshape(())
    return column


_MEANING = {
    "charge": "give one number, in units of e, or rename what has this name",
    "spin": (
        "it is the multiplicity 2S + 1, one number of 1 or more (1 is a singlet, 2 a "
        "doublet); remove it to leave the total moment free, or rename what has this "
        "name"
    ),
}


def check(fields: Mapping[str, Any], where: Where) -> None:
    """
    Check the three columns among those of a Dataset.

    Raises
    ------
    ValueError
        Where a value is infinite, some atoms of a frame have no moment, or a
        multiplicity is below 1.
    """
    moments, offsets = fields["magmoms"], fields["offsets"]
    absent = np.isnan(moments)
    if not absent.all() and len(absent):
        missing = np.add.reduceat(absent, offsets[:-1], dtype=np.int64)
        wrong = (missing > 0) & (missing < np.diff(offsets))
        wrong |= np.logical_or.reduceat(np.isinf(moments), offsets[:-1])
        if wrong.any():
            raise where.frame(
                np.argmax(wrong),
                "its magmoms are infinite, or NaN in part: give every atom a moment "
                "(0 for none), or none of them",
            )
    for name, least in (("charge", -np.inf), ("spin", 1.0)):
        values = fields[name]
        wrong = np.isinf(values) | (values < least)
        if wrong.any():
            frame = np.argmax(wrong)
            raise where.frame(frame, f"its {name} is {values[frame]}: {_MEANING[name]}")


def missing(n: int, n_atoms: int) -> dict[str, NDArray[np.float64]]:
    """Return the columns of n frames that state nothing, of `n_atoms` atoms in all."""
    sizes = {"magmoms": n_atoms, "charge": n, "spin": n}
    return {name: np.full(size, np.nan) for name, size in sizes.items()}


def completed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    Add the three columns to those of a dataset of an earlier version, which lacks them.

    Its metadata `charge` or `spin` become the column, or are renamed, with a warning,
    where they cannot be.
    """
    if all(name in fields for name in STATE):
        return dict(fields)
    n, columns = len(fields["offsets"]) - 1, dict(fields.get("info") or {})
    added = missing(n, len(fields["numbers"]))
    for name in (name for name in STATE if name in columns):
        values = np.asarray(columns.pop(name))
        usable = name != "magmoms" and values.dtype.kind in "if"
        if usable and not (name == "spin" and (values < 1).any()):
            added[name] = values.astype(np.float64)
            continue
        columns[f"{name}_info"] = values
        warnings.warn(
            f"metadata {name!r} is now {name + '_info'!r}: a column of the dataset has "
            "its name",
            stacklevel=2,
        )
    return {**added, **fields, "info": columns}


def bare(atoms: Atoms, **changes: Any) -> Atoms:
    """
    Return a copy of a frame with its geometry and electronic state only.

    Labels and metadata of a frame do not hold for frames that are made from it.

    Parameters
    ----------
    atoms
        The frame.
    **changes
        Arguments of Atoms that differ, such as `positions` of as many atoms.
    """
    geometry = {
        "numbers": atoms.numbers,
        "positions": atoms.positions,
        "cell": atoms.cell,
        "pbc": atoms.pbc,
    }
    copied = Atoms(**(geometry | changes))
    state = from_atoms([atoms])
    set_state(copied, state["magmoms"], state["charge"][0], state["spin"][0])
    return copied


def set_state(
    atoms: Atoms, magmoms: NDArray[np.float64], charge: float, spin: float
) -> None:
    """
    Attach an electronic state to ASE Atoms, in place.

    Parameters
    ----------
    atoms
        A frame of N atoms.
    magmoms
        Initial magnetic moments, shape (N,), in Bohr magnetons.
    charge, spin
        Charge (e) and multiplicity. Whatever is NaN is left out.
    """
    if len(magmoms) and not np.isnan(magmoms[0]):
        atoms.set_array(ASE_MAGMOMS, magmoms, float, ())
    for name, value in (("charge", charge), ("spin", spin)):
        atoms.info.pop(name, None)
        if not np.isnan(value):
            atoms.info[name] = plain(value)


def plain(value: float) -> int | float:
    """Return a whole number as an int, which programs that read charges expect."""
    return int(value) if float(value).is_integer() else float(value)


def lowest_spin(numbers: NDArray[np.int64], charge: float | None) -> int:
    """
    Return the lowest multiplicity that atoms can have: 1 or 2.

    pymatgen's Molecule has this one where no multiplicity was given.
    """
    return 1 + int(np.sum(numbers) - (charge or 0)) % 2


def times(copies: int, charge: float, spin: float) -> tuple[float, float]:
    """
    Return the charge (e) and multiplicity of several copies of a cell together.

    The charge and the total moment, ``spin - 1``, of one cell add up.
    """
    return copies * charge, copies * (spin - 1) + 1
