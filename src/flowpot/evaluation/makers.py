"""The evaluation stage as a job."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobflow import Maker

from flowpot.dataset import Artifact, Dataset
from flowpot.documents import package_versions
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.document import EvaluationDoc
from flowpot.evaluation.judgement import judge
from flowpot.failures import recorded
from flowpot.jobs import stage_job


@dataclass
class EvaluationMaker(Criteria, Maker):
    """
    Calibrate a committee and choose what to label next.

    Where too few explored frames are labelled for a trusted calibration, the frames
    chosen are a pilot, drawn uniformly (``n_pilot`` of the document says so): label
    them and evaluate again. A campaign does.

    Parameters
    ----------
    tolerance
        Acceptable error: ``energy`` (eV/atom), ``forces`` (eV/A), ``stress``
        (eV/A^3). A property that is left out takes no part in the decision.
    rule
        That turns errors into a threshold on the disagreement: ``least-squares``,
        ``window``, ``log``, ``quantile``, ``bound`` or ``chance``; see
        :mod:`flowpot.evaluation.rules`.
    target
        Of the rules that have one; None: 0.9, 0.9, 0.35. ``quantile``: the true
        positive rate; ``bound``: the share of good frames among the accepted;
        ``chance``: the probability of being bad from which on a frame is flagged.
    evidence
        What is calibrated on: ``representative`` frames, or ``all labelled`` as in
        AiiDA-TrainsPot, for comparison.
    min_frames
        Effective number of frames below which a calibration is not trusted.
    min_rank_correlation
        Of disagreement with error, below which a calibration is not trusted and the
        property takes no part in the decision.
    decide_by
        Properties that take part in the decision; None: all that rank their errors.
    pilot_labels
        Size of the pilot; 0 calibrates on whatever there is. 40 leave `min_frames`
        with some labels failed, and scatter the true positive rate by 0.01 to 0.04
        (see the rules); none is drawn where it were over half of the frames or of the
        budget.
    with_forces
        Properties, ``energy`` or ``stress``, whose disagreement is joined with that of
        the forces, in the proportion that follows their errors best. Areas under the
        ROC curve, mean of twelve committees for silicon: energy 0.65, joined 0.73;
        stress 0.79, joined 0.83; in some it loses up to 0.03.
    rules
        Which frames are chosen, and how many.
    name
        Of the job.
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
        previous: Mapping[str, Any] | None = None,
        max_labels: int | None = None,
        spent: Sequence[int] | None = None,
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
            ``predictions`` of earlier evaluations, oldest first.
        previous
            ``calibration`` of the iteration before, to fall back on.
        max_labels
            Budget: labelled and chosen frames together never exceed it.
        spent
            Frames that count against it; None: those that are labelled.
        seed
            Of the random draws.
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
            previous={
                name: Calibration.model_validate(fit)
                for name, fit in (previous or {}).items()
            },
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
            n_pilot=judgement.n_pilot,
            dataset=judgement.chosen.without_labels().to_artifact("chosen.h5"),
            predictions=judgement.predictions.to_artifact("predictions.h5"),
            evidence=Artifact.from_bytes("evidence.npz", judgement.evidence.to_bytes()),
            seconds=time.perf_counter() - started,
            versions=package_versions("torch", "mace-torch", "metatomic-torch"),
        )
