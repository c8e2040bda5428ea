"""How frames inherit the moments, charge and multiplicity of their parent."""

from collections.abc import Iterable, Mapping, Sequence

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
    moments, the frame gets moments to start from: the parent's total, divided evenly
    among its sites.

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
    unpaired = 0.0 if np.isnan(spin) else spin - 1
    magmoms = np.tile(moments, (n, 1))
    if unpaired and not np.nan_to_num(moments).any():
        magmoms[other] = unpaired / len(parent)
    if not np.isnan(moments).any():
        sizes = mean_moments([parent])
        for frame, site in np.argwhere(numbers != parent.numbers):
            number = int(numbers[frame, site])
            free = float(ground_state_magnetic_moments[number])
            size = sizes.get(chemical_symbols[number], min(abs(moments[site]), free))
            magmoms[frame, site] = -size if moments[site] < 0 else size
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


def mean_moments(structures: Iterable[Atoms]) -> dict[str, float]:
    """Return the mean size of each element's moments, if it has any (mu_B)."""
    sizes: dict[str, list[float]] = {}
    for atoms in structures:
        if not atoms.has(electronic_state.ASE_MAGMOMS):
            continue
        moments = np.abs(atoms.get_initial_magnetic_moments())
        for symbol, size in zip(atoms.symbols, moments, strict=True):
            sizes.setdefault(symbol, []).append(float(size))
    return {symbol: float(np.mean(values)) for symbol, values in sizes.items()}


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
