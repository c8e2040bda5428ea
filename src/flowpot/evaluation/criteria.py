"""What an evaluation is to decide by."""

from dataclasses import dataclass, field

from monty.json import MSONable

from flowpot.evaluation.decision import CHANCE, checked_rule
from flowpot.evaluation.evidence import KINDS, REPRESENTATIVE
from flowpot.evaluation.fitting import check_with_forces
from flowpot.evaluation.selection import SelectionRules
from flowpot.evaluation.tolerance import check_tolerance, default_tolerance
from flowpot.evaluation.trust import Trust
from flowpot.evaluation.uncertainty import FeatureDistance, Uncertainty
from flowpot.evaluation.uncertainty.registry import check_choice
from flowpot.validation import complete, instance, names, number, one_of, whole

_PASSING = 0.8  # of max_bad_share: what is expected is not what is found


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
        complete(self)
        check_tolerance(self.tolerance)
        self.rule = checked_rule(self.rule, self.target)
        names(with_forces=self.with_forces, decide_by=self.decide_by)
        check_with_forces(self.with_forces)
        check_choice(self.uncertainties)
        one_of(KINDS, evidence=self.evidence)
        instance(SelectionRules, rules=self.rules)
        _ = self.trust  # raises where its values have no meaning
        whole(0, pilot_labels=self.pilot_labels, closing_audit=self.closing_audit)
        for name in ("max_bad_share", "max_over_share"):
            share = getattr(self, name)
            number(**{name: share})
            if not 0 < share < 1:
                raise ValueError(f"{name} is {share}: use a share between 0 and 1")
        unknown = set(self.decide_by or ()).difference(self.tolerance)
        if unknown or self.decide_by == []:
            raise ValueError(
                f"decide_by is {self.decide_by}: name properties that have a tolerance "
                f"({', '.join(self.tolerance)}), or None for all"
            )

    @property
    def expected_share(self) -> float:
        """
        Share of bad frames that may be expected among those that are accepted.

        With more a closing audit would hardly pass.
        """
        return _PASSING * self.max_bad_share

    @property
    def trust(self) -> Trust:
        """What makes a calibration trusted."""
        return Trust(self.min_frames, self.min_rank_correlation)
