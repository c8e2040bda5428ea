"""Spin, charge and Hubbard U of a calculation."""

import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, ground_state_magnetic_moments
from numpy.typing import NDArray

from flowpot.dataset.electronic_state import ASE_MAGMOMS
from flowpot.labelling.espresso.namelists import checked_number

SpinPolicy = Literal["given", "polarised"]
SPIN_POLICIES = ("given", "polarised")
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


_CARD_SINCE = (7, 1)
_MANIFOLD = re.compile(r"([A-Z][a-z]?)-([1-7][spdf])")


def check_hubbard(hubbard: Mapping[str, float]) -> None:
    """Refuse manifolds that are not written as ``Ni-3d``."""
    for manifold, value in hubbard.items():
        parts = _MANIFOLD.fullmatch(manifold)
        if parts is None or parts.group(1) not in atomic_numbers:
            raise ValueError(
                f"hubbard names {manifold!r}: write element and manifold, as in "
                "{'Ni-3d': 6.0} (eV)"
            )
        checked_number(f"hubbard[{manifold!r}]", value, "eV", positive=False)


def hubbard_input(
    hubbard: Mapping[str, float], labels: list[str], version: str
) -> tuple[dict[str, Any], str]:
    """
    Return Hubbard parameters in the form that a version of pw.x reads.

    Versions from 7.1 read a card, earlier ones keys of a namelist.

    Parameters
    ----------
    hubbard
        U (eV) of each manifold, such as ``"Ni-3d"``.
    labels
        Names of the species, in the order of the input. Different moments make several
        species of an element, such as ``Ni`` and ``Ni1``.
    version
        Version of Quantum ESPRESSO.

    Returns
    -------
    system
        Keys of the namelist SYSTEM.
    card
        Text that follows the other cards of the input.
    """
    elements = [re.match(r"[A-Z][a-z]?", label) for label in labels]
    pairs = [
        (place, label, manifold)
        for place, (label, element) in enumerate(
            zip(labels, elements, strict=True), start=1
        )
        for manifold in hubbard
        if element is not None and manifold.split("-")[0] == element.group(0)
    ]
    if not pairs:
        return {}, ""
    if version_numbers(version) >= _CARD_SINCE:
        lines = [
            f"U {label}-{manifold.split('-')[1]} {hubbard[manifold]:g}"
            for _, label, manifold in pairs
        ]
        return {}, "\n".join(["HUBBARD (ortho-atomic)", *lines, ""])
    values = {f"hubbard_u({place})": hubbard[manifold] for place, _, manifold in pairs}
    return {"lda_plus_u": True, "u_projection_type": "ortho-atomic", **values}, ""


def version_numbers(version: str) -> tuple[int, int]:
    """
    Return the major and the minor number of a version.

    Raises
    ------
    ValueError
        If the text does not begin with two numbers.

    Examples
    --------
    >>> version_numbers("6.7MaX")
    (6, 7)
    """
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None:
        raise ValueError(f"pw.x states version {version!r}: expected such as 7.3.1")
    return int(numbers.group(1)), int(numbers.group(2))
