"""What an evaluation is to decide by."""

from dataclasses import dataclass, field

from monty.json import MSONable

from flowpot.evaluation.decision import checked_rule
from flowpot.evaluation.evidence import KINDS, REPRESENTATIVE
from flowpot.evaluation.fitting import Trust, check_with_forces
from flowpot.evaluation.selection import SelectionRules
from flowpot.evaluation.tolerance import check_tolerance, default_tolerance


@dataclass
class Criteria(MSONable):
    """
    How a committee is calibrated and what is chosen: see `EvaluationMaker`.

    The parameters are those of :class:`flowpot.EvaluationMaker`, which is one.
    """

    tolerance: dict[str, float] = field(default_factory=default_tolerance)
    rule: str = "chance"
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

    def __post_init__(self) -> None:
        """Refuse what cannot be meant, before anything runs."""
        check_tolerance(self.tolerance)
        self.rule = checked_rule(self.rule, self.target)
        check_with_forces(self.with_forces)
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
