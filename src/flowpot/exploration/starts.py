"""Which trajectories to run: from where, under which conditions, driven by whom."""

from collections.abc import Sequence
from itertools import product
from typing import Literal

import numpy as np

from flowpot.dataset import Dataset

Sampling = Literal["range", "list", "grid"]
MemberChoice = Literal["random", "round robin", "all"]
SAMPLINGS = ("range", "list", "grid")
MEMBER_CHOICES = ("random", "round robin", "all")


def draw_starts(
    dataset: Dataset,
    n: int,
    *,
    rng: np.random.Generator,
    config_types: Sequence[str] | None = None,
) -> np.ndarray:
    """
    Draw frames to start trajectories from, without replacement.

    Parameters
    ----------
    dataset
        Frames to draw from. Those with a single atom are never drawn.
    n
        How many, at most.
    rng
        Of the draw.
    config_types
        Kinds of frames that may be drawn. None: all but those that come from
        molecular dynamics, which is the initial augmented dataset.

    Returns
    -------
    numpy.ndarray
        Sorted indices into the dataset.

    Raises
    ------
    ValueError
        If no frame is left to draw from.
    """
    kinds = dataset.info.get("config_type", np.full(len(dataset), None, dtype=object))
    if config_types is None:
        allowed = kinds != "md"
    else:
        allowed = np.isin(kinds.astype(str), list(config_types))
    able = np.flatnonzero((dataset.n_atoms > 1) & allowed)
    if len(able) == 0:
        asked = "not from MD" if config_types is None else f"of {list(config_types)}"
        raise ValueError(
            f"none of the {len(dataset)} frames has two atoms and is {asked}: "
            "there is nothing to start molecular dynamics from"
        )
    return np.sort(rng.choice(able, min(n, len(able)), replace=False))


def draw_conditions(
    n: int,
    temperatures: Sequence[float],
    pressures: Sequence[float],
    sampling: Sampling,
    rng: np.random.Generator,
) -> list[tuple[int, float, float]]:
    """
    Give each start its temperature and pressure.

    Parameters
    ----------
    n
        Number of starts.
    temperatures, pressures
        K and kbar.
    sampling
        ``"range"`` draws uniformly between the smallest and the largest value,
        ``"list"`` draws one of the values, ``"grid"`` crosses every start with every
        temperature and every pressure.
    rng
        Of the draws.

    Returns
    -------
    list[tuple[int, float, float]]
        Index of the start, temperature and pressure of each trajectory.
    """
    if sampling == "grid":
        return list(product(range(n), temperatures, pressures))
    if sampling == "range":
        kelvin = rng.uniform(min(temperatures), max(temperatures), n)
        kbar = rng.uniform(min(pressures), max(pressures), n)
    else:
        kelvin = rng.choice(np.asarray(temperatures, dtype=float), n)
        kbar = rng.choice(np.asarray(pressures, dtype=float), n)
    # Rounded to what a person would have written.
    return [
        (i, round(float(t), 1), round(float(p), 3))
        for i, (t, p) in enumerate(zip(kelvin, kbar, strict=True))
    ]


def drivers(
    choice: MemberChoice, n: int, n_members: int, rng: np.random.Generator
) -> list[list[int]]:
    """
    Choose the committee members that drive n trajectories.

    Parameters
    ----------
    choice
        ``"random"`` is one member for all, the paper's; ``"round robin"`` takes turns;
        ``"all"`` runs each trajectory with each.
    n
        Number of trajectories.
    n_members
        Size of the committee.
    rng
        Of the draw.

    Returns
    -------
    list[list[int]]
        Members of each trajectory.
    """
    if choice == "all":
        return [list(range(n_members)) for _ in range(n)]
    first = int(rng.integers(n_members))
    turn = 1 if choice == "round robin" else 0
    return [[(first + turn * i) % n_members] for i in range(n)]
