"""Random draws of initial frames, conditions and driving members."""

from collections.abc import Sequence
from itertools import product
from typing import Any, Literal

import numpy as np

from flowpot.dataset import Dataset
from flowpot.dataset.sets import EXPLORED
from flowpot.exploration.conditions import pair

Target = float | tuple[float, float]
"""A temperature (K) or pressure (kbar), or the two ends of its ramp."""
Sampling = Literal["range", "list", "grid"]
MemberChoice = Literal["random", "round robin", "all"]
SAMPLINGS = ("range", "list", "grid")
MEMBER_CHOICES = ("random", "round robin", "all")
StartFrom = Literal["initial", "labelled"]
STARTS_FROM = ("initial", "labelled")


def draw_starts(
    dataset: Dataset,
    n: int,
    *,
    rng: np.random.Generator,
    config_types: Sequence[str] | None = None,
    start_from: StartFrom = "initial",
) -> np.ndarray:
    """
    Draw frames to start trajectories from, without replacement.

    They are drawn evenly over the input structures that the frames come from and, as
    far as that leaves a choice, over the kinds of frames.

    Parameters
    ----------
    dataset
        Frames to draw from. Those with a single atom are never drawn.
    n
        Number of frames, at most.
    rng
        Random generator.
    config_types
        Kinds of frames that may be drawn. None: `start_from` decides.
    start_from
        ``"initial"``: all but frames that come from molecular dynamics, which is the
        initial augmented dataset. ``"labelled"``: all.

    Returns
    -------
    numpy.ndarray
        Sorted indices into the dataset.

    Raises
    ------
    ValueError
        If no frame is left to draw from.
    """
    kinds = dataset.column("config_type")
    if config_types is not None:
        allowed = np.isin(kinds.astype(str), list(config_types))
    elif start_from == "initial":
        allowed = kinds != EXPLORED
    else:
        allowed = np.full(len(dataset), fill_value=True)
    able = np.flatnonzero((dataset.n_atoms > 1) & allowed)
    if len(able) == 0:
        kinds_there = sorted({str(kind) for kind in kinds[dataset.n_atoms > 1]})
        asked = "not from MD" if config_types is None else f"of {list(config_types)}"
        remedy = "give frames of two atoms or more"
        if config_types is None and kinds_there:
            remedy = (
                f"set config_types to {kinds_there} to start from these all the same"
            )
        elif kinds_there:
            remedy = f"set config_types to some of {kinds_there}"
        raise ValueError(
            f"none of the {len(dataset)} frames has two atoms and is {asked}: there is "
            f"nothing to start molecular dynamics from; {remedy}"
        )
    roots = np.unique(input_structures(dataset)[able], return_inverse=True)[1]
    kinds = np.unique(kinds[able].astype(str), return_inverse=True)[1]
    return np.sort(able[_draw_evenly(min(n, len(able)), roots, kinds, rng)])


def input_structures(dataset: Dataset) -> np.ndarray:
    """
    Trace each frame back to the structure that its ancestors were made from.

    Returns
    -------
    numpy.ndarray
        (n,) fingerprint of the last ancestor of each frame, found by following the
        column ``parent``; of the frame itself where it has no parent.
    """
    frames = dataset.fingerprints.tolist()
    nothing = np.full(len(dataset), "", dtype=object)
    parents = ["" if p is None else str(p) for p in dataset.info.get("parent", nothing)]
    parent_of = {f: p for f, p in zip(frames, parents, strict=True) if p and p != f}
    roots = []
    for frame in frames:
        ancestor, seen = frame, {frame}
        while (parent := parent_of.get(ancestor)) is not None and parent not in seen:
            seen.add(parent)
            ancestor = parent
        roots.append(ancestor)
    return np.array(roots, dtype=object)


