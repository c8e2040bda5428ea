"""The evaluation stage as a job."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobflow import Maker

from flowpot.dataset import Dataset
from flowpot.documents import package_versions, recorded
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.document import EvaluationDoc
from flowpot.evaluation.judgement import judge
from flowpot.jobs import JobName, stage_job


@dataclass
class EvaluationMaker(Criteria, Maker):
    """
    Calibrate a committee and choose what to label next.

    Some frames may have to be labelled before anything is selected (``n_pilot`` of the
    document is their number): a pilot, drawn uniformly, where too few explored frames
    are labelled; and a closing audit of frames that the committee accepts, where the
    campaign would end as converged. A campaign labels them, and evaluates again.

    Parameters
    ----------
    tolerance
        Acceptable error: ``energy`` (eV/atom), ``forces`` (component RMSE of a frame,
        eV/A), ``stress`` (eV/A^3), and ``forces_max`` (error of the force on the worst
        atom, as a vector, eV/A). A property that is left out takes no part in the
        decision. In a campaign it is the campaign's.
    rule
        What flags a frame. ``chance``: its probability of being over tolerance, by the
        error model (:class:`flowpot.evaluation.ErrorModel`). ``tpr``: the same, from
        the probability on that finds a share of the bad frames, those over tolerance.
        ``least-squares``: the AiiDA-TrainsPot paper's line through the origin, for
        comparison.
    target
        ``chance``: the probability from which on a frame is flagged; None: 0.35, and
        where more of the frames accepted by that are expected to be bad than a closing
        audit could pass with (four fifths of `max_bad_share`), the one that leaves so
        few. Then a property counts, too, whose errors are not ranked.
        ``tpr``: the share of the bad frames among those judged that is to be flagged,
        as expected by the model; None: 0.9.
    evidence
        Frames that the calibration is fitted to: ``representative`` of those judged, or
        ``all labelled`` as in AiiDA-TrainsPot, for comparison.
    min_frames
        Effective number of frames below which a calibration is not called trusted.
        Where less than a third of it are explored and labelled, a pilot is drawn. What
        counts are frames with the property and all uncertainties that predict it.
    min_rank_correlation
        Of the predicted error with the error, below which a calibration is not called
        trusted and the property takes no part in the decision, if another does.
    decide_by
        Properties that take part in the decision; None: all whose errors are ranked.
    pilot_labels
        Largest number of frames in the pilot; at most half of the frames that may be
        labelled, and of the budget, are drawn. 0: there is no pilot.
    closing_audit
        Number of accepted frames that are labelled before a campaign ends as
        converged; more where `max_bad_share` needs more, and where one of them is bad
        (:func:`flowpot.evaluation.binomial.second_look`). 0: there is no such audit,
        and a good pilot ends a campaign as converged, whose frames the flags were
        fitted to.
    max_bad_share, max_over_share
        Shares of frames below which a campaign would end: see
        :class:`flowpot.ActiveLearningMaker`, whose values count in a campaign.
    with_forces
        Without effect: the error of a property is always predicted from the spread of
        the forces, too.
    rules
        Which frames are chosen, and how many.
    uncertainties
        What is measured beside the spread of the members: names, of flowpot's
        uncertainties and of those that other packages add by entry points in the group
        ``flowpot.uncertainties``, or instances. What is named is fitted to the training
        set; an instance is taken as it is.
    name
        Name of the job.
    """

    name: str = JobName.EVALUATE.value

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
        max_at_once: int | None = None,
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
            Without effect: a fit with few frames has a wide distribution, and needs no
            earlier one to fall back on.
        max_labels
            Budget: labelled and chosen frames together never exceed it.
        spent
            Numbers of frames that count against the budget; None: the labelled ones.
        max_at_once
            Most frames that are chosen by this evaluation; None: by the budget.
        seed
            Seed of the random draws.
        iteration
            Number of the campaign's iteration, by which its audit frames are told from
            earlier ones; None: it is told from the frames.

        Raises
        ------
        ValueError
            If nothing was explored, or there is nothing to calibrate on.
        """
        started = time.perf_counter()
        known = Dataset.load(labelled)
        if max_labels is not None and spent is not None:
            max_labels += len(known) - sum(spent)
        if max_at_once is not None:
            most = len(known) + max_at_once
            max_labels = most if max_labels is None else min(max_labels, most)
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
        return EvaluationDoc.of(
            judgement,
            seconds=time.perf_counter() - started,
            versions=package_versions("torch", "mace-torch", "metatomic-torch"),
        )
