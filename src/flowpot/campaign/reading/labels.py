"""Labels of single frames: asked for in MongoDB's syntax, found by an index."""

from collections.abc import Iterable, Mapping
from itertools import compress
from typing import Any

import numpy as np
from mongomock_ng.filtering import filter_applies

from flowpot.campaign.reading.documents import CampaignDocuments

Label = dict[str, Any]
Query = Mapping[str, Any]

_RECORD = "metadata.frames"
SEARCHABLE = {
    **{
        name: (f"{_RECORD}.{name}",) for name in ("fingerprint", "trajectory", "parent")
    },
    "forces_max": ("output.output.forces_max", "output.runs.forces_max"),
    "energy": ("output.output.energy", "output.runs.energy"),
    "labelled_in": ("metadata.iteration",),
    **{
        name: (f"{_RECORD}.{name}",)
        for name in ("config_type", "iteration", "temperature", "formula")
    },
}
"""Where what is asked for is in label jobs' documents; the most telling first."""

_ENOUGH = 5  # jobs of an iteration, among which is one that labelled
_POSITIVE = {"$eq", "$in", "$gt", "$gte", "$lt", "$lte"}
_READ = (
    *(_RECORD, "metadata.iteration", "output.runs", "output.state"),
    *("output.output.energy", "output.output.forces_max", "output.dir_name"),
)


def find_labels(documents: CampaignDocuments, query: Query) -> list[Label]:
    """
    Find the labels of a campaign's own engine.

    One condition, on which there is an index, is left to the database; the whole query
    is applied to the few documents that it gives. So nothing is read that an index can
    spare, whatever the query, in any of maggma's stores.

    Parameters
    ----------
    documents
        The campaign's.
    query
        In MongoDB's syntax, on the keys that :func:`labels_in` lists.

    Returns
    -------
    list of dict
        One a labelled frame.
    """
    found: dict[str, Label] = {}
    for criteria in _criteria(documents, query):
        for document in documents.find(criteria, *_READ):
            found |= {each["fingerprint"]: each for each in labels_in(document)}
    labels = [each for each in found.values() if each["energy"] is not None]
    if "forces_max" in repr(query):
        _add_forces(documents, labels)
    kept = [each for each in labels if filter_applies(dict(query), each)]
    _add_forces(documents, kept)
    return kept


def labels_in(document: Mapping[str, Any]) -> list[Label]:
    """
    Read the labels in one document of a label job, whichever engine it ran.

    Returns
    -------
    list of dict
        What :func:`flowpot.labelling.records.frame_record` says of each frame, and
        ``energy`` (eV; None: it has no label), ``energy_per_atom``, ``forces_max``
        (eV/A), ``labelled_in`` (iteration), ``folder`` and ``job``.
    """
    output = document.get("output") or {}
    records = document["metadata"].get("frames", [])
    if "runs" in output:
        answers: list[Mapping[str, Any]] = output["runs"] or []
    else:
        failed = output.get("state") == "failed"
        label = {} if failed else output.get("output") or {}
        answers = [{**label, "folder": output.get("dir_name")}]
    return [
        _label(document, record, answer)
        for record, answer in zip(records, answers, strict=False)
    ]


def _label(document: Mapping[str, Any], record: Label, answer: Query) -> Label:
    energy = answer.get("energy")
    return {
        **record,
        "energy": energy,
        "energy_per_atom": None if energy is None else energy / record["n_atoms"],
        "forces_max": answer.get("forces_max"),
        "labelled_in": document["metadata"].get("iteration"),
        "folder": answer.get("folder"),
        "job": document["uuid"],
    }


def _criteria(documents: CampaignDocuments, query: Query) -> list[dict[str, Any]]:
    """Return what the database is asked: each of them by one index."""
    conditions = {name: _condition(query, name) for name in SEARCHABLE}
    equal = [n for n, c in conditions.items() if c is not None and not _is_range(c)]
    ranges = [n for n, c in conditions.items() if _is_range(c)]
    for name in equal + ranges:
        paths = SEARCHABLE[name]
        if len(paths) > 1:  # what came out is where the kind of job has it
            kinds = _kinds(documents)
            if name == "forces_max" and "foreign" in kinds:
                continue
            wanted = (kinds != {"batch"}, "batch" in kinds)
            paths = tuple(compress(paths, wanted))
        return [{path: conditions[name]} for path in paths]
    return [{"metadata.stage": "labelling"}]


def _kinds(documents: CampaignDocuments) -> set[str]:
    """
    Look at a few label jobs of each iteration, which are alike.

    Returns
    -------
    set of str
        ``batch``: of several frames; ``single``: of one; ``foreign``: of one, by an
        engine that does not state the largest force.
    """
    kinds = set()
    for iteration in range(1, documents.present + 1):
        wanted = {"metadata.stage": "labelling", "metadata.iteration": iteration}
        for each in documents.find(wanted, *_READ, limit=_ENOUGH):
            labels = labels_in(each)
            if labels and "runs" in each["output"]:
                kinds.add("batch")
            elif labels:
                failed = each["output"].get("state") == "failed"
                stated = failed or labels[0]["forces_max"] is not None
                kinds.add("single" if stated else "foreign")
    return kinds


def _condition(query: Query, name: str) -> Any:
    """Return a condition that matches meet by having a value; None: there is none."""
    condition = query.get(name)
    for part in query.get("$and", ()):
        condition = condition if condition is not None else _condition(part, name)
    if isinstance(condition, Mapping) and not _POSITIVE.issuperset(condition):
        return None
    return condition


def _is_range(condition: Any) -> bool:
    return isinstance(condition, Mapping) and not {"$eq", "$in"} & condition.keys()


def _add_forces(documents: CampaignDocuments, labels: Iterable[Label]) -> None:
    """Work out the largest force (eV/A) where the engine did not state it."""
    without = {each["job"]: each for each in labels if each["forces_max"] is None}
    if without:
        wanted = {"uuid": {"$in": list(without)}}
        for document in documents.find(wanted, "output.output.forces"):
            forces = document["output"]["output"]["forces"]
            largest = np.linalg.norm(np.asarray(forces, float), axis=1).max()
            without[document["uuid"]]["forces_max"] = float(largest)
