"""The numbers of an iteration, in one document."""

from collections.abc import Mapping
from typing import Any

from flowpot.campaign.document import IterationDoc, reported_by
from flowpot.evaluation.warning_signs import noise_signs

Results = Mapping[str, Mapping[str, Any]]
"""
Numbers of an iteration's stages, which :data:`REPORTED` names, with the uuid of the
stage's ``job`` and its ``failure``; None where a stage gave no result.
"""

VALIDATION = "validation"
"""The stage that decides by properties whether a campaign has converged."""

FREE_LABELS = "free labels"
"""The stage that labels frames by `pretrain_with`, in the first iteration."""

PRETRAINING = "pretraining"
"""The stage that trains a committee on these labels."""

ONCE = (FREE_LABELS, PRETRAINING)
"""Stages that later iterations do not have."""

LOOP_STAGES = (
    *("labelling", FREE_LABELS, PRETRAINING),
    *("training", "exploration", "evaluation", VALIDATION),
)
"""The stages of an iteration, in their order."""

STAGES = ("augmentation", *LOOP_STAGES)
"""All stages of a campaign, in their order."""

_SECONDS = {"exploration": "md_seconds"}  # the engines', not the collector's

REPORTED: dict[str, dict[str, str]] = {
    stage: {name: name for name in reported_by(stage)}
    | {"seconds": _SECONDS.get(stage, "seconds")}
    for stage in LOOP_STAGES
}
"""
What the loop reads of each stage's document, and nothing else: names of the numbers,
and the fields that hold them.
"""


def summarise(
    iteration: int, n_dataset: int, n_sent: int, results: Results
) -> IterationDoc:
    """
    Put the numbers of an iteration's stages into one document.

    Parameters
    ----------
    iteration
        Number of the iteration.
    n_dataset, n_sent
        Labelled frames, and frames sent to the engine, before it.
    results
        Numbers of its stages.
    """
    fields: dict[str, Any] = {}
    for stage in LOOP_STAGES:
        numbers = results.get(stage, {})
        fields |= {
            name: numbers[name] for name in reported_by(stage) if name in numbers
        }
    if results.get("evaluation", {}).get("seconds") is not None:
        fields["evaluation_job"] = results["evaluation"]["job"]
    if results.get(VALIDATION, {}).get("seconds") is not None:
        fields["validation_job"] = results[VALIDATION]["job"]
    failed_stage, failure = first_failure(results)
    failed = results.get(failed_stage or "", {})
    return IterationDoc(
        iteration=iteration,
        n_dataset=n_dataset + (fields.get("n_labelled") or 0),
        n_sent_total=n_sent
        + sum(fields.get(name) or 0 for name in ("n_sent", "n_reference")),
        seconds={
            stage: numbers["seconds"] or 0.0 for stage, numbers in results.items()
        },
        failed_stage=failed_stage,
        failure=failure,
        failed_job=failed.get("job"),
        **fields,
    )


def joined(begun: IterationDoc, rest: IterationDoc) -> IterationDoc:
    """
    Join two parts of an iteration, such as before and after its pilot was labelled.

    Labels and times are added up; other numbers are those of the second part.
    """
    first, second = begun.model_dump(), rest.model_dump(exclude_unset=True)
    names = [*reported_by("labelling"), "n_reference"]
    counts = {
        name: (first[name] or 0) + (second.get(name) or 0)
        for name in names
        if second.get(name) is not None
    }
    seconds = {
        stage: begun.seconds.get(stage, 0.0) + rest.seconds.get(stage, 0.0)
        for stage in {**begun.seconds, **rest.seconds}
    }
    summed: dict[str, Any] = {**counts, "seconds": seconds}
    if rest.n_labelled is not None:
        n_first = (begun.n_pilot_labelled or 0) + rest.n_labelled
        summed["n_pilot_labelled"] = n_first
    return IterationDoc(**first | second | summed)


def warned(
    iteration: IterationDoc,
    noise: Mapping[str, float] | None,
    tolerance: Mapping[str, float],
) -> IterationDoc:
    """Return an iteration with the warnings of noisy labels among its warnings."""
    known = iteration.warnings or []
    new = [sign for sign in noise_signs(noise, tolerance) if sign not in known]
    return iteration.model_copy(update={"warnings": [*known, *new]} if new else {})


def first_failure(results: Results) -> tuple[str | None, str | None]:
    """Return the first stage that gave no document, and its error; None for none."""
    for stage, numbers in results.items():
        if numbers["seconds"] is None:
            return stage, numbers["failure"]
    return None, None
