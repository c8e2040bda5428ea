"""From the outputs of many label jobs to one labelled shard."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset import Dataset, assign_splits
from flowpot.dataset.io.emmet import free_energy_of_steps
from flowpot.dataset.io.static_documents import LabelError
from flowpot.dataset.sets import AUDIT, SETS
from flowpot.dataset.splits import TooFewFramesError
from flowpot.documents import field_of, reason_of
from flowpot.labelling.document import LabelFailure
from flowpot.labelling.frames import in_order, to_structure
from flowpot.labelling.labels import (
    FrameLabel,
    check_geometry_kept,
    with_frame_labels,
)
from flowpot.labelling.planning import failure
from flowpot.labelling.remarks import NO_FREE_ENERGY, Remarks


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
    Labels and failures of the label jobs.

    Parameters
    ----------
    labels
        By the index of the frame.
    failures
        Frames for which the engine gave no label.
    seconds
        Wall time of the engines, summed over frames, where they report it (s).
    n_corrected
        Number of frames that needed a remedy.
    remarks
        What the engine says of labels, counted.
    versions
        Versions of the engine and its packages.
    """

    labels: dict[int, FrameLabel] = field(default_factory=dict)
    failures: list[LabelFailure] = field(default_factory=list)
    seconds: float = 0.0
    n_corrected: int = 0
    remarks: Remarks = field(default_factory=Remarks)
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
        One per job: ``frames``, the indices of the frames it labelled, ``job``, its
        uuid, and either ``output`` and other fields of a static document (of VASP's
        also ``ionic_steps``), or ``dataset`` and ``runs`` of a batch. What a failed job
        could not give is None. ``order`` is the order in which the atoms were sent,
        where it was another than the frame's.
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
    """Whether a job left no output at all: it was killed, or could not write."""
    answers = ("runs", "state", "output", "energy", "failure")
    return all(output.get(name) is None for name in answers)


def labelled_shard(
    frames: Dataset, collected: Collected, max_force: float | None
) -> Dataset:
    """
    Attach the labels, and return the frames that have one worth training on.

    Parameters
    ----------
    frames
        All frames of the stage.
    collected
        Labels and failures. Labels beyond `max_force` are moved to the failures.
    max_force
        Largest force on an atom that is accepted (eV/A); None for any.
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
    Stop a stage in which most frames failed: the cause is not in the frames.

    Parameters
    ----------
    n_sent
        Number of frames sent to the engine.
    failures
        Frames without a label; those that failed in the engine count.
    min_success_fraction
        Share of the frames sent that must have a label.

    Raises
    ------
    LabellingError
        With the counts, the most frequent reason and the way to go on regardless.
    """
    failed = [one for one in failures if one.stage == "engine"]
    n_good = n_sent - len(failed)
    if n_sent == 0 or n_good >= min_success_fraction * n_sent:
        return
    reasons = [one.reason for one in failed]
    common = max(set(reasons), key=reasons.count)
    raise LabellingError(
        f"only {n_good} of {n_sent} frames were labelled, fewer than "
        f"min_success_fraction={min_success_fraction:g} asks for. Most frequent reason "
        f"({reasons.count(common)} x): {common}. Correct it, or lower "
        "min_success_fraction",
        n_sent=n_sent,
        n_failed=len(failures),
    )


def assign_shard_splits(
    frames: Dataset,
    existing: Dataset,
    *,
    fractions: tuple[float, float, float],
    group_by: str | None,
    seed: int,
) -> Dataset:
    """
    Assign the frames of a shard to sets, respecting those of earlier shards.

    Parameters
    ----------
    frames
        Frames of the shard.
    existing
        Frames of earlier shards. Without any, none of the sets stays empty if there
        are frames enough.
    fractions
        Shares of the frames in the train, validation and test sets.
    group_by
        Metadata column: frames with equal values share a set.
    seed
        Seed of the random draw.
    """
    if len(existing) == 0:
        with suppress(TooFewFramesError):  # then sets stay empty, as in later shards
            return assign_splits(
                frames, existing=None, fractions=fractions, group_by=group_by, seed=seed
            )
    return assign_splits(
        frames, existing=existing, fractions=fractions, group_by=group_by, seed=seed
    )


def label_in_order(
    frame: Atoms,
    output: Any,
    order: Any = None,
    convention: str | None = None,
    *,
    free_energy: float | None = None,
) -> FrameLabel:
    """
    Read the label of a frame, its atoms in the frame's order.

    Parameters
    ----------
    frame
        The frame.
    output
        The output of a static document: holds ``energy``, ``forces`` and ``stress``.
    order
        Index in the frame of each atom that was sent; None: in the frame's order.
    convention
        What the stress means, where the document's class does not say it.
    free_energy
        Energy (eV) to take instead of that in `output`, if any: see
        :func:`flowpot.dataset.io.emmet.free_energy`.

    Raises
    ------
    LabelError
        If it is no label, or that of another geometry.
    """
    label = FrameLabel.from_output(
        output,
        len(frame),
        periodic=bool(frame.pbc.any()),
        convention=convention,
        free_energy=free_energy,
    )
    if order is not None:
        forces = np.empty_like(label.forces)
        forces[np.asarray(order)] = label.forces
        label = replace(label, forces=forces)
    structure = field_of(output, "structure")
    if structure is not None:
        sent = to_structure(frame, periodic=True)
        check_geometry_kept(structure, sent if order is None else in_order(sent, order))
    return label


def split_counts(shard: Dataset) -> dict[str, int]:
    """Count the frames of each set; that of audits only if it has any."""
    sets = shard.info["split"]
    counts = {name: int((sets == name).sum()) for name in (*SETS, AUDIT)}
    return {name: n for name, n in counts.items() if n or name != AUDIT}


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
    collected.remarks.add(output)
    errors = list(output.get("errors") or [])
    label = output.get("output", output)  # older jobs refer to its parts one by one
    if label is None or output.get("state") == "failed" or output.get("failure"):
        errors = errors or [_why_nothing(output)]
    else:
        try:
            free_energy = free_energy_of_steps(output.get("ionic_steps"))
            collected.labels[index] = label_in_order(
                frames[index],
                label,
                output.get("order"),
                convention,
                free_energy=free_energy,
            )
        except LabelError as error:
            errors = [*errors, f"the label was refused: {error}"]
        except Exception as error:  # noqa: BLE001  no document may end the stage
            errors = [*errors, f"the label could not be read: {error!r}"]
        else:
            if "ionic_steps" in output and free_energy is None:
                collected.remarks.add({"warnings": [NO_FREE_ENERGY]})
            return
    folder = output.get("folder")
    collected.failures.append(
        failure(frames, index, reason="; ".join(errors), stage="engine", folder=folder)
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
    is_labelled: NDArray[np.bool_] = batch.is_labelled
    for row, (index, run) in enumerate(zip(indices, output["runs"], strict=True)):
        collected.seconds += field_of(run, "seconds") or 0.0
        collected.n_corrected += bool(field_of(run, "corrections"))
        collected.remarks.add(run)
        if is_labelled[row]:
            collected.labels[index] = FrameLabel.of_frame(batch, row)
            continue
        reason = "; ".join(field_of(run, "errors") or ["no reason given"])
        folder = field_of(run, "folder")
        collected.failures.append(
            failure(frames, index, reason=reason, stage="engine", folder=folder)
        )


def _why_nothing(output: Mapping[str, Any]) -> str:
    """Return why a job gave no label at all, in its own words if it left any."""
    job = output["job"]
    reason = output.get("failure") or reason_of(job)
    return reason or f"the job gave no label: see job {job}"
