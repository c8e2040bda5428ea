"""Labels of single frames: asked for in MongoDB's syntax, found by an index."""

from collections.abc import Iterable, Mapping
from itertools import compress
from typing import Any

import numpy as np

from flowpot.campaign.reading.documents import CampaignDocuments
from flowpot.campaign.record import FREE_LABELS
from flowpot.dataset.io.emmet import free_energy

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
"""Where label jobs' documents hold a key of a query; the most selective key first."""

_ENOUGH = 5  # jobs of an iteration, one of which at least has labels
_POSITIVE = {"$eq", "$in", "$gt", "$gte", "$lt", "$lte"}
_READ = (
    *(_RECORD, "metadata.iteration", "metadata.stage", "output.runs", "output.state"),
    *("output.output.energy", "output.output.forces_max", "output.dir_name"),
    "output.calcs_reversed.output.ionic_steps.e_fr_energy",  # VASP's
)


def find_labels(documents: CampaignDocuments, query: Query) -> list[Label]:
    """
    Find the labels of a campaign's own engine.

    One condition, on which there is an index, is left to the database; the whole query
    is then applied to the few documents that it returns. This works in all of maggma's
    stores.

    Parameters
    ----------
    documents
        Documents of the campaign.
    query
        In MongoDB's syntax, on the keys that :func:`labels_in` lists.

    Returns
    -------
    list of dict
        One for each labelled frame.
    """
    from mongomock_ng.filtering import filter_applies  # noqa: PLC0415 - slow

    by_fingerprint: dict[str, Label] = {}
    for criteria in _criteria(documents, query):
        for document in documents.find(criteria, *_READ):
            if document["metadata"].get("stage") == FREE_LABELS:
                continue
            for label in labels_in(document):
                by_fingerprint[label["fingerprint"]] = label
    labels = [label for label in by_fingerprint.values() if label["energy"] is not None]
    if "forces_max" in repr(query):
        _add_forces(documents, labels)
    kept = [label for label in labels if filter_applies(dict(query), label)]
    _add_forces(documents, kept)
    return kept


def labels_in(document: Mapping[str, Any]) -> list[Label]:
    """
    Read the labels in one document of a label job, whichever engine it ran.

    Returns
    -------
    list of dict
        For each frame, what :func:`flowpot.labelling.document.frame_record` returns,
        and ``energy`` (eV; None: it has no label), ``energy_per_atom`` (eV/atom),
        ``forces_max`` (eV/A), ``labelled_in`` (iteration), ``folder`` and ``job``.
    """
    output = document.get("output") or {}
    records = document["metadata"].get("frames", [])
    if "runs" in output:
        answers: list[Mapping[str, Any]] = output["runs"] or []
    else:
        failed = output.get("state") == "failed"
        label = {} if failed else dict(output.get("output") or {})
        if (energy := free_energy(output)) is not None:
            label["energy"] = energy
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
    """Return the queries for the database, each of which uses one index."""
    conditions = {name: _condition(query, name) for name in SEARCHABLE}
    equal = [n for n, c in conditions.items() if c is not None and not _is_range(c)]
    ranges = [n for n, c in conditions.items() if _is_range(c)]
    for name in equal + ranges:
        paths = SEARCHABLE[name]
        if len(paths) > 1:  # kinds of jobs keep their results in different places
            kinds = _kinds(documents)
            if name == "forces_max" and "foreign" in kinds:
                continue
            if name == "energy" and "extrapolated" in kinds:
                continue
            wanted = (kinds != {"batch"}, "batch" in kinds)
            paths = tuple(compress(paths, wanted))
        return [{path: conditions[name]} for path in paths]
    return [{"metadata.stage": "labelling"}]


def _kinds(documents: CampaignDocuments) -> set[str]:
    """
    Return the kinds of the label jobs, by a few of each iteration, which are alike.

    Returns
    -------
    set of str
        ``batch``: jobs that label several frames; ``single``: one frame; ``foreign``:
        one frame, by an engine that does not state the largest force;
        ``extrapolated``: there is such whose energy is not the label's, but VASP's
        without smearing.
    """
    kinds = set()
    for iteration in range(1, documents.present + 1):
        wanted = {"metadata.stage": "labelling", "metadata.iteration": iteration}
        for document in documents.find(wanted, *_READ, limit=_ENOUGH):
            labels = labels_in(document)
            if labels and "runs" in document["output"]:
                kinds.add("batch")
            elif labels:
                failed = document["output"].get("state") == "failed"
                stated = failed or labels[0]["forces_max"] is not None
                kinds.add("single" if stated else "foreign")
                if free_energy(document["output"]) is not None:
                    kinds.add("extrapolated")
    return kinds


def _condition(query: Query, name: str) -> Any:
    """Return the condition on a key that an index can answer; None: there is none."""
    condition = query.get(name)
    for part in query.get("$and", ()):
        condition = condition if condition is not None else _condition(part, name)
    if isinstance(condition, Mapping) and not _POSITIVE.issuperset(condition):
        return None
    return condition


def _is_range(condition: Any) -> bool:
    return isinstance(condition, Mapping) and not {"$eq", "$in"} & condition.keys()


def _add_forces(documents: CampaignDocuments, labels: Iterable[Label]) -> None:
    """Calculate the largest force (eV/A) where the engine did not state it."""
    without = {label["job"]: label for label in labels if label["forces_max"] is None}
    if without:
        wanted = {"uuid": {"$in": list(without)}}
        for document in documents.find(wanted, "output.output.forces"):
            forces = document["output"]["output"]["forces"]
            largest = np.linalg.norm(np.asarray(forces, float), axis=1).max()
            without[document["uuid"]]["forces_max"] = float(largest)
