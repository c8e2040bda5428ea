"""The evaluation stage as a job."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jobflow import Maker

from flowpot.dataset import Artifact, Dataset
from flowpot.documents import package_versions
from flowpot.evaluation.document import EvaluationDoc
from flowpot.evaluation.judgement import judge
from flowpot.evaluation.selection import SelectionRules
from flowpot.evaluation.tolerance import check_tolerance, default_tolerance
from flowpot.jobs import stage_job


@dataclass
class EvaluationMaker(Maker):
    """
    Calibrate a committee and choose what to label next.

    Parameters
    ----------
    name
        Of the job.
    tolerance
        Acceptable error: ``energy`` (eV/atom), ``forces`` (eV/A), ``stress``
        (eV/A^3). A property that is left out takes no part in the decision.
    min_frames
        Effective number of frames below which a calibration is not trusted, and
        its threshold lowered to the lower bound of its slope.
    rules
        Which frames are chosen, and how many.
    """

    name: str = "evaluate committee"
    tolerance: dict[str, float] = field(default_factory=default_tolerance)
    min_frames: float = 30
    rules: SelectionRules = field(default_factory=SelectionRules)

    def __post_init__(self) -> None:
        check_tolerance(self.tolerance)

    @stage_job(EvaluationDoc)
    def make(
        self,
        committee: Any,
        labelled: Any,
        explored: Any,
        *,
        predicted: Sequence[Any] = (),
        max_labels: int | None = None,
        seed: int = 0,
    ) -> EvaluationDoc:
        """
        Calibrate on the labelled frames and judge the explored ones.

        Parameters
        ----------
        committee
            CommitteeDoc.
        labelled
            All labelled frames, in anything that ``Dataset.load`` takes.
        explored
            The frames to judge.
        predicted
            ``predictions`` of earlier evaluations.
        max_labels
            Budget: labelled and chosen frames together never exceed it.
        seed
            Of the random draws.
        """
        started = time.perf_counter()
        judgement = judge(
            committee,
            Dataset.load(labelled),
            Dataset.load(explored),
            predictions=Dataset.load(list(predicted)) if predicted else None,
            tolerance=self.tolerance,
            min_frames=self.min_frames,
            rules=self.rules,
            max_labels=max_labels,
            seed=seed,
        )
        choice = judgement.selection
        return EvaluationDoc(
            calibration=judgement.calibration,
            audit=judgement.audit,
            n_explored=judgement.n_explored,
            n_over=choice.n_over,
            n_wrecked=choice.n_wrecked,
            n_insane=judgement.n_insane,
            n_known=judgement.n_known,
            n_selected=len(choice.selected),
            n_audit=len(choice.audit),
            dataset=judgement.chosen.without_labels().to_artifact("chosen.h5"),
            predictions=judgement.chosen.to_artifact("predictions.h5"),
            evidence=Artifact.from_bytes("evidence.npz", judgement.evidence.to_bytes()),
            seconds=time.perf_counter() - started,
            versions=package_versions("torch", "mace-torch", "metatomic-torch"),
        )
