"""From the outputs of many jobs to one labelled shard."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.io.static_documents import LabelError, part_of
from flowpot.documents import reason_of
from flowpot.labelling.document import LabelFailure
from flowpot.labelling.frames import in_order, to_structure
from flowpot.labelling.labels import (
    FrameLabel,
    check_geometry_kept,
    with_frame_labels,
)
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


def collect_outputs(
    frames: Dataset,
    outputs: Iterable[Mapping[str, Any]],
    convention: str | None = None,
) -> Collected:
    """
    Read the outputs of the label jobs.

    Parameters
    ----------
    frames
        All frames of the stage.
    outputs
        One per job, with ``frames``, the indices it labelled, and either ``output``,
        that of a static document, and other fields of it, or ``dataset`` and ``runs``
        of a batch. Whatever a failed job could not give is None. ``order`` says in
        which order the atoms were sent, where it was another than the frame's.
    convention
        What the stress of the documents means, where their class does not say it.
    """
    collected = Collected()
    for output in outputs:
        if "runs" in output:
            _collect_batch(frames, output, collected)
        else:
            _collect_one(frames, output, convention, collected)
        collected.versions.update(output.get("versions") or {})
    return collected


def was_lost(output: Mapping[str, Any]) -> bool:
    """Whether a job left nothing: killed, or it could not write its answer."""
    answers = ("runs", "state", "output", "energy", "failure")
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
    frames: Dataset,
    output: Mapping[str, Any],
    convention: str | None,
    collected: Collected,
) -> None:
    """Read one static document; whatever is wrong with it fails its own frame only."""
    index = int(output["frames"][0])
    collected.seconds += output.get("seconds") or 0.0
    collected.n_corrected += bool(output.get("corrections"))
    errors = list(output.get("errors") or [])
    found = output.get("output", output)  # older jobs refer to its parts one by one
    if found is None or output.get("state") == "failed" or output.get("failure"):
        errors = errors or [_why_nothing(output)]
    else:
        try:
            collected.labels[index] = _label(frames[index], output, found, convention)
        except LabelError as error:
            errors = [*errors, f"the label was refused: {error}"]
        except Exception as error:  # noqa: BLE001  no document may end the stage
            errors = [*errors, f"the label could not be read: {error!r}"]
        else:
            return
    folder = output.get("folder")
    collected.failures.append(
        failure(frames, index, reason="; ".join(errors), stage="engine", folder=folder)
    )


def _label(
    frame: Atoms, output: Mapping[str, Any], found: Any, convention: str | None
) -> FrameLabel:
    """Read the label of a frame, its atoms in the frame's order."""
    label = FrameLabel.from_output(
        found, len(frame), periodic=bool(frame.pbc.any()), convention=convention
    )
    order = output.get("order")
    if order is not None:
        forces = np.empty_like(label.forces)
        forces[np.asarray(order)] = label.forces
        label = replace(label, forces=forces)
    structure = part_of(found, "structure")
    if structure is not None:
        sent = to_structure(frame, periodic=True)
        check_geometry_kept(structure, sent if order is None else in_order(sent, order))
    return label


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
