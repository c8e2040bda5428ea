"""
The electronic state that a frame is to be calculated in: moments, charge, spin.

Three optional columns, none of them a label: they are input to a calculation.

`magmoms`
    Initial magnetic moment of each atom along one axis, in Bohr magnetons.
`charge`
    Charge of the frame (its cell), in units of e: 1 where an electron is missing.
`spin`
    Spin multiplicity 2S + 1 of the frame (its cell), as in pymatgen's Molecule and in
    the OMol data: the total moment is held at ``spin - 1`` Bohr magnetons. It need not
    be whole in a metal.

NaN says that nothing is said, which is not the same as zero: a frame with zero moments
is calculated without spin polarisation even where its elements have default moments.

In ASE they are the array ``initial_magmoms``, ``info["charge"]`` and ``info["spin"]``.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset.where import Where

STATE = ("magmoms", "charge", "spin")
ASE_MAGMOMS = "initial_magmoms"
"""What ASE names the moments by, in ``atoms.arrays`` and in extxyz files."""
DIGITS = 6
"""Decimals of a charge that is a sum of charges of atoms."""


def from_atoms(frames: Sequence[Atoms]) -> dict[str, NDArray[np.float64]]:
    """
    Read the state of ASE frames.

    Parameters
    ----------
    frames
        Their charge is ``info["charge"]``, else what pymatgen's adaptor leaves on Atoms
        of a Molecule, else the sum of the initial charges, where there are any. Their
        multiplicity is ``info["spin"]``, else what pymatgen's adaptor leaves.

    Returns
    -------
    dict
        Columns of a Dataset.
    """
    moments, charges, spins = [np.empty(0)], [], []
    for number, atoms in enumerate(frames):
        moments.append(_moments(atoms, number))
        charge = _charge(atoms)
        charges.append(charge)
        spin = atoms.info.get("spin")
        given = getattr(atoms, "spin_multiplicity", None)
        if spin is None and given and given != lowest_spin(atoms.numbers, charge):
            spin = given
        spins.append(spin)
    return {
        "magmoms": np.concatenate(moments),
        "charge": numbers_of(charges, "charge"),
        "spin": numbers_of(spins, "spin"),
    }


def _moments(atoms: Atoms, frame: int) -> NDArray[np.float64]:
    found = atoms.arrays.get(ASE_MAGMOMS)
    if found is None:
        return np.full(len(atoms), np.nan)
    if found.ndim > 1:
        raise Where().frame(
            frame,
            "its initial magnetic moments are vectors, and non-collinear magnetism is "
            "not supported: give one number per atom",
        )
    return found.astype(np.float64)


def _charge(atoms: Atoms) -> Any:
    if atoms.info.get("charge") is not None:
        return atoms.info["charge"]
    # Zero is what the adaptor leaves where nobody has said anything.
    if left := getattr(atoms, "charge", None):
        return left
    if atoms.has("initial_charges"):
        return round(float(atoms.get_initial_charges().sum()), DIGITS)
    return None


def numbers_of(
    values: Sequence[Any], name: str, where: Where | None = None
) -> NDArray[np.float64]:
    """Make a column of one number per frame; None and NaN are missing."""
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
    """Refuse infinite values, moments of some atoms only, multiplicities below 1."""
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
    """Return the columns of n frames about which nothing is said."""
    sizes = {"magmoms": n_atoms, "charge": n, "spin": n}
    return {name: np.full(size, np.nan) for name, size in sizes.items()}


def completed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    Add the columns that datasets of earlier versions lack.

    Metadata of theirs that is named `charge` or `spin` becomes the column, or gets
    another name where it cannot be one.
    """
    if all(name in fields for name in STATE):
        return dict(fields)
    n, columns = len(fields["offsets"]) - 1, dict(fields.get("info") or {})
    added = missing(n, len(fields["numbers"]))
    for name in (name for name in STATE if name in columns):
        held = np.asarray(columns.pop(name))
        usable = name != "magmoms" and held.dtype.kind in "if"
        if usable and not (name == "spin" and (held < 1).any()):
            added[name] = held.astype(np.float64)
            continue
        columns[f"{name}_info"] = held
        warnings.warn(
            f"metadata {name!r} is now {name + '_info'!r}: a column of the dataset has "
            "its name",
            stacklevel=2,
        )
    return {**added, **fields, "info": columns}


def bare(atoms: Atoms, **changes: Any) -> Atoms:
    """
    Return the geometry and the electronic state of a frame, and nothing else.

    Labels and metadata of a frame are not those of the frames made from it.

    Parameters
    ----------
    atoms
        The frame.
    **changes
        Arguments of Atoms that are to differ, such as `positions` of as many atoms.
    """
    geometry = {
        "numbers": atoms.numbers,
        "positions": atoms.positions,
        "cell": atoms.cell,
        "pbc": atoms.pbc,
    }
    made = Atoms(**(geometry | changes))
    found = from_atoms([atoms])
    set_state(made, found["magmoms"], found["charge"][0], found["spin"][0])
    return made


def set_state(
    atoms: Atoms, magmoms: NDArray[np.float64], charge: float, spin: float
) -> None:
    """Attach to ASE Atoms the parts of a state that are not NaN."""
    if len(magmoms) and not np.isnan(magmoms[0]):
        atoms.set_array(ASE_MAGMOMS, magmoms, float, ())
    for name, value in (("charge", charge), ("spin", spin)):
        atoms.info.pop(name, None)
        if not np.isnan(value):
            atoms.info[name] = plain(value)


def plain(value: float) -> int | float:
    """Return a whole number as int: programs that read charges ask for int."""
    return int(value) if float(value).is_integer() else float(value)


def lowest_spin(numbers: NDArray[np.int64], charge: float | None) -> int:
    """
    Return the lowest multiplicity of some atoms: 1 or 2.

    pymatgen's Molecule has it where no multiplicity was given: it says nothing.
    """
    return 1 + int(np.sum(numbers) - (charge or 0)) % 2


def times(copies: int, charge: float, spin: float) -> tuple[float, float]:
    """
    Return charge and multiplicity of a cell repeated so many times.

    Both the charge and the total moment, ``spin - 1``, are those of one cell.
    """
    return copies * charge, copies * (spin - 1) + 1
