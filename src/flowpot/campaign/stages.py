"""The stages of a campaign and its limits: all that its jobs need to know."""

from dataclasses import dataclass, field, replace
from typing import Any

from jobflow import Maker
from monty.json import MSONable

from flowpot.augmentation import AugmentationMaker
from flowpot.campaign.checks import (
    STAGE_MAKERS,
    check_budget,
    check_committee_of_one,
    check_distances,
    check_pretraining,
    check_stage,
    check_validation,
)
from flowpot.campaign.stopping import Limits
from flowpot.evaluation import EvaluationMaker
from flowpot.evaluation.binomial import closing_size
from flowpot.evaluation.tolerance import check_tolerance, default_tolerance
from flowpot.exploration import ExplorationMaker
from flowpot.jobs import JobName
from flowpot.labelling import LabellingMaker
from flowpot.properties import ValidationMaker
from flowpot.training import CommitteeTrainingMaker
from flowpot.validation import boolean, elements, fraction, seed, several, text, whole


@dataclass
class CampaignStages(MSONable):
    """
    The stages' Makers and the limits of a campaign.

    Its fields are those of :class:`flowpot.ActiveLearningMaker`, which describes them
    and adds how a campaign is started.
    """

    name: str = JobName.LOOP.value
    augmentation: AugmentationMaker | None = field(default_factory=AugmentationMaker)
    labelling: LabellingMaker | None = field(default_factory=LabellingMaker)
    training: CommitteeTrainingMaker | None = field(
        default_factory=CommitteeTrainingMaker
    )
    exploration: ExplorationMaker | None = field(default_factory=ExplorationMaker)
    evaluation: EvaluationMaker | None = field(default_factory=EvaluationMaker)
    tolerance: dict[str, float] | None = None
    max_iterations: int = 10
    max_labels: int | None = None
    max_bad_share: float = 0.1
    max_over_share: float = 0.05
    stop_at_none_over: bool = False
    seed: int = 0
    elements: list[str] | None = None
    validator: ValidationMaker | None = None
    property_tolerance: dict[str, float] | None = None
    pretrain_with: Maker | None = None

    def __post_init__(self) -> None:
        text(name=self.name)
        for stage in STAGE_MAKERS:
            check_stage(stage, getattr(self, stage))
        check_distances(
            self.augmentation, self.labelling, self.exploration, self.evaluation
        )
        if self.tolerance is None:
            known = getattr(self.evaluation, "tolerance", None)
            self.tolerance = dict(known or default_tolerance())
        check_tolerance(self.tolerance)
        check_committee_of_one(self.training, self.exploration)
        _ = self.configured_evaluation  # raises where the two contradict each other
        whole(1, max_iterations=self.max_iterations, max_labels=self.max_labels)
        check_budget(self.max_labels, self.labelling)
        fraction(max_bad_share=self.max_bad_share, max_over_share=self.max_over_share)
        boolean(stop_at_none_over=self.stop_at_none_over)
        seed(seed=self.seed)
        elements(elements=self.elements)
        several(elements=self.elements)
        self.elements = None if self.elements is None else list(self.elements)
        check_validation(self.validator, self.property_tolerance, self.evaluation)
        check_pretraining(self.pretrain_with, self.training)

    @property
    def configured_evaluation(self) -> EvaluationMaker | None:
        """
        The evaluation Maker with the campaign's tolerance, shares and budget.

        Raises
        ------
        ValueError
            Where the Maker was given other values, or decides by a property that has
            no tolerance.
        """
        evaluation = self.evaluation
        if not isinstance(evaluation, EvaluationMaker):  # another package's, or none
            return evaluation
        fields: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("tolerance", "max_bad_share", "max_over_share")
        }
        usual = EvaluationMaker()
        for name, value in fields.items():
            other = getattr(evaluation, name)
            if other not in (value, getattr(usual, name)):
                raise ValueError(
                    f"{name} is {value}, and the evaluation's {name} is {other}: give "
                    "it once, to the campaign"
                )
        if self.labelling is None:
            fields |= {"pilot_labels": 0, "closing_audit": 0}
        elif (limit := getattr(self.labelling, "max_labels", None)) is not None:
            fields["pilot_labels"] = min(evaluation.pilot_labels, limit)
            needed = closing_size(evaluation.closing_audit, self.max_bad_share)
            if needed > limit:
                raise ValueError(
                    f"the labelling's max_labels is {limit}, and the closing audit has "
                    f"{needed} frames (closing_audit {evaluation.closing_audit}, "
                    f"max_bad_share {self.max_bad_share}): the campaign could never "
                    "end as converged; raise the former, or set closing_audit to 0"
                )
        return replace(evaluation, **fields)

    @property
    def limits(self) -> Limits:
        """The limits at which this campaign ends."""
        return Limits(
            max_iterations=self.max_iterations,
            max_labels=self.max_labels,
            max_bad_share=self.max_bad_share,
            max_over_share=self.max_over_share,
            stop_at_none_over=self.stop_at_none_over,
            needs_closing=getattr(self.configured_evaluation, "closing_audit", 0) != 0,
        )