def _draw_evenly(
    n: int, roots: np.ndarray, kinds: np.ndarray, rng: np.random.Generator
) -> list[int]:
    """
    Draw n items without replacement.

    Each is drawn from the root that was drawn least so far and, among those, from the
    kind that was drawn least; chance decides the rest.
    """
    chance = rng.permutation(len(roots))
    of_root, of_kind = np.zeros(roots.max() + 1, int), np.zeros(kinds.max() + 1, int)
    left = np.arange(len(roots))
    drawn = []
    for _ in range(n):
        order = np.lexsort((chance[left], of_kind[kinds[left]], of_root[roots[left]]))
        item = int(left[order[0]])
        of_root[roots[item]] += 1
        of_kind[kinds[item]] += 1
        left = left[left != item]
        drawn.append(item)
    return drawn


def draw_conditions(
    n: int,
    temperatures: Sequence[Target] | None,
    pressures: Sequence[Target] | None,
    sampling: Sampling,
    rng: np.random.Generator,
    runs_per_start: int = 1,
) -> list[tuple[int, Target | None, Target | None]]:
    """
    Assign temperatures and pressures to each start.

    Parameters
    ----------
    n
        Number of starts.
    temperatures, pressures
        K and kbar; a pair is a ramp's two ends. None leaves them to the engine.
    sampling
        ``"range"`` draws uniformly between the smallest and the largest value (of
        ramps: of either end), ``"list"`` draws one of the values, ``"grid"`` crosses
        every start with every temperature and every pressure.
    rng
        Random generator.
    runs_per_start
        Trajectories of each start, or of each of its points on the grid.

    Returns
    -------
    list[tuple[int, Target | None, Target | None]]
        Index of the start, temperature and pressure of each trajectory.
    """
    if sampling == "grid":
        engine_s: list[Target | None] = [None]
        kelvin, kbar = (
            engine_s if targets is None else [_plain(target) for target in targets]
            for targets in (temperatures, pressures)
        )
        points = product(range(n), kelvin, kbar)
        return [point for point in points for _ in range(runs_per_start)]
    n_runs = n * runs_per_start
    # Rounded to what a person would have written.
    kelvin = _drawn(n_runs, temperatures, sampling, 1, rng)
    kbar = _drawn(n_runs, pressures, sampling, 3, rng)
    starts = [i // runs_per_start for i in range(n_runs)]
    return list(zip(starts, kelvin, kbar, strict=True))


def _plain(target: Any) -> Target:
    """Return a target, which may come from an array, as Python's own numbers."""
    first, last = pair("value", target)
    return first if first == last else (first, last)


def _drawn(
    n: int,
    values: Sequence[Target] | None,
    sampling: Sampling,
    digits: int,
    rng: np.random.Generator,
) -> list[Target | None]:
    """Draw n of the values, or n between the smallest and the largest of them."""
    if values is None:
        return [None] * n
    ends = np.array([pair("value", target) for target in values])
    if sampling == "range":
        low, high = ends.min(axis=0), ends.max(axis=0)
        drawn = low + (high - low) * rng.random(n)[:, None]
    else:
        drawn = ends[rng.choice(len(ends), n)]
    pairs = [(round(a, digits), round(b, digits)) for a, b in drawn.tolist()]
    return [first if first == last else (first, last) for first, last in pairs]


def drivers(
    choice: MemberChoice, n: int, n_members: int, rng: np.random.Generator
) -> list[list[int]]:
    """
    Choose the committee members that drive n trajectories.

    Parameters
    ----------
    choice
        ``"random"``: one member for all, as in AiiDA-TrainsPot; ``"round robin"``: by
        turns; ``"all"``: each trajectory is run by each member.
    n
        Number of trajectories.
    n_members
        Size of the committee.
    rng
        Random generator.

    Returns
    -------
    list[list[int]]
        Indices of the members that drive each trajectory.
    """
    if choice == "all":
        return [list(range(n_members)) for _ in range(n)]
    first = int(rng.integers(n_members))
    step = 1 if choice == "round robin" else 0
    return [[(first + step * i) % n_members] for i in range(n)]
