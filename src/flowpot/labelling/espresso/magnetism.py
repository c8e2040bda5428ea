"""Spin and charge of a calculation."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, ground_state_magnetic_moments
from numpy.typing import NDArray

from flowpot.dataset.electronic_state import ASE_MAGMOMS

SpinPolicy = Literal["given", "polarised"]
SPIN_POLICIES = ("given", "polarised")
_COLLINEAR, _SPINORS = 2, 4  # nspin of spins along one axis, and in all directions
_MOST_KINDS = 10
"""Largest number of kinds of atoms in a calculation of pw.x (its `ntypx`)."""


def is_isolated_atom(atoms: Atoms) -> bool:
    """Whether the frame is a single atom without periodic axes."""
    return len(atoms) == 1 and not any(atoms.pbc)


def starting_moments(
    atoms: Atoms,
    per_element: Mapping[str, float],
    valence: Mapping[str, float],
    spin: SpinPolicy = "given",
) -> NDArray[np.float64]:
    """
    Choose the magnetic moments that the SCF starts from.

    The same rule holds for isolated atoms, molecules and crystals, so that the energy
    of a frame tends to the sum of its fragments' when it is pulled apart.

    Parameters
    ----------
    atoms
        The frame. Its initial moments take precedence, zeros included. A frame without
        moments, here and in `per_element`, has those of its multiplicity spread
        evenly over its atoms.
    per_element
        Moment of each element (Bohr magnetons), for frames without moments.
    valence
        Number of valence electrons of each element's pseudopotential.
    spin
        Moment of elements that `per_element` does not name: none (``"given"``), or that
        of the free atom by Hund's rules, from ASE's table (``"polarised"``).

    Returns
    -------
    ndarray
        Moment of each atom (Bohr magnetons), shape (n_atoms,). If all are zero the
        calculation is not spin-polarised.

    Raises
    ------
    ValueError
        If the frame's moments are vectors.
    """
    if atoms.has(ASE_MAGMOMS):
        own = atoms.get_initial_magnetic_moments()
        if own.ndim > 1:
            raise ValueError(
                "initial magnetic moments are vectors: non-collinear magnetism is not "
                "supported, give one number an atom"
            )
        if own.any() or _unpaired(atoms) == 0:
            return _few_kinds(own, atoms)
    moments = []
    for symbol in atoms.get_chemical_symbols():
        free = ground_state_magnetic_moments[atomic_numbers[symbol]]
        default = min(free, valence[symbol]) if spin == "polarised" else 0.0
        moments.append(float(per_element.get(symbol, default)))
    chosen = np.array(moments)
    if not chosen.any():
        chosen += _unpaired(atoms) / len(atoms)
    return chosen


def _unpaired(atoms: Atoms) -> float:
    """Return the number of unpaired electrons by a frame's multiplicity, or 0."""
    return float(atoms.info.get("spin", 1)) - 1


def _few_kinds(moments: NDArray[np.float64], atoms: Atoms) -> NDArray[np.float64]:
    """Average the moments of each element and sign if pw.x cannot hold so many."""
    kinds = np.stack([atoms.numbers, moments], axis=1)
    if len(np.unique(kinds, axis=0)) <= _MOST_KINDS:
        return moments
    averaged = moments.copy()
    for number in np.unique(atoms.numbers):
        for sign in (-1, 1):
            alike = (atoms.numbers == number) & (np.sign(moments) == sign)
            if alike.any():
                averaged[alike] = moments[alike].mean()
    return averaged


def check_kinds(moments: NDArray[np.float64], atoms: Atoms) -> None:
    """
    Refuse a frame with more kinds of atoms than pw.x holds.

    Parameters
    ----------
    moments
        Starting moments, shape (n_atoms,). Atoms of one element and moment are of one
        kind.
    atoms
        The frame.

    Raises
    ------
    ValueError
        If there are too many.
    """
    n_kinds = len(np.unique(np.stack([atoms.numbers, moments], axis=1), axis=0))
    if n_kinds > _MOST_KINDS:
        n_elements = len(np.unique(atoms.numbers))
        raise ValueError(
            f"{n_elements} elements with positive, negative and no magnetic moments "
            f"are {n_kinds} kinds of atoms, and pw.x holds {_MOST_KINDS}: give the "
            "atoms of some elements moments of one sign (magmom site property)"
        )


