"""Spin: starting moments, and the ground states of free atoms."""

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, ground_state_magnetic_moments


def is_isolated_atom(atoms: Atoms) -> bool:
    """Whether the frame is one atom alone: no other, no periodic axis."""
    return len(atoms) == 1 and not any(atoms.pbc)


def starting_moments(atoms: Atoms, per_element: Mapping[str, float]) -> np.ndarray:
    """
    Choose the magnetic moments that the SCF starts from.

    Parameters
    ----------
    atoms
        The frame. Its own initial moments come first.
    per_element
        Moments of the elements (Bohr magnetons), used where the frame has none.

    Returns
    -------
    ndarray
        One moment an atom (Bohr magnetons); all zero means no spin polarisation. An
        isolated atom that nothing is said about gets its ground state's (Hund's
        rules, from ASE's table).
    """
    own = atoms.get_initial_magnetic_moments()
    if own.ndim > 1:
        raise ValueError(
            "initial magnetic moments are vectors: non-collinear magnetism is not "
            "supported, give one number an atom"
        )
    symbols = atoms.get_chemical_symbols()
    if own.any():
        return own
    if is_isolated_atom(atoms) and symbols[0] not in per_element:
        return ground_state_magnetic_moments[atoms.numbers].astype(float)
    return np.array([float(per_element.get(symbol, 0.0)) for symbol in symbols])


def relative_moments(
    moments: np.ndarray, atoms: Atoms, valence: Mapping[str, float]
) -> np.ndarray:
    """
    Express moments as pw.x reads them: as fractions of the valence electrons.

    Parameters
    ----------
    moments
        Moments (Bohr magnetons), shape (n_atoms,).
    atoms
        The frame.
    valence
        Electrons that each element's pseudopotential leaves to pw.x.
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
    """Refuse names that are no elements."""
    unknown = [name for name in per_element if name not in atomic_numbers]
    if unknown:
        raise ValueError(
            f"magnetic_moments names {', '.join(unknown)}: use chemical symbols"
        )
