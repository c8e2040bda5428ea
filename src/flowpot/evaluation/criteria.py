"""What an evaluation is to decide by."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from monty.json import MSONable

from flowpot.dataset.labels import DECIDING
from flowpot.evaluation.decision import CHANCE, checked_rule
from flowpot.evaluation.evidence import KINDS, REPRESENTATIVE
from flowpot.evaluation.fitting import Trust, check_with_forces
from flowpot.evaluation.selection import SelectionRules
from flowpot.evaluation.uncertainty import FeatureDistance, Uncertainty
from flowpot.evaluation.uncertainty.registry import check_choice
from flowpot.validation import mapping, number


def default_tolerance() -> dict[str, float]:
    """Return 1 meV/atom, 100 meV/A and 1 meV/A^3, the AiiDA-TrainsPot defaults."""
    return {"energy": 1e-3, "forces": 0.1, "stress": 1e-3}


def check_tolerance(tolerance: Mapping[str, float]) -> None:
    """
    Refuse a tolerance that no campaign could meet or understand.

    Raises
    ------
    ValueError
        For an unknown property, a value that is not a positive number, or none.
    """
    mapping(tolerance=tolerance)
    if not tolerance:
        raise ValueError(f"tolerance is empty: give at least one of {DECIDING}")
    for name, value in tolerance.items():
        if name not in DECIDING:
            near = difflib.get_close_matches(name, DECIDING, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"use one of {DECIDING}"
            raise ValueError(f"tolerance has the unknown property {name!r}: {hint}")
        number(**{f"tolerance[{name!r}]": value})
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(
                f"tolerance[{name!r}] is {value}: use a positive number in eV/atom, "
                "eV/A or eV/A^3"
            )


@dataclass
class Criteria(MSONable):
    """
    How a committee is calibrated, and how frames are chosen.

    The parameters are those of :class:`flowpot.EvaluationMaker`, which extends it.

    Raises
    ------
    ValueError
        For values without a meaning, before anything runs.
    """

    tolerance: dict[str, float] = field(default_factory=default_tolerance)
    rule: str = CHANCE
    target: float | None = None
    evidence: str = REPRESENTATIVE
    min_frames: float = 30
    min_rank_correlation: float = 0.3
    decide_by: list[str] | None = None
    pilot_labels: int = 40
    closing_audit: int = 30
    max_bad_share: float = 0.1
    max_over_share: float = 0.05
    with_forces: list[str] = field(default_factory=list)
    rules: SelectionRules = field(default_factory=SelectionRules)
    uncertainties: list[str | Uncertainty] = field(
        default_factory=lambda: [FeatureDistance.__name__]
    )

    def __post_init__(self) -> None:
        """Refuse values without a meaning."""
        check_tolerance(self.tolerance)
        self.rule = checked_rule(self.rule, self.target)
        check_with_forces(self.with_forces)
        check_choice(self.uncertainties)
        if self.evidence not in KINDS:
            raise ValueError(
                f"evidence is {self.evidence!r}: use one of {', '.join(KINDS)}"
            )
        if self.pilot_labels < 0:
            raise ValueError(
                f"pilot_labels is {self.pilot_labels}: use a number of frames, or 0 to "
                "calibrate on whatever there is"
            )
        if self.closing_audit < 0:
            raise ValueError(
                f"closing_audit is {self.closing_audit}: use a number of frames, or 0 "
                "to label none before a campaign ends"
            )
        for name in ("max_bad_share", "max_over_share"):
            share = getattr(self, name)
            if not 0 < share < 1:
                raise ValueError(f"{name} is {share}: use a share between 0 and 1")
        unknown = set(self.decide_by or ()).difference(self.tolerance)
        if unknown or self.decide_by == []:
            raise ValueError(
                f"decide_by is {self.decide_by}: name properties that have a tolerance "
                f"({', '.join(self.tolerance)}), or None for all"
            )

    @property
    def trust(self) -> Trust:
        """What makes a calibration trusted."""
        return Trust(self.min_frames, self.min_rank_correlation)
