"""The numbers of a turn, in one document."""

from collections.abc import Mapping
from typing import Any

from flowpot.campaign.document import IterationDoc

Results = Mapping[str, Mapping[str, Any]]
"""Numbers of a turn's stages, None where a stage gave no result."""

_TAKEN = {
    "labelling": ("n_labelled", "n_failed", "n_sent", "n_postponed"),
    "training": ("metrics",),
    "exploration": ("halted",),
    "evaluation": (
        *("calibration", "audit", "n_explored", "n_over", "n_wrecked", "n_insane"),
        *("n_selected", "n_audit", "n_pilot", "n_closing", "fresh_error", "warnings"),
    ),
}
_COUNTED = ("n_labelled", "n_failed", "n_sent", "n_postponed")
"""Labels, which both halves of a turn may add."""


def summarise(
    iteration: int, n_dataset: int, n_sent: int, results: Results
) -> IterationDoc:
    """
    Put the numbers of a turn's stages into one document.

    Parameters
    ----------
    iteration
        The turn's number.
    n_dataset, n_sent
        Labelled frames, and frames sent to the engine, before it.
    results
        Of its stages.
    """
    fields: dict[str, Any] = {}
    for stage, names in _TAKEN.items():
        found = results.get(stage, {})
        fields |= {name: found[name] for name in names if name in found}
    if results.get("evaluation", {}).get("seconds") is not None:
        fields["evaluation_job"] = results["evaluation"]["job"]
    failed_stage, failure = first_failure(results)
    failed = results.get(failed_stage or "", {})
    return IterationDoc(
        iteration=iteration,
        n_dataset=n_dataset + _total(results, "n_labelled"),
        n_sent_total=n_sent + _total(results, "n_sent"),
        seconds={name: found["seconds"] or 0.0 for name, found in results.items()},
        failed_stage=failed_stage,
        failure=failure,
        failed_job=failed.get("job"),
        **fields,
    )


def joined(begun: IterationDoc, rest: IterationDoc) -> IterationDoc:
    """Join the parts of a turn, before and after the labels of a pilot or audit."""
    old, new = begun.model_dump(), rest.model_dump(exclude_unset=True)
    counts = {name: (old[name] or 0) + (new.get(name) or 0) for name in _COUNTED}
    stages = {**begun.seconds, **rest.seconds}
    seconds = {
        name: begun.seconds.get(name, 0.0) + rest.seconds.get(name, 0.0)
        for name in stages
    }
    n_first = (begun.n_pilot_labelled or 0) + (rest.n_labelled or 0)
    labelled = {"n_pilot_labelled": n_first, "seconds": seconds}
    return IterationDoc(**old | new | counts | labelled)


def first_failure(results: Results) -> tuple[str | None, str | None]:
    """Name the first stage whose document never came, and its error."""
    for stage, found in results.items():
        if found["seconds"] is None:
            return stage, found["failure"]
    return None, None


def _total(results: Results, name: str) -> int:
    """Add a number up over the stages that have it."""
    return sum(found.get(name) or 0 for found in results.values())
