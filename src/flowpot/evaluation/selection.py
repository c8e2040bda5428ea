"""Which explored frames to label next, and which accepted ones to check."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
from monty.json import MSONable

from flowpot.dataset.geometry.closeness import check_distance
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.decision import excess
from flowpot.evaluation.diversity import Descriptors, farthest_points
from flowpot.evaluation.known import is_known
from flowpot.evaluation.upper_bound import beyond_bound
from flowpot.validation import complete, fraction, number, one_of, whole

METHODS = ("random", "weighted", "diverse", "top")
_POWER = 2  # of the predicted error, by which a frame is weighted
_ALIKE = 0.1
"""Share of the chances that is the same for all: no drawn frame stands for more than
ten times as many frames as with equal chances (Hesterberg, Technometrics 37, 185, 1995)
"""


@dataclass(frozen=True)
class SelectionRules(MSONable):
    """
    How frames are chosen.

    Attributes
    ----------
    max_selected
        Largest number of flagged frames that an iteration labels.
    method
        How they are chosen, where there are more. ``weighted``: drawn, nine tenths with
        chances in proportion to the square of the predicted error, and a tenth with the
        same chance, since what is drawn tells of all frames. ``random``: all with
        the same chance, as in the paper. ``diverse``: far from each other and from the
        labelled frames, in the space of the committee's descriptors; it gains most
        where ``max_selected`` is small.
        ``top``: the largest predicted errors, for comparison. The last two draw a share
        of the frames at random, as large as ``audit_fraction`` says, since no
        calibration can be fitted to the others: their probability of being chosen is
        not known.
    audit_fraction, audit_min, audit_max
        Share of the accepted frames that is labelled as a check, and bounds of their
        number; a share of 0 switches the audit off. Where no frame is flagged, the
        audit takes ``audit_max``: finding nothing is a reason to look closer.
    upper_factor
        Upper bound of the error, in tolerances, or in typical errors of the committee
        where these are larger. A frame that is beyond it with a chance of 95 % comes
        from a broken MD run: it is counted and not labelled.
    min_distance
        Frames with a pair of atoms closer than this fraction of the sum of their
        covalent radii are unphysical. None is the limit common to all stages, 0.5.
    """

    max_selected: int = 1000
    method: str = "weighted"
    audit_fraction: float = 0.1
    audit_min: int = 5
    audit_max: int = 50
    upper_factor: float = 20.0
    min_distance: float | None = None

    def __post_init__(self) -> None:
        complete(self)
        whole(0, max_selected=self.max_selected)
        number(min_distance=self.min_distance)
        check_distance(min_distance=self.min_distance)
        one_of(METHODS, method=self.method)
        fraction(audit_fraction=self.audit_fraction)
        whole(0, audit_min=self.audit_min, audit_max=self.audit_max)
        if not self.audit_min <= self.audit_max:
            raise ValueError(
                f"audit_min is {self.audit_min} and audit_max {self.audit_max}: "
                "use 0 <= audit_min <= audit_max"
            )
        if not (isinstance(self.upper_factor, Real) and self.upper_factor > 1):
            raise ValueError(
                f"upper_factor is {self.upper_factor!r}: the upper bound must lie over "
                "the threshold, so use a factor over 1"
            )


@dataclass(frozen=True)
class Selection:
    """
    Indices of the chosen frames, and the counts of the others.

    Attributes
    ----------
    selected, audit
        Indices of flagged frames, and of accepted frames that were drawn as a check.
    selected_probability
        Probability with which each selected frame was drawn; NaN for a frame that was
        not drawn but chosen for what it is.
    audit_probability
        Probability with which each audited frame was drawn.
    n_over, n_wrecked, n_insane
        Flagged frames; frames beyond the upper bound; frames without finite
        predictions.
    """

    selected: np.ndarray
    audit: np.ndarray
    selected_probability: np.ndarray
    audit_probability: float
    n_over: int
    n_wrecked: int
    n_insane: int


def select(
    disagreement: Mapping[str, np.ndarray],
    calibration: Mapping[str, Calibration],
    *,
    rng: np.random.Generator,
    rules: SelectionRules | None = None,
    candidates: np.ndarray | None = None,
    budget: int | None = None,
    descriptors: Descriptors | None = None,
) -> Selection:
    """
    Choose flagged frames, and accepted ones as a check.

    Parameters
    ----------
    disagreement
        (n,) uncertainties by name.
    calibration
        Of each property that decides.
    rng
        Random numbers.
    rules
        How frames are chosen, and how many.
    candidates
        (n,) mask of frames that may be chosen; None for all.
    budget
        Largest number of frames, audit included; None for no limit.
    descriptors
        Of the frames and of the labelled ones, which the method ``diverse`` needs.

    Raises
    ------
    ValueError
        Where the method ``diverse`` has no descriptors.
    """
    rules = rules or SelectionRules()
    finite = is_known(disagreement)
    ratio = excess(disagreement, calibration)
    over = ratio > 1
    beyond = beyond_bound(disagreement, calibration, rules.upper_factor)
    free = np.ones_like(finite) if candidates is None else np.asarray(candidates, bool)
    pool = np.flatnonzero(finite & over & ~beyond & free)
    accepted = np.flatnonzero(finite & ~over & free)

    left = math.inf if budget is None else max(budget, 0)
    wanted = min(len(pool), rules.max_selected)
    n_audit = 0
    if rules.audit_fraction > 0:
        asked = _share(len(accepted), rules) if len(pool) else rules.audit_max
        n_audit = min(len(accepted), asked)
    if n_audit + wanted > left:  # they share the budget: at most a third are checks
        n_audit = min(n_audit, max(int(left) // 3, int(left) - wanted))
    n_selected = int(min(wanted, left - n_audit))
    selected, probability = _choose(pool, n_selected, ratio, rules, descriptors, rng)
    return Selection(
        selected=selected,
        audit=np.sort(rng.choice(accepted, int(n_audit), replace=False)),
        selected_probability=probability,
        audit_probability=n_audit / max(len(accepted), 1),
        n_over=int(over.sum()),
        n_wrecked=int(beyond.sum()),
        n_insane=int((~finite).sum()),
    )


def _choose(
    pool: np.ndarray,
    n: int,
    ratio: np.ndarray,
    rules: SelectionRules,
    descriptors: Descriptors | None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose n frames of a pool, and return their indices and probabilities."""
    if rules.method == "weighted" and 0 < n < len(pool):
        unequal = _inclusion(ratio[pool] ** _POWER, n)
        chance = _ALIKE * n / len(pool) + (1 - _ALIKE) * unequal
        drawn = _systematic(chance, rng)
        return pool[drawn], chance[drawn]
    by_chance = n == len(pool) or rules.method == "random"
    n_drawn = n if by_chance else min(_share(n, rules), n)
    drawn = rng.choice(pool, n_drawn, replace=False)
    rest, wanted = np.setdiff1d(pool, drawn), n - n_drawn
    if wanted == 0:
        picked = rest[:0]
    elif rules.method == "top":
        picked = rest[np.argsort(-ratio[rest], kind="stable")[:wanted]]
    elif descriptors is None:
        raise ValueError(
            "method is 'diverse' but there are no descriptors: give descriptors of the "
            "frames and of the labelled ones, or use the method 'random'"
        )
    else:
        covered = np.concatenate([descriptors.labelled, descriptors.frames[drawn]])
        picked = rest[farthest_points(descriptors.frames[rest], wanted, covered)]
    index = np.concatenate([drawn, picked])
    chance = np.full(len(index), np.nan)
    chance[:n_drawn] = n_drawn / max(len(pool), 1)
    order = np.argsort(index)
    return index[order], chance[order]


def _inclusion(weights: np.ndarray, n: int) -> np.ndarray:
    """Return chances in proportion to weights, none over 1, whose sum is n."""
    chance = np.ones(len(weights))
    open_ = np.ones(len(weights), dtype=bool)
    while True:
        left = n - (~open_).sum()
        chance[open_] = left * weights[open_] / weights[open_].sum()
        if not (certain := open_ & (chance > 1)).any():
            return chance
        chance[certain], open_ = 1.0, open_ & ~certain


def _systematic(chance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """
    Draw sum(chance) indices, each with its chance.

    Systematic sampling, in a random order (Madow, Ann. Math. Stat. 20, 333, 1949).
    """
    order = rng.permutation(len(chance))
    passed = np.cumsum(chance[order])
    passed[-1] = np.round(passed[-1])
    return np.sort(order[np.diff(np.floor(passed + rng.uniform()), prepend=0) > 0])


def _share(n: int, rules: SelectionRules) -> int:
    """Return how many of n frames are drawn, so that something is known of all."""
    if rules.audit_fraction == 0:
        return 0
    wanted = math.ceil(rules.audit_fraction * n)
    return max(rules.audit_min, min(wanted, rules.audit_max))
