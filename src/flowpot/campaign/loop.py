"""The loop over the iterations: decide after each whether and how to go on."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from jobflow import CURRENT_JOB, Job, Maker, OutputReference, Response

from flowpot.campaign.advance import advanced, after_validation, counted
from flowpot.campaign.compaction import Joins, adopt, compact
from flowpot.campaign.convergence import (
    decide_by_properties,
    is_claim,
)
from flowpot.campaign.document import CampaignDoc, IterationDoc
from flowpot.campaign.fields import fields_of
from flowpot.campaign.iteration import Iteration
from flowpot.campaign.record import VALIDATION, Results, joined, summarise, warned
from flowpot.campaign.stages import CampaignStages
from flowpot.campaign.state import CampaignState, Changes, resolve
from flowpot.campaign.stopping import (
    Stop,
    after_failure,
    decide,
    exhausted,
    failure_of,
    stage_failure,
)
from flowpot.documents import keep_traceback, package_versions, reason_for
from flowpot.jobs import (
    ROLE,
    JobName,
    Pointer,
    RetrySpec,
    continue_with,
    deciding_job,
    keep_tags,
    set_role,
    stage_job,
    with_references,
)

PILOT = "pilot"
"""Part of an iteration in which a pilot, or a closing audit, is labelled."""
RUNS = "campaign_runs"
"""Key for ``runs`` of a :class:`CampaignState` in the metadata of the loop's jobs."""


@dataclass
class LoopMaker(Maker):
    """
    The job between two iterations: end the campaign, or append the jobs of the next.

    Parameters
    ----------
    name
        Name of the job, the same in every campaign unless the user changes it: workers
        are chosen by it.
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
            keep_tags(job, self._tags(state))
        try:
            return self._next(state, changes, last, begun, joins, retry)
        except Exception as error:  # noqa: BLE001 - which the campaign's document says
            keep_traceback(error)
            stop = Stop("failed", "failed: the loop's job ended without a result")
            return self._stop(state, stop.with_details(reason_for(error)))

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
        if changes is None:
            return self._begin(state, begun)
        can_label = self.campaign.labelling is not None
        if last is None and retry is not None:
            return retry.send([0], CampaignDoc)
        if last is None:
            stop = Stop("failed", "failed: the record of the iteration is missing")
            return self._stop(state, stop)
        if can_label and last.n_pilot and last.failed_stage is None:
            # Frames are to be labelled before any is selected.
            middle = counted(state.awaiting_pilot(changes), last)
            return self._append(middle, last, PILOT)
        if last.failed_stage == VALIDATION:
            return self._unvalidated(state, last)
        return self._decide(state, changes, last)

    def _begin(self, state: CampaignState, begun: Results | None) -> Response:
        """Begin a campaign, or go on with one that had ended."""
        if self.campaign.validator and state.unvalidated is not None:
            last = IterationDoc.model_validate(state.unvalidated)
            return self._append(state, last, VALIDATION, is_first=True)
        stop = stage_failure(begun or {}) or exhausted(
            state.iteration, state.n_sent, self.campaign.limits
        )
        return self._go_on(state, stop, is_first=True)

    def _decide(
        self, state: CampaignState, changes: Changes, last: IterationDoc
    ) -> Response:
        """Decide after an iteration, or after its validation."""
        stop = self._end(state, last)
        repeats = stop is None and last.failed_stage is not None
        state = replace(advanced(state, changes, last), repeats=repeats)
        if last.properties is None and is_claim(stop):
            if self.campaign.validator:
                return self._append(state, last, VALIDATION)
            state = replace(state, unvalidated=last.model_dump(mode="json"))
        state = after_validation(state, last, goes_on=stop is None)
        return self._go_on(state, stop)

    def _go_on(
        self, state: CampaignState, stop: Stop | None, *, is_first: bool = False
    ) -> Response:
        """Append the jobs of the next iteration, or end."""
        if stop is not None:
            return self._stop(state, stop)
        state = replace(state, iteration=state.iteration + 1, unvalidated=None)
        return self._append(state, is_first=is_first)

    def _end(self, state: CampaignState, last: IterationDoc) -> Stop | None:
        if last.failed_stage is not None:
            return after_failure(last, self.campaign.limits, repeats=state.repeats)
        if last.calibration is None:
            return Stop(
                "completed", "completed: the campaign has no further stage to run"
            )
        stop = decide(last, self.campaign.limits)
        if stop is not None and is_claim(stop) and last.properties is not None:
            return decide_by_properties(
                last,
                stop,
                self.campaign.limits,
                state.shortfalls,
                can_label=self.campaign.labelling is not None,
            )
        open_ended = stop is None or stop.kind == "max_iterations"
        if open_ended and self.campaign.labelling is None:
            return Stop(
                "completed",
                f"completed: {last.n_chosen} of {last.n_explored} explored frames are "
                "chosen",
            ).with_details("the campaign has no stage to label them")
        return stop

    def _unvalidated(self, state: CampaignState, last: IterationDoc) -> Response:
        """
        Go on after a validation without a result: repeat it if it was lost, or end.

        It is not repeated twice, but by a continued campaign.
        """
        nothing = dict.fromkeys(("failed_stage", "failure", "failed_job"))
        before = last.model_copy(update=nothing)
        if last.failure is None and not state.repeats:
            return self._append(replace(state, repeats=True), before, VALIDATION)
        stop = failure_of(VALIDATION, last.failure, last.failed_job)
        if (claim := decide(before, self.campaign.limits)) is not None:
            stop = stop.with_details(f"without it: {claim.reason}")
        left = before.model_dump(mode="json")
        return self._stop(replace(state, repeats=False, unvalidated=left), stop)

    def _append(
        self,
        state: CampaignState,
        begun: IterationDoc | None = None,
        part: str | None = None,
        *,
        is_first: bool = False,
    ) -> Response:
        """
        Append the jobs of an iteration, or of a later part of it.

        Later parts, after what has `begun`, follow a pilot (:data:`PILOT`) or are the
        validation. The first output since the campaign began, or was continued, has its
        Makers.
        """
        iteration = Iteration(self.campaign, state, is_pilot=part == PILOT)
        iteration.validate() if part == VALIDATION else iteration.build()
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
        set_role(record, JobName.RECORD)
        for job in (*joining, record, following):
            job.update_metadata(iteration.tags, dynamic=False)
        following.update_metadata(self._tags(state), dynamic=False)
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
        tags = CURRENT_JOB.job.metadata | self._tags(state)
        last.update_metadata(tags, dynamic=False)
        return continue_with([], last, CampaignDoc)

    def _tags(self, state: CampaignState) -> dict[str, Any]:
        """Metadata of the loop's jobs; those within an iteration also have its."""
        tags = {ROLE: JobName.LOOP.value, "campaign": self.campaign.name}
        return {**tags, **state.tags, RUNS: state.runs}

    @deciding_job
    def conclude(
        self, state: CampaignState, stop: Stop, records: list[Any]
    ) -> dict[str, Any]:
        """Write the campaign's document; records may be nested lists: see `compact`."""
        try:
            return self._document(state, stop, list(_flat(records)))
        except Exception as error:  # noqa: BLE001 - there is a document, always
            keep_traceback(error)
            failed = Stop("failed", "failed: the last job ended without a result")
            before = f"before: {stop.reason}"
            stop = failed.with_details(reason_for(error), before)
            return self._document(state, stop, [])

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
