"""From the outputs of many jobs to one labelled shard."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.failures import reason_of
from flowpot.labelling.document import LabelFailure
from flowpot.labelling.labels import FrameLabel, with_frame_labels
from flowpot.labelling.planning import failure


class LabellingError(RuntimeError):
    """
    Too few frames of a labelling stage have labels.

    Parameters
    ----------
    message
        What is wrong.
    **known
        Fields of the LabellingDoc that are known nevertheless.
    """

    def __init__(self, message: str, **known: int) -> None:
        super().__init__(message)
        self.known = known


@dataclass
class Collected:
    """
    What the engines' outputs amount to.

    Parameters
    ----------
    labels
        By the index of the frame.
    failures
        Frames that the engine gave no label for.
    seconds
        Wall time of the engines, summed over frames, where they report it (s).
    n_corrected
        Frames that needed a remedy.
    versions
        Of the engine.
    """

    labels: dict[int, FrameLabel] = field(default_factory=dict)
    failures: list[LabelFailure] = field(default_factory=list)
    seconds: float = 0.0
    n_corrected: int = 0
    versions: dict[str, str] = field(default_factory=dict)


def collect_outputs(frames: Dataset, outputs: Iterable[Mapping[str, Any]]) -> Collected:
    """
    Read the outputs of the label jobs.

    Parameters
    ----------
    frames
        All frames of the stage.
    outputs
        One per job, with ``frames``, the indices it labelled, and either the fields of
        one static document or ``dataset`` and ``runs`` of a batch. Whatever a failed
        job could not give is None.
    """
    collected = Collected()
    for output in outputs:
        if "runs" in output:
            _collect_batch(frames, output, collected)
        else:
            _collect_one(frames, output, collected)
        collected.versions.update(output.get("versions") or {})
    return collected


def was_lost(output: Mapping[str, Any]) -> bool:
    """Whether a job left nothing: killed, or it could not write its answer."""
    answers = ("runs", "state", "energy", "failure")
    return all(output.get(name) is None for name in answers)


def labelled_shard(
    frames: Dataset, collected: Collected, max_force: float | None
) -> Dataset:
    """
    Attach the labels, and keep the frames that have one worth training on.

    Labels beyond `max_force` (eV/A) are moved from the labels to the failures.
    """
    if max_force is not None:
        for index, label in list(collected.labels.items()):
            if label.largest_force > max_force:
                del collected.labels[index]
                reason = (
                    f"largest force {label.largest_force:.1f} eV/A is over max_force "
                    f"{max_force:g} eV/A"
                )
                collected.failures.append(
                    failure(frames, index, reason=reason, stage="max_force")
                )
    return with_frame_labels(frames, collected.labels).labelled


def check_success(
    n_sent: int, failures: list[LabelFailure], min_success_fraction: float
) -> None:
    """
    Stop a stage most of whose frames failed: something other than the frames is wrong.

    Raises
    ------
    LabellingError
        With the counts, the most frequent reason and the way to go on regardless.
    """
    failed = [each for each in failures if each.stage == "engine"]
    n_good = n_sent - len(failed)
    if n_sent == 0 or n_good >= min_success_fraction * n_sent:
        return
    reasons = [each.reason for each in failed]
    common = max(set(reasons), key=reasons.count)
    raise LabellingError(
        f"only {n_good} of {n_sent} frames were labelled, fewer than "
        f"min_success_fraction={min_success_fraction:g} asks for. Most frequent reason "
        f"({reasons.count(common)} x): {common}. Correct it, or lower "
        "min_success_fraction",
        n_sent=n_sent,
        n_failed=len(failures),
    )


def _collect_one(
    frames: Dataset, output: Mapping[str, Any], collected: Collected
) -> None:
    """Read the fields of one static document."""
    index = int(output["frames"][0])
    label = FrameLabel.from_output(output)
    collected.seconds += output.get("seconds") or 0.0
    if output.get("corrections"):
        collected.n_corrected += 1
    if label is not None and output.get("state") != "failed":
        collected.labels[index] = label
        return
    errors = output.get("errors") or [_why_nothing(output)]
    collected.failures.append(
        failure(
            frames,
            index,
            reason="; ".join(errors),
            stage="engine",
            folder=output.get("folder"),
        )
    )


def _collect_batch(
    frames: Dataset, output: Mapping[str, Any], collected: Collected
) -> None:
    """Read the labelled frames of a batch."""
    indices: list[int] = [int(index) for index in output["frames"]]
    if output["runs"] is None:
        reason = _why_nothing(output)
        collected.failures += [
            failure(frames, index, reason=reason, stage="engine") for index in indices
        ]
        return
    batch = Dataset.load(output["dataset"])
    good: NDArray[np.bool_] = batch.is_labelled
    for row, (index, run) in enumerate(zip(indices, output["runs"], strict=True)):
        collected.seconds += _get(run, "seconds") or 0.0
        collected.n_corrected += bool(_get(run, "corrections"))
        if good[row]:
            rows = slice(batch.offsets[row], batch.offsets[row + 1])
            collected.labels[index] = FrameLabel(
                float(batch.energy[row]), batch.forces[rows], batch.stress[row]
            )
            continue
        reason = "; ".join(_get(run, "errors") or ["no reason given"])
        folder = _get(run, "folder")
        collected.failures.append(
            failure(frames, index, reason=reason, stage="engine", folder=folder)
        )


def _why_nothing(output: Mapping[str, Any]) -> str:
    """Say why a job gave no label at all: by its own words, if it left any."""
    job = output["job"]
    said = output.get("failure") or reason_of(job)
    return said or f"the job gave no label: see job {job}"


def _get(record: Any, name: str) -> Any:
    """Read a record that may have been read back as a dict."""
    return record.get(name) if isinstance(record, Mapping) else getattr(record, name)
