"""Special quasirandom structures, through sqsgenerator (MIT licence)."""

from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from flowpot.plugins import optional_package

_LARGEST_SEED = 2**31


def quasirandom_numbers(
    atoms: Atoms,
    sites: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    iterations: int = 10_000,
) -> NDArray[np.int64]:
    """
    Rearrange the elements on some sites into a special quasirandom structure.

    Of many random arrangements it is the one with pair correlations (Warren-Cowley
    parameters of all shells in the cell) closest to those of a random alloy.

    Parameters
    ----------
    atoms
        The alloy, of N atoms. The number of atoms of each element is kept.
    sites
        Indices of the sites among which elements are exchanged.
    rng
        Source of randomness.
    iterations
        Number of arrangements tried.

    Returns
    -------
    numpy.ndarray
        Atomic numbers, shape (N,).

    Raises
    ------
    ImportError
        If sqsgenerator is not installed.

    References
    ----------
    A. Zunger et al., Phys. Rev. Lett. 65, 353 (1990); D. Gehringer et al., Comput.
    Phys. Commun. 286, 108664 (2023).
    """
    kinds, counts = np.unique(atoms.numbers[sites], return_counts=True)
    if len(kinds) == 1:
        return np.array(atoms.numbers)
    sqsgenerator = optional_package(
        "sqsgenerator", "quasirandom alloys", "set quasirandom=False"
    )
    composition: dict[str, Any] = {"sites": [int(site) for site in sites]}
    for kind, count in zip(kinds, counts, strict=True):
        composition[chemical_symbols[kind]] = int(count)
    # Placeholders, since the result must not depend on the given arrangement.
    species = np.array(atoms.get_chemical_symbols())
    species[sites] = chemical_symbols[kinds[0]]
    result = sqsgenerator.optimize(
        {
            "structure": {
                "lattice": np.array(atoms.cell).tolist(),
                "coords": atoms.get_scaled_positions(wrap=False).tolist(),
                "species": species.tolist(),
            },
            "composition": [composition],
            "sublattice_mode": "split",
            "iteration_mode": "random",
            "iterations": iterations,
            "seed": int(rng.integers(_LARGEST_SEED)),
            "thread_config": 1,  # more threads, and a seed no longer fixes the result
        }
    )
    _, best = next(iter(result))
    # Equally good arrangements come in no fixed order: take the first by its elements.
    return np.array(min(list(arrangement.species) for arrangement in best))
