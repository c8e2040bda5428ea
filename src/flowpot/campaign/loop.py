"""The loop over the iterations: decide after each whether and how to go on."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from jobflow import CURRENT_JOB, Job, Maker, OutputReference, Response

from flowpot.campaign.compaction import Joins, adopt, compact
from flowpot.campaign.document import CampaignDoc, IterationDoc
from flowpot.campaign.fields import fields_of
from flowpot.campaign.iteration import Iteration
from flowpot.campaign.record import Results, joined, summarise, warned
from flowpot.campaign.stages import CampaignStages
from flowpot.campaign.state import CampaignState, Changes, resolve
from flowpot.campaign.stopping import (
    Stop,
    after_failure,
    decide,
    exhausted,
    stage_failure,
)
from flowpot.documents import keep_traceback, package_versions, reason_for
from flowpot.jobs import (
    JobName,
    Pointer,
    RetrySpec,
    continue_with,
    deciding_job,
    stage_job,
    with_references,
)

RUNS = "campaign_runs"
"""Key for ``runs`` of a :class:`CampaignState` in the metadata of the loop's jobs."""


@dataclass
class LoopMaker(Maker):
    """
    The job between two iterations: end the campaign, or append the jobs of the next.

    Parameters
    ----------
    name
        Name of the job, the same in every campaign: workers are chosen by it.
    campaign
        The campaign's stages and limits.
    """

    name: str = JobName.LOOP.value
    campaign: CampaignStages = field(default_factory=CampaignStages)

    @deciding_job
    def make(
        self,
        state: CampaignState,
        changes: Changes | None = None,
        last: IterationDoc | None = None,
        begun: Results | None = None,
        joins: Joins | None = None,
        retry: RetrySpec | None = None,
    ) -> Response:
        """
        Take in the results of the last iteration and decide.

        Parameters
        ----------
        state
            Where the campaign stood before the last iteration.
        changes
            What the stages of that iteration change in it. None before the first.
        last
            Its numbers; None if the job that records them failed.
        begun
            Numbers of the jobs before the first iteration.
        joins
            What was merged beside the last iteration: see :func:`compact`.
        retry
            The job that writes `last`, to be sent again if it was lost.
        """
        if changes is None:
            # The campaign begins, or is continued, with the running job.
            job = CURRENT_JOB.job
            state = replace(state, runs=[*state.runs, job.uuid])
            job.metadata = {**job.metadata, **state.tags, RUNS: state.runs}
        try:
            return self._next(state, changes, last, begun, joins, retry)
        except Exception as error:  # noqa: BLE001 - which the campaign's document says
            keep_traceback(error)
            why = f"failed: the loop's job: {reason_for(error)}"
            return self._stop(state, Stop("failed", why))

    def _next(
        self,
        state: CampaignState,
        changes: Changes | None,
        last: IterationDoc | None,
        begun: Results | None,
        joins: Joins | None,
        retry: RetrySpec | None,
    ) -> Response:
        """Return the jobs that follow: see :meth:`make`."""
        state = adopt(state, joins or {})
        can_label = self.campaign.labelling is not None
        if changes is None:
            stop = stage_failure(begun or {}) or exhausted(
                state.iteration, state.n_sent, self.campaign.limits
            )
        elif last is None and retry is not None:
            return retry.send([0], CampaignDoc)
        elif last is None:
            stop = Stop("failed", "failed: the record of the iteration is missing")
        elif can_label and last.n_pilot and last.failed_stage is None:
            # Frames are to be labelled before any is selected.
            middle = _counted(state.awaiting_pilot(changes), last)
            return self._append(middle, begun=last)
        else:
            stop = self._end(state, last)
            repeats = stop is None and last.failed_stage is not None
            state = replace(_advanced(state, changes, last), repeats=repeats)
        if stop is not None:
            return self._stop(state, stop)
        state = replace(state, iteration=state.iteration + 1)
        return self._append(state, is_first=changes is None)

    def _end(self, state: CampaignState, last: IterationDoc) -> Stop | None:
        if last.failed_stage is not None:
            return after_failure(last, self.campaign.limits, repeats=state.repeats)
        if last.calibration is None:
            return Stop(
                "completed", "completed: the campaign has no further stage to run"
            )
        stop = decide(last, self.campaign.limits)
        open_ended = stop is None or stop.kind == "max_iterations"
        if open_ended and self.campaign.labelling is None:
            return Stop(
                "completed",
                f"completed: {last.n_chosen} of {last.n_explored} explored frames are "
                "chosen, and the campaign has no stage to label them",
            )
        return stop

    def _append(
        self,
        state: CampaignState,
        begun: IterationDoc | None = None,
        *,
        is_first: bool = False,
    ) -> Response:
        """
        Append the jobs of an iteration, or of its second part, after a pilot.

        The first output since the campaign began, or was continued, has its Makers.
        """
        iteration = Iteration(self.campaign, state, is_pilot=begun is not None)
        iteration.build()
        first_part = begun.model_dump(mode="json") if begun else None
        noise: dict[str, Any] = {}
        if (measured := iteration.state.noise) is not None:
            noise = {"noise": resolve(measured), "tolerance": self.campaign.tolerance}
        record = record_iteration(
            state.iteration,
            state.n_dataset,
            state.n_sent,
            iteration.results,
            first_part,
            **noise,
        )
        record.name = JobName.RECORD.value
        if begun:
            state = replace(state, records=state.records.without_last())
        joining, joins = compact(state)
        before = state.with_(records=Pointer.to(record.output))
        following: Job = self.make(
            before, iteration.changes, record.output, joins=joins
        )
        for job in (*joining, record, following):
            job.update_metadata(iteration.tags, dynamic=False)
        following.update_metadata({RUNS: state.runs}, dynamic=False)
        RetrySpec.give([record], following)
        jobs = [*joining, *iteration.jobs, record]
        known: dict[str, Any] = {"max_iterations": self.campaign.max_iterations}
        if is_first:
            known["makers"] = fields_of(self.campaign)
        return continue_with(jobs, following, CampaignDoc, **known)

    def _stop(self, state: CampaignState, stop: Stop) -> Response:
        """Append the job that writes the last document from all records."""
        last: Job = self.conclude(state, stop, resolve(state.records))
        last.name = self.name
        tags = {"campaign": self.campaign.name, **state.tags, RUNS: state.runs}
        last.update_metadata(CURRENT_JOB.job.metadata | tags, dynamic=False)
        return continue_with([], last, CampaignDoc)

    @deciding_job
    def conclude(
        self, state: CampaignState, stop: Stop, records: list[Any]
    ) -> dict[str, Any]:
        """Write the campaign's document; records may be nested lists: see `compact`."""
        try:
            return self._document(state, stop, list(_flat(records)))
        except Exception as error:  # noqa: BLE001 - there is a document, always
            keep_traceback(error)
            why = f"failed: the last job: {reason_for(error)}; before: {stop.reason}"
            return self._document(state, Stop("failed", why), [])

    def _document(
        self, state: CampaignState, stop: Stop, iterations: list[IterationDoc]
    ) -> dict[str, Any]:
        document = CampaignDoc(
            name=self.campaign.name,
            uuid=state.uuid,
            seed=self.campaign.seed,
            makers=fields_of(self.campaign),
            max_iterations=self.campaign.max_iterations,
            stop_kind=stop.kind,
            stop_reason=stop.reason,
            iterations=iterations,
            seconds=sum(sum(doc.seconds.values()) for doc in iterations),
            versions=package_versions("jobflow", "atomate2"),
        )
        return with_references(
            document,
            dataset=resolve(state.shards),
            committee=resolve(state.committee),
            unlabelled=resolve(state.pending),
            evidence=[
                OutputReference(doc.evaluation_job).evidence
                for doc in iterations
                if doc.evaluation_job is not None
            ],
            state=state,
        )


