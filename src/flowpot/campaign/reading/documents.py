"""The documents that a campaign's jobs have left in a JobStore."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from jobflow import JobStore, OnMissing
from jobflow.core.reference import find_and_resolve_references

COLLECTORS = {
    "augment": "augmentation",
    "campaign inputs": "inputs",
    "collect labels": "labelling",
    "collect committee": "training",
    "collect frames": "exploration",
    "evaluate committee": "evaluation",
}
"""The jobs whose documents are a stage's result, and the stage."""

STAGES = ("augmentation", "labelling", "training", "exploration", "evaluation")


class CampaignDocuments:
    """
    One campaign's documents, without what is kept in the `data` store.

    Parameters
    ----------
    store
        Connected.
    uuid
        The campaign's.
    run
        Uuid of the loop's job with which it began or was continued, where that is to
        be told from other continuations of one end. None: the latest.
    """

    def __init__(self, store: JobStore, uuid: str, run: str | None = None) -> None:
        self.store = store
        self.uuid = uuid
        self.run = run

    @cached_property
    def other_runs(self) -> list[str]:
        """Continuations that are not part of this one: their documents are not read."""
        loops = self.store.query(
            {"metadata.campaign_uuid": self.uuid, "name": "active learning"},
            properties=["metadata", "completed_at"],
            load=False,
        )
        tagged = [each for each in loops if each["metadata"].get("campaign_run")]
        own = [
            each
            for each in tagged
            if self.run in (None, each["metadata"]["campaign_run"])
        ]
        if not own:
            return []
        last = max(own, key=lambda document: document["completed_at"])
        chain = last["metadata"].get("campaign_runs") or []
        runs = {each["metadata"]["campaign_run"] for each in tagged}
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
            What is read of each document, beside ``uuid`` and ``index``. Everything
            else stays in the database.
        limit
            Most documents to read; 0: all.

        Returns
        -------
        list of dict
            Of jobs that ran several times, or were replaced, the last document.
        """
        # A uuid says it all; a second condition would keep some servers from its index.
        campaign: dict[str, Any] = {}
        if "uuid" not in criteria:
            campaign = {"metadata.campaign_uuid": self.uuid}
            if self.other_runs:
                campaign["metadata.campaign_run"] = {"$nin": self.other_runs}
        found = self.store.query(
            {**campaign, **criteria},
            properties=list(fields),
            limit=limit,
            load=False,
        )
        last: dict[str, dict[str, Any]] = {}
        for document in found:
            before = last.get(document["uuid"])
            if before is None or before["index"] <= document["index"]:
                last[document["uuid"]] = document
        return list(last.values())

    @cached_property
    def stages(self) -> list[dict[str, Any]]:
        """The stages' results so far, in the order in which they came."""
        names = {"name": {"$in": list(COLLECTORS)}}
        fields = ("name", "metadata", "output", "completed_at")
        found = [d for d in self.find(names, *fields) if d["output"] is not None]
        return sorted(found, key=lambda document: document["completed_at"])

    def of_stage(self, stage: str) -> list[dict[str, Any]]:
        """Return the results of one stage, of all iterations."""
        return [d for d in self.stages if COLLECTORS[d["name"]] == stage]

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """The IterationDocs of the finished iterations."""
        fields = ("output", "metadata.iteration", "completed_at")
        return self.find({"name": "record iteration"}, *fields)

    @property
    def present(self) -> int:
        """The iteration after the last finished one."""
        if not self.records:
            return 1
        last = max(self.records, key=lambda document: document["completed_at"])
        said = last["output"]
        waits = said.get("n_pilot") and not said.get("failed_stage")
        return iteration_of(last) + (0 if waits else 1)

    @cached_property
    def loop(self) -> dict[str, Any] | None:
        """The last document of the job that decides; None before the first."""
        fields = ("output", "completed_at", "metadata")
        loops = self.find({"name": "active learning"}, *fields)
        return max(loops, key=lambda document: document["completed_at"], default=None)

    @property
    def allowed(self) -> int | None:
        """Iterations that the campaign may have; None before the first."""
        said = (self.loop or {}).get("output") or {}
        return said.get("max_iterations")

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
    """Which turn of the loop a document belongs to; 0 before the first."""
    return int(document["metadata"].get("iteration", 0))
