"""One seed for a campaign, and every job's own derived from it."""

import zlib

import numpy as np

_LARGEST_SEED = 2**31 - 1  # LAMMPS, MACE and Quantum ESPRESSO read signed 32-bit seeds


def derive_seed(seed: int, *path: int | str) -> int:
    """
    Derive the seed of one job or frame from the campaign's seed.

    Parameters
    ----------
    seed
        The parent seed, not negative.
    *path
        What the child is: for example ``(iteration, "training", member)``. The
        same path gives the same child, whatever else is drawn.

    Returns
    -------
    int
        A seed in [1, 2**31 - 1): never 0, which LAMMPS refuses.

    Notes
    -----
    By numpy's ``SeedSequence``; words enter by their CRC-32, because Python's
    ``hash`` of a string differs from run to run.

    Examples
    --------
    >>> derive_seed(0, 1, "training", 2) == derive_seed(0, 1, "training", 2)
    True
    """
    if seed < 0:
        raise ValueError(f"seed is {seed}: use a non-negative integer")
    words = [zlib.crc32(p.encode()) if isinstance(p, str) else int(p) for p in path]
    state = np.random.SeedSequence([seed, *words]).generate_state(1)[0]
    return 1 + int(state) % (_LARGEST_SEED - 1)


def derive_rng(seed: int, *path: int | str) -> np.random.Generator:
    """Return the numpy Generator of ``derive_seed(seed, *path)``."""
    return np.random.default_rng(derive_seed(seed, *path))