@stage_job(IterationDoc, tolerant=True)
def record_iteration(
    iteration: int,
    n_dataset: int,
    n_sent: int,
    results: Results,
    begun: dict[str, Any] | None = None,
    noise: dict[str, float] | None = None,
    tolerance: dict[str, float] | None = None,
) -> IterationDoc:
    """
    Put the numbers of an iteration into a document: see :func:`summarise`.

    `begun` is the document of its first part, where it has had a pilot. With a
    `tolerance`, warnings of the measured `noise` of the labels are added.
    """
    numbers = summarise(iteration, n_dataset, n_sent, results)
    if begun is not None:
        numbers = joined(IterationDoc(**begun), numbers)
    return numbers if tolerance is None else warned(numbers, noise, tolerance)


def _flat(records: Any) -> Iterator[IterationDoc]:
    """Yield the records in nested lists, without those that are missing."""
    if isinstance(records, list):
        for part in records:
            yield from _flat(part)
    elif records is not None:
        yield IterationDoc.model_validate(records)


def _advanced(
    state: CampaignState, changes: Changes, last: IterationDoc
) -> CampaignState:
    """Return the state after an iteration."""
    before, state = state, state.after(changes, last.failed_stage)
    if last.failed_stage is None and last.n_chosen == 0:
        # Frames beyond the budget stay pending for a continued campaign; labelled
        # ones among them are not labelled again.
        pending = before.pending if last.n_postponed else None
        state = replace(state, pending=pending)
    return _counted(state, last)


def _counted(state: CampaignState, last: IterationDoc) -> CampaignState:
    """Return the state with the numbers of labels after an iteration."""
    return replace(state, n_dataset=last.n_dataset, n_sent=last.n_sent_total)
