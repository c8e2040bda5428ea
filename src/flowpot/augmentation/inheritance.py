"""What frames inherit of the moments, charge and multiplicity of their parent."""

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
    size of the moments that it has in the parent, or, if it is not there, the moment
    of the site, as far as its free atom has so much; the sign is the site's, so that
    an antiferromagnet stays one.

    The charge is that of the parent. So is the multiplicity, unless atoms are missing
    or elements have changed: the number of electrons is then another one. The moments
    that it stands for are what such a frame starts from, and its total is free.

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
    own = electronic_state.from_atoms([parent])
    moments, charge, spin = own["magmoms"], own["charge"][0], own["spin"][0]
    other = ~present.all(axis=1)
    other |= (np.sort(numbers, axis=1) != np.sort(parent.numbers)).any(axis=1)
    unpaired = 0.0 if np.isnan(spin) else spin - 1
    magmoms = np.tile(moments, (n, 1))
    if unpaired and not np.nan_to_num(moments).any():
        magmoms[other] = unpaired / len(parent)
    if not np.isnan(moments).any():
        known = mean_moments([parent])
        for frame, site in np.argwhere(numbers != parent.numbers):
            magmoms[frame, site] = _moment(
                int(numbers[frame, site]), moments[site], known
            )
    return {
        "magmoms": magmoms,
        "charge": np.full(n, charge),
        "spin": np.where(other, np.nan, spin),
    }


def _moment(number: int, of_site: float, known: Mapping[str, float]) -> float:
    """Choose the moment of an element that is new on a site."""
    free = float(ground_state_magnetic_moments[number])
    size = known.get(chemical_symbols[number], min(abs(of_site), free))
    return -size if of_site < 0 else size


def inherit(made: Atoms, parent: Atoms, kept: NDArray[np.bool_] | None = None) -> None:
    """
    Copy to a frame what it inherits from the parent of its atoms.

    Parameters
    ----------
    made
        The frame, changed in place.
    parent
        What it was made of.
    kept
        Which of the parent's atoms it has, shape (N,); None: all.
    """
    present = np.ones(len(parent), bool) if kept is None else kept
    numbers = parent.numbers.copy()
    numbers[present] = made.numbers
    found = inherited(parent, numbers[None], present[None])
    made.arrays.pop(electronic_state.ASE_MAGMOMS, None)
    moments = found["magmoms"][0][present]
    electronic_state.set_state(made, moments, found["charge"][0], found["spin"][0])


def mean_moments(structures: Iterable[Atoms]) -> dict[str, float]:
    """Return the mean size of each element's moments, where there are any (mu_B)."""
    sizes: dict[str, list[float]] = {}
    for atoms in structures:
        if not atoms.has(electronic_state.ASE_MAGMOMS):
            continue
        moments = np.abs(atoms.get_initial_magnetic_moments())
        for symbol, size in zip(atoms.symbols, moments, strict=True):
            sizes.setdefault(symbol, []).append(float(size))
    return {symbol: float(np.mean(found)) for symbol, found in sizes.items()}


def with_moments(frames: Sequence[Atoms], moments: Mapping[str, float]) -> list[Atoms]:
    """
    Set parallel moments, by element, in frames that have no atom of a parent.

    Isolated atoms, clusters and dimers are then polarised where the inputs are, so
    that their energies can be compared.

    Parameters
    ----------
    frames
        The frames; they stay as they are.
    moments
        Of each element, in Bohr magnetons. Frames without such an element get none.
    """
    made = []
    for each in frames:
        atoms = each.copy()
        if moments.keys() & set(atoms.symbols):
            atoms.set_initial_magnetic_moments(
                [moments.get(symbol, 0.0) for symbol in atoms.symbols]
            )
        made.append(atoms)
    return made


def repeated(made: Atoms, atoms: Atoms) -> None:
    """Return a supercell, in place, the charge and total moment of all its cells."""
    own = electronic_state.from_atoms([atoms])
    charge, spin = electronic_state.times(
        len(made) // len(atoms), float(own["charge"][0]), float(own["spin"][0])
    )
    electronic_state.set_state(made, np.empty(0), charge, spin)