def is_noncollinear(system: Mapping[str, Any]) -> bool:
    """Whether keys of SYSTEM ask for magnetisation in all directions."""
    return bool(system.get("noncolin")) or system.get("nspin") == _SPINORS


def check_spins(system: Mapping[str, Any]) -> None:
    """Refuse keys of SYSTEM for spins along one axis and in all directions at once."""
    if is_noncollinear(system) and system.get("nspin") == _COLLINEAR:
        raise ValueError(
            "user_settings sets noncolin, for spins in all directions, and nspin=2, "
            "for spins along one axis: remove the one or the other"
        )


def fixed_totals(
    atoms: Atoms,
    moments: NDArray[np.float64],
    valence: Mapping[str, float],
    user: Mapping[str, Any],
) -> dict[str, Any]:
    """
    Return the keys of SYSTEM that fix the charge and multiplicity of a frame.

    Parameters
    ----------
    atoms
        The frame.
    moments
        Starting moments (Bohr magnetons), shape (n_atoms,).
    valence
        Number of valence electrons of each element's pseudopotential.
    user
        The user's keys of SYSTEM, in lower case.

    Raises
    ------
    ValueError
        If the user fixes another charge or moment than the frame's, or its electrons
        cannot have its multiplicity.
    """
    keys: dict[str, Any] = {}
    charge, spin = atoms.info.get("charge"), atoms.info.get("spin")
    if charge:
        keys["tot_charge"] = charge
    if spin is not None:
        _check_parity(atoms, valence, float(charge or 0), float(spin))
        if moments.any():
            _check_axis(spin, user)
            keys["tot_magnetization"] = spin - 1
        elif spin > 1:
            raise ValueError(
                f"user_settings sets nspin=1, and the frame has spin={spin:g}: remove "
                "the one or the other"
            )
    for key, name, stated in (
        ("tot_charge", "charge", charge),
        ("tot_magnetization", "spin", None if spin is None else spin - 1),
    ):
        if key in user and stated is not None and float(user[key]) != stated:
            raise ValueError(
                f"user_settings sets {key}={user[key]:g}, and the frame's {name} means "
                f"{key}={stated:g}: remove the one or the other"
            )
    return keys


def _check_axis(spin: float, system: Mapping[str, Any]) -> None:
    """Refuse to fix a multiplicity where spins have no common axis."""
    if is_noncollinear(system):
        raise ValueError(
            f"user_settings sets noncolin, and the frame has spin={spin:g}, which pw.x "
            "fixes along one axis only: remove the one or the other"
        )


def _check_parity(
    atoms: Atoms, valence: Mapping[str, float], charge: float, spin: float
) -> None:
    """Refuse a molecule whose number of electrons contradicts its multiplicity."""
    electrons = sum(valence[symbol] for symbol in atoms.get_chemical_symbols()) - charge
    if any(atoms.pbc) or not (electrons.is_integer() and spin.is_integer()):
        return
    if (electrons - spin) % 2 == 0 or spin - 1 > electrons:
        raise ValueError(
            f"{atoms.get_chemical_formula()} with charge {charge:g} has {electrons:g} "
            f"valence electrons and cannot have spin {spin:g}, which is the "
            "multiplicity 2S + 1 (1 is a singlet, 2 a doublet): correct the one or the "
            "other"
        )


def relative_moments(
    moments: np.ndarray, atoms: Atoms, valence: Mapping[str, float]
) -> np.ndarray:
    """
    Return moments as pw.x reads them: as fractions of the valence electrons.

    Parameters
    ----------
    moments
        Moments (Bohr magnetons), shape (n_atoms,).
    atoms
        The frame.
    valence
        Number of valence electrons of each element's pseudopotential.

    Raises
    ------
    ValueError
        If a moment is larger than the number of valence electrons.
    """
    electrons = np.array([valence[symbol] for symbol in atoms.get_chemical_symbols()])
    too_large = np.abs(moments) > electrons
    if too_large.any():
        index = int(too_large.argmax())
        raise ValueError(
            f"magnetic moment of atom {index} is {moments[index]:g}, more than its "
            f"{electrons[index]:g} valence electrons: give a smaller one"
        )
    return moments / electrons


def check_elements(per_element: Mapping[str, float]) -> None:
    """Refuse names that are not chemical symbols."""
    unknown = [name for name in per_element if name not in atomic_numbers]
    if unknown:
        raise ValueError(
            f"magnetic_moments names {', '.join(unknown)}: use chemical symbols"
        )
