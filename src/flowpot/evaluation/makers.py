"""The evaluation stage as a job."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobflow import Maker

from flowpot.dataset import Artifact, Dataset
from flowpot.documents import package_versions, recorded
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.document import EvaluationDoc
from flowpot.evaluation.judgement import judge
from flowpot.jobs import stage_job


@dataclass
class EvaluationMaker(Criteria, Maker):
    """
    Calibrate a committee and choose what to label next.

    Some frames may have to be labelled before anything is selected (``n_pilot`` of the
    document is their number): a pilot, drawn uniformly, where too few explored frames
    are labelled; and a closing audit of what the committee accepts, where an iteration
    would end as converged. Label them and evaluate again. A campaign does.

    Parameters
    ----------
    tolerance
        Acceptable error: ``energy`` (eV/atom), ``forces`` (component RMSE of a frame,
        eV/A), ``stress`` (eV/A^3), and ``forces_max`` (error of the force on the worst
        atom, as a vector, eV/A). A property that is left out takes no part in the
        decision. In a campaign, the campaign's.
    rule
        What flags a frame. ``chance``: its probability of being over tolerance, by the
        error model (:class:`flowpot.evaluation.ErrorModel`). ``tpr``: the same, from
        the probability on that finds a share of the bad frames. ``least-squares``: the
        AiiDA-TrainsPot paper's line through the origin, for comparison.
    target
        ``chance``: the probability from which on a frame is flagged; None: 0.35.
        ``tpr``: the share of the bad frames among those judged that is to be flagged,
        as expected by the model; None: 0.9.
    evidence
        What is calibrated on: ``representative`` frames, or ``all labelled`` as in
        AiiDA-TrainsPot, for comparison.
    min_frames
        Effective number of frames below which a calibration is not called trusted.
        With less than a third of them explored and labelled, a pilot is drawn.
    min_rank_correlation
        Of the predicted error with the error, below which a calibration is not called
        trusted and the property takes no part in the decision, if another does.
    decide_by
        Properties that take part in the decision; None: all whose errors are ranked.
    pilot_labels
        Size of the pilot, at most: no more than half of the frames that may be
        labelled, and of the budget, are drawn. 0: none.
    closing_audit
        Accepted frames that are labelled before a campaign ends as converged, or more
        where `max_bad_share` needs more. 0: none.
    max_bad_share, max_over_share
        When a campaign would end: see :class:`flowpot.ActiveLearningMaker`, whose
        they are in a campaign.
    with_forces
        Of older versions, without effect: the spread of the forces is always one of
        the uncertainties that the error of a property is predicted from.
    rules
        Which frames are chosen, and how many.
    name
        Name of the job.
    """

    name: str = "evaluate committee"

    @stage_job(EvaluationDoc)
    @recorded(EvaluationDoc)
    def make(
        self,
        committee: Any,
        labelled: Any,
        explored: Any,
        *,
        predicted: Sequence[Any] = (),
        previous: Mapping[str, Any] | None = None,  # noqa: ARG002 - campaigns pass it
        max_labels: int | None = None,
        spent: Sequence[int] | None = None,
        seed: int = 0,
        iteration: int | None = None,
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
            ``predictions`` of earlier evaluations, oldest first.
        previous
            ``calibration`` of the iteration before. It is not read any more: a fit
            with few frames has a wide distribution, and needs none to fall back on.
        max_labels
            Budget: labelled and chosen frames together never exceed it.
        spent
            Frames that count against it; None: those that are labelled.
        seed
            Of the random draws.
        iteration
            Number of the campaign's iteration, by which its audit frames are told from
            earlier ones; None: it is told from the frames.
        """
        started = time.perf_counter()
        known = Dataset.load(labelled)
        if max_labels is not None and spent is not None:
            max_labels += len(known) - sum(spent)
        judgement = judge(
            committee,
            known,
            Dataset.load(explored),
            self,
            predictions=[Dataset.load(each) for each in predicted],
            max_labels=max_labels,
            seed=seed,
            iteration=iteration,
        )
        choice = judgement.selection
        return EvaluationDoc(
            calibration=judgement.calibration,
            audit=judgement.audit,
            fresh_error=judgement.fresh_error,
            warnings=judgement.warnings,
            n_explored=judgement.n_explored,
            n_over=choice.n_over,
            n_wrecked=choice.n_wrecked,
            n_insane=judgement.n_insane,
            n_known=judgement.n_known,
            n_selected=len(choice.selected),
            n_audit=len(choice.audit),
            n_pilot=judgement.n_pilot,
            n_closing=judgement.n_closing,
            dataset=judgement.chosen.without_labels().to_artifact("chosen.h5"),
            predictions=judgement.predictions.to_artifact("predictions.h5"),
            evidence=Artifact.from_bytes("evidence.npz", judgement.evidence.to_bytes()),
            seconds=time.perf_counter() - started,
            versions=package_versions("torch", "mace-torch", "metatomic-torch"),
        )
