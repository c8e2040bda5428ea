"""How frames inherit the moments, charge and multiplicity of their parent."""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, ground_state_magnetic_moments
from numpy.typing import NDArray

from flowpot.dataset import electronic_state


def inherited(
    parent: Atoms, numbers: NDArray[np.int64], present: NDArray[np.bool_]
) -> dict[str, NDArray[np.float64]]:
    """
    Return the electronic state of frames on the sites of a parent.

    An atom that stays keeps its moment. An element that is new on a site takes the mean
    size of its moments in the parent. If the parent lacks the element, it takes the
    moment of the site, up to the moment of its free atom. The sign is that of the site,
    so that an antiferromagnet stays one.

    The charge is that of the parent. So is the multiplicity, unless atoms are missing
    or elements have changed, since the number of electrons is then another one. The
    total moment of such a frame is free. If the parent has a multiplicity and no
    moments, the frame gets moments to start from, as `starting_moments` says.

    Parameters
    ----------
    parent
        The structure of N sites.
    numbers
        Atomic numbers of the n frames, shape (n, N).
    present
        Which sites have their atom, shape (n, N).

    Returns
    -------
    dict
        ``magmoms``, shape (n, N), ``charge`` and ``spin``, shape (n,): see
        `flowpot.dataset.electronic_state`.
    """
    n = len(numbers)
    state = electronic_state.from_atoms([parent])
    moments, charge, spin = state["magmoms"], state["charge"][0], state["spin"][0]
    other = ~present.all(axis=1)
    other |= (np.sort(numbers, axis=1) != np.sort(parent.numbers)).any(axis=1)
    magmoms = np.where(other[:, None], starting_moments(parent), moments)
    sizes = mean_moments([parent])
    replaced = (numbers != parent.numbers) & ~np.isnan(magmoms)
    for frame, site in np.argwhere(replaced):
        number, moment = int(numbers[frame, site]), magmoms[frame, site]
        free = float(ground_state_magnetic_moments[number])
        size = sizes.get(chemical_symbols[number], min(abs(moment), free))
        magmoms[frame, site] = -size if moment < 0 else size
    return {
        "magmoms": magmoms,
        "charge": np.full(n, charge),
        "spin": np.where(other, np.nan, spin),
    }


def inherit(frame: Atoms, parent: Atoms, kept: NDArray[np.bool_] | None = None) -> None:
    """
    Set the moments, charge and multiplicity that a frame inherits from its parent.

    Parameters
    ----------
    frame
        The frame, which is changed in place.
    parent
        The structure that the frame was made of.
    kept
        Which of the parent's N atoms the frame has, shape (N,); None for all.
    """
    present = np.ones(len(parent), bool) if kept is None else kept
    numbers = parent.numbers.copy()
    numbers[present] = frame.numbers
    state = inherited(parent, numbers[None], present[None])
    frame.arrays.pop(electronic_state.ASE_MAGMOMS, None)
    moments = state["magmoms"][0][present]
    electronic_state.set_state(frame, moments, state["charge"][0], state["spin"][0])


def starting_moments(atoms: Atoms) -> NDArray[np.float64]:
    """
    Return the moments that frames made from a structure start from.

    Parameters
    ----------
    atoms
        A structure of N atoms.

    Returns
    -------
    numpy.ndarray
        Its initial moments in Bohr magnetons, shape (N,). If it has a multiplicity
        with unpaired electrons and no moments (or zeros): these electrons, divided
        evenly among the atoms. NaN if it has neither.
    """
    state = electronic_state.from_atoms([atoms])
    moments, unpaired = state["magmoms"], np.nan_to_num(state["spin"][0] - 1)
    if unpaired and not np.nan_to_num(moments).any():
        return np.full(len(atoms), unpaired / len(atoms))
    return moments


def mean_moments(structures: Iterable[Atoms]) -> dict[str, float]:
    """
    Return the mean size of each element's moments, if it has any (mu_B).

    Those of a structure with a multiplicity alone are those of `starting_moments`. The
    order of the structures does not matter.
    """
    sizes: dict[str, list[float]] = {}
    for atoms in structures:
        moments = np.abs(starting_moments(atoms))
        for symbol, size in zip(atoms.symbols, moments, strict=True):
            if not np.isnan(size):
                sizes.setdefault(symbol, []).append(float(size))
    return {symbol: fsum(values) / len(values) for symbol, values in sizes.items()}


def with_moments(frames: Sequence[Atoms], moments: Mapping[str, float]) -> list[Atoms]:
    """
    Return copies of frames without a parent, with parallel moments by element.

    Isolated atoms, clusters and dimers are then polarised if the inputs are, so that
    their energies can be compared.

    Parameters
    ----------
    frames
        The frames, which stay as they are.
    moments
        Moment of each element, in Bohr magnetons. Frames without such an element get
        none.
    """
    copies = []
    for frame in frames:
        atoms = frame.copy()
        if moments.keys() & set(atoms.symbols):
            atoms.set_initial_magnetic_moments(
                [moments.get(symbol, 0.0) for symbol in atoms.symbols]
            )
        copies.append(atoms)
    return copies


def repeated(supercell: Atoms, cell: Atoms) -> None:
    """Set the charge and total moment of a supercell, in place: those of all cells."""
    state = electronic_state.from_atoms([cell])
    charge, spin = electronic_state.times(
        len(supercell) // len(cell), float(state["charge"][0]), float(state["spin"][0])
    )
    electronic_state.set_state(supercell, np.empty(0), charge, spin)
