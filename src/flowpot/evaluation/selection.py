"""Which explored frames to label next, and which accepted ones to check."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from monty.json import MSONable

from flowpot.evaluation.calibration import Calibration


@dataclass(frozen=True)
class SelectionRules(MSONable):
    """
    How frames are chosen.

    Attributes
    ----------
    max_selected
        Largest number of frames over threshold that an iteration labels.
    audit_fraction, audit_min, audit_max
        Share of the accepted frames that is labelled as a check, and its bounds
        (a share of 0 switches the audit off).
        When no frame is over threshold the audit takes ``audit_max``: finding
        nothing is a reason to look closer.
    upper_factor
        A predicted error over this many tolerances, by a calibration that is trusted,
        marks the wreck of a broken MD run, which is counted and not labelled.
    min_distance
        Frames with a pair of atoms closer than this fraction of the sum of their
        covalent radii are insane.
    """

    max_selected: int = 1000
    audit_fraction: float = 0.1
    audit_min: int = 5
    audit_max: int = 50
    upper_factor: float = 20.0
    min_distance: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.audit_fraction <= 1:
            raise ValueError(
                f"audit_fraction is {self.audit_fraction}: use a share from 0 to 1"
            )
        if not 0 <= self.audit_min <= self.audit_max:
            raise ValueError(
                f"audit_min is {self.audit_min} and audit_max {self.audit_max}: "
                "use 0 <= audit_min <= audit_max"
            )
        if self.upper_factor <= 1:
            raise ValueError(
                f"upper_factor is {self.upper_factor}: the upper bound must lie over "
                "the threshold, so use a factor over 1"
            )


@dataclass(frozen=True)
class Selection:
    """
    Indices of the chosen frames, and the counts of the others.

    Attributes
    ----------
    selected, audit
        Indices of frames over threshold, and of accepted frames drawn as a check.
    selected_probability, audit_probability
        With which a frame of either kind was drawn.
    n_over, n_wrecked, n_insane
        Frames over a threshold; over the upper bound; without finite predictions.
    """

    selected: np.ndarray
    audit: np.ndarray
    selected_probability: float
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
) -> Selection:
    """
    Choose frames over threshold by random draw, and audit the accepted.

    Parameters
    ----------
    disagreement
        (n,) arrays per property.
    calibration
        Of each property that takes part in the decision.
    rng
        Random draws are the paper's way, and the one that leaves the labels fit
        for the next calibration: their selection probability is known.
    rules
        Numbers of frames.
    candidates
        (n,) mask of frames that may be chosen; None for all.
    budget
        Largest number of frames, audit included; None for no limit.
    """
    rules = rules or SelectionRules()
    finite = np.isfinite(disagreement["energy"]) & np.isfinite(disagreement["forces"])
    over = over_threshold(disagreement, calibration)
    # A fit that is not trusted cannot tell a wreck from a poor committee.
    trusted = {name: fit for name, fit in calibration.items() if fit.trusted}
    wrecked = finite & over_threshold(disagreement, trusted, rules.upper_factor)
    free = np.ones_like(finite) if candidates is None else np.asarray(candidates, bool)
    pool = np.flatnonzero(finite & over & ~wrecked & free)
    accepted = np.flatnonzero(finite & ~over & free)

    left = math.inf if budget is None else max(budget, 0)
    n_audit = min(_audit_size(len(accepted), len(pool), rules), left)
    n_selected = int(min(len(pool), rules.max_selected, left - n_audit))
    return Selection(
        selected=np.sort(rng.choice(pool, n_selected, replace=False)),
        audit=np.sort(rng.choice(accepted, int(n_audit), replace=False)),
        selected_probability=n_selected / max(len(pool), 1),
        audit_probability=n_audit / max(len(accepted), 1),
        n_over=int((finite & over).sum()),
        n_wrecked=int(wrecked.sum()),
        n_insane=int((~finite).sum()),
    )


def over_threshold(
    disagreement: Mapping[str, np.ndarray],
    calibration: Mapping[str, Calibration],
    factor: float = 1.0,
) -> np.ndarray:
    """Mask of the frames over ``factor`` times the threshold in any property."""
    over = np.zeros(len(disagreement["energy"]), dtype=bool)
    for name, fit in calibration.items():
        over |= np.nan_to_num(disagreement[name], nan=0.0) > factor * fit.threshold
    return over


def _audit_size(n_accepted: int, n_over: int, rules: SelectionRules) -> int:
    if rules.audit_fraction == 0:
        return 0
    wanted = math.ceil(rules.audit_fraction * n_accepted)
    if n_over == 0:
        wanted = rules.audit_max
    return min(n_accepted, max(rules.audit_min, min(wanted, rules.audit_max)))
