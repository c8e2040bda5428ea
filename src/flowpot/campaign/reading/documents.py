"""The documents that a campaign's jobs have left in a JobStore."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from jobflow import JobStore, OnMissing
from jobflow.core.reference import find_and_resolve_references

from flowpot.campaign.document import IterationDoc
from flowpot.campaign.record import PRETRAINING, REPORTED, VALIDATION, summarise
from flowpot.campaign.roles import (
    FIRST,
    RESULTS,
    ROLE_PATH,
    lacks_role,
    query_roles,
    role_in,
)
from flowpot.jobs import PLANNED, JobName

COMMAND = "command"
"""Key in the metadata of a campaign's first jobs: the command that started it."""

COLLECTORS = {
    role.value: stage for stage, role in RESULTS.items() if stage != PRETRAINING
}
"""Roles of the jobs whose documents are a stage's result, and the stage."""


class CampaignDocuments:
    """
    One campaign's documents, without what is kept in the `data` store.

    Parameters
    ----------
    store
        Connected.
    uuid
        Uuid of the campaign.
    run
        Uuid of the loop's job with which the campaign began or was continued, which
        tells it from other continuations of the same campaign. None: the latest.
    """

    def __init__(self, store: JobStore, uuid: str, run: str | None = None) -> None:
        self.store = store
        self.uuid = uuid
        self.run = run

    @cached_property
    def other_runs(self) -> list[str]:
        """Continuations that are not part of this one: their documents are not read."""
        loops = query_roles(
            self._of_all_runs,
            [JobName.LOOP],
            *("metadata", "completed_at"),
            by_name=self._before_roles,
        )
        tagged = [loop for loop in loops if loop["metadata"].get("campaign_run")]
        of_this_run = [
            loop
            for loop in tagged
            if self.run in (None, loop["metadata"]["campaign_run"])
        ]
        if not of_this_run:
            return []
        last = max(of_this_run, key=_time)
        chain = last["metadata"].get("campaign_runs") or []
        runs = {loop["metadata"]["campaign_run"] for loop in tagged}
        return sorted(runs.difference(chain)) if chain else []

    def find(
        self, criteria: Mapping[str, Any], *fields: str, limit: int = 0
    ) -> list[dict[str, Any]]:
        """
        Query this campaign's documents.

        Parameters
        ----------
        criteria
            In MongoDB's syntax.
        *fields
            Fields to read of each document, beside ``uuid`` and ``index``. Everything
            else stays in the database.
        limit
            Most documents to read; 0: all.

        Returns
        -------
        list of dict
            The documents; the last one of a job that ran several times, or was
            replaced.
        """
        # A uuid is enough; a second condition would keep some servers from its index.
        campaign: dict[str, Any] = {}
        if "uuid" not in criteria:
            campaign = {"metadata.campaign_uuid": self.uuid}
            if self.other_runs:
                campaign["metadata.campaign_run"] = {"$nin": self.other_runs}
        documents = self.store.query(
            {**campaign, **criteria},
            properties=list(fields),
            limit=limit,
            load=False,
        )
        return _last(documents)

    def of_roles(
        self,
        roles: Iterable[JobName],
        *fields: str,
        criteria: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Query the documents of this campaign's jobs of some roles: see `find`."""
        documents = query_roles(
            lambda by_role, wanted: self.find({**by_role, **(criteria or {})}, *wanted),
            roles,
            *fields,
            by_name=self._before_roles,
        )
        return _last(documents)

    @cached_property
    def _before_roles(self) -> bool:
        """Whether this campaign was begun by a version that wrote no roles."""
        named = {"name": {"$in": [role.value for role in FIRST]}}
        return any(map(lacks_role, self._of_all_runs(named, [ROLE_PATH])))

    def _of_all_runs(
        self, criteria: dict[str, Any], fields: list[str]
    ) -> Iterable[dict[str, Any]]:
        """Query this campaign's documents, those of other continuations too."""
        campaign = {"metadata.campaign_uuid": self.uuid}
        return self.store.query({**campaign, **criteria}, fields, load=False)

    @cached_property
    def stages(self) -> list[dict[str, Any]]:
        """The stages' results so far, in the order in which they came."""
        fields = ("name", "metadata", "output", "completed_at")
        documents = self.of_roles(RESULTS.values(), *fields)
        return sorted(filter(_is_result, documents), key=_time)

    def of_stage(self, stage: str) -> list[dict[str, Any]]:
        """Return the results of one stage, of all iterations."""
        return [d for d in self.stages if stage_of(d) == stage]

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The IterationDocs of the finished iterations."""
        fields = ("output", "metadata.iteration", "completed_at")
        return self.of_roles([JobName.RECORD], *fields)

    @cached_property
    def iterations(self) -> list[IterationDoc]:
        """The numbers of each iteration; of the present one, those that there are."""
        if self.end is not None:
            records = self.end["output"]["iterations"]
            return [IterationDoc.model_validate(record) for record in records]
        # An iteration with a pilot has two records: the second has all numbers.
        last = {
            iteration_of(document): document["output"]
            for document in sorted(self.records, key=_time)
        }
        iterations = [
            IterationDoc.model_validate(last[number]) for number in sorted(last)
        ]
        begun = [d for d in self.stages if iteration_of(d) not in {0, *last}]
        if begun:
            before = iterations[-1] if iterations else IterationDoc(iteration=0)
            iterations.append(_begun_iteration(begun, before))
        return iterations

    @property
    def present(self) -> int:
        """Number of the iteration after the last finished one, from 1 on."""
        if not self.records:
            return 1
        last = max(self.records, key=_time)
        record = last["output"]
        goes_on = record.get("n_pilot") and not record.get("failed_stage")
        if self.loop is not None and _time(self.loop) >= _time(last):
            planned = (self.loop["output"] or {}).get(PLANNED) or {}
            goes_on = goes_on or VALIDATION in planned
        return iteration_of(last) + (0 if goes_on else 1)

    @cached_property
    def loop(self) -> dict[str, Any] | None:
        """The last document of the loop's job; None before the first."""
        fields = ("output", "completed_at", "metadata")
        loops = self.of_roles([JobName.LOOP], *fields)
        return max(loops, key=_time, default=None)

    @cached_property
    def command(self) -> str | None:
        """The command that started this campaign, or continued it; None: no command."""
        place = f"metadata.{COMMAND}"
        is_there = {place: {"$exists": True}}
        fields = (place, "completed_at")
        started = self.of_roles([JobName.LOOP], *fields, criteria=is_there)
        last = max(started, key=_time, default=None)
        return None if last is None else last["metadata"][COMMAND]

    @property
    def allowed(self) -> int | None:
        """Most iterations that the campaign may have; None before the first."""
        output = (self.loop or {}).get("output") or {}
        return output.get("max_iterations")

    @property
    def end(self) -> dict[str, Any] | None:
        """The CampaignDoc as it is stored; None while the campaign runs."""
        ended = self.loop is not None and (self.loop["output"] or {}).get("stop_reason")
        return self.loop if ended else None

    @property
    def stop_reason(self) -> str | None:
        """Why the campaign ended; None while it runs."""
        return None if self.end is None else self.end["output"]["stop_reason"]

    @property
    def name(self) -> str:
        """The campaign's name."""
        known = self.loop or self.stages[0]
        return known["metadata"]["campaign"]

    def resolve(self, item: Any) -> Any:
        """Put outputs, also from the `data` store, in place of references."""
        return find_and_resolve_references(
            item, self.store, on_missing=OnMissing.NONE, cache={}
        )

    def read(self, document: Mapping[str, Any], *path: str) -> Any:
        """Read a document's output, or one field, with what the `data` store has."""
        place = ".".join(("output", *path))
        job = {"uuid": document["uuid"], "index": document["index"]}
        item: Any = self.store.query_one(job, properties=[place], load=True)
        for name in ("output", *path):
            item = (item or {}).get(name)
        return self.resolve(item)


def iteration_of(document: Mapping[str, Any]) -> int:
    """Return the number of a document's iteration; 0: it came before the first."""
    return int(document["metadata"].get("iteration", 0))


def stage_of(document: Mapping[str, Any]) -> str:
    """Return the stage whose result a document is."""
    return COLLECTORS[role_in(document)]


def read_member(
    documents: CampaignDocuments, member: Mapping[str, Any], *fields: str
) -> dict[str, Any]:
    """
    Read some fields of the PotentialDoc of a committee's member, without its model.

    Parameters
    ----------
    documents
        Documents of the campaign.
    member
        The member as a stored CommitteeDoc has it: a reference, or the PotentialDoc.
    *fields
        Names of fields of the PotentialDoc.

    Returns
    -------
    dict
        The fields that are there, and ``job``, the uuid of the job that trained it.
    """
    job = member.get("uuid")
    if job is not None:
        steps = [step for _, step in member.get("attributes", [])]
        # A projection goes through all elements of a list: it takes no index.
        path = ".".join(str(step) for step in steps if not isinstance(step, int))
        prefix = f"output.{path}." if path else "output."
        trained = documents.find({"uuid": job}, *(prefix + name for name in fields))
        output: Any = trained[0]["output"] if trained else {}
        for step in steps if trained else ():
            output = output[step]
        member = output
    return {**{name: member[name] for name in fields if name in member}, "job": job}


def _time(document: Mapping[str, Any]) -> str:
    return document["completed_at"]


def _last(documents: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out documents of jobs that ran again or were replaced, but the last."""
    last: dict[str, dict[str, Any]] = {}
    for document in documents:
        before = last.get(document["uuid"])
        if before is None or before["index"] <= document["index"]:
            last[document["uuid"]] = document
    return list(last.values())


def _is_result(document: Mapping[str, Any]) -> bool:
    """Tell a stage's result from that of a part of another, or of what comes before."""
    stage = stage_of(document)
    is_own = document["metadata"].get("stage", stage) == stage
    output = document["output"]
    return is_own and output is not None and PLANNED not in output


def _begun_iteration(
    stages: Iterable[Mapping[str, Any]], before: IterationDoc
) -> IterationDoc:
    """Put together the numbers of the finished stages of the present iteration."""
    results: dict[str, dict[str, Any]] = {}
    for document in stages:
        stage, output = stage_of(document), document["output"]
        reported = REPORTED.get(stage, {})
        if output.get(reported.get("seconds")) is not None:
            numbers = {name: output.get(field) for name, field in reported.items()}
            results[stage] = {"job": document["uuid"], **numbers}
    number = before.iteration + 1
    return summarise(number, before.n_dataset, before.n_sent_total, results)
