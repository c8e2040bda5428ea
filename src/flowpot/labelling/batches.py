"""Batches: several frames in one job, some of them labelled at once."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from pydantic import BaseModel

from flowpot.dataset import Dataset
from flowpot.dataset.io.emmet import free_energy
from flowpot.dataset.io.static_documents import LabelError
from flowpot.labelling.collection import label_in_order
from flowpot.labelling.document import BatchDoc, FrameRun, frame_records
from flowpot.labelling.labels import with_frame_labels
from flowpot.labelling.one_by_one import OneByOne, is_callable_at_once
from flowpot.labelling.remarks import remedies_of, texts_of
from flowpot.labelling.static_makers import LabelsInFolder


def check_batches(maker: Any, batch_size: int, parallel: int) -> None:
    """
    Refuse batches that a static Maker cannot label.

    Raises
    ------
    ValueError
        If the Maker cannot label several frames in one job, or not at once, or more
        frames than those of a batch are to be labelled at a time.
    """
    in_folders = isinstance(maker, LabelsInFolder)
    if batch_size > 1 and not in_folders and not is_callable_at_once(maker):
        raise ValueError(
            f"batch_size={batch_size} needs a Maker with `label_in(structure, "
            f"folder)`, or one whose `make` is a single job: {type(maker).__name__} is "
            "neither. Set it to 1"
        )
    if parallel > 1 and not in_folders:
        raise ValueError(
            f"parallel={parallel} needs a Maker with `label_in(structure, folder)`, "
            f"which {type(maker).__name__} lacks: it works in the process's current "
            "folder, which threads share. Set it to 1"
        )
    if parallel > batch_size:
        raise ValueError(
            f"parallel={parallel} frames at a time need a batch_size of at "
            f"least as many, not {batch_size}"
        )


def in_folder(maker: Any, convention: str | None = None) -> LabelsInFolder:
    """
    Return a Maker that labels in given folders.

    Parameters
    ----------
    maker
        The static Maker; one that knows the process's own folder is called there.
    convention
        What the stress of its documents means, where their class does not say it.
    """
    is_own = isinstance(maker, LabelsInFolder)
    return maker if is_own else OneByOne(maker, convention)


def label_batch(
    maker: LabelsInFolder, frames: Dataset, folder: Path, *, parallel: int = 1
) -> BatchDoc:
    """
    Label frames, each in a folder of its own, some of them at once.

    Parameters
    ----------
    maker
        Labels one frame.
    frames
        The frames.
    folder
        In it a folder named by its fingerprint is made for each frame.
    parallel
        Number of frames that are labelled at a time.

    Returns
    -------
    BatchDoc
        A frame that fails is recorded in it, also one whose elements have no
        pseudopotential.

    Raises
    ------
    Exception
        If the machine cannot run the engine at all (no pw.x, for example).
    """
    start = time.perf_counter()

    def attempt(index: int, stop: Event) -> Any:
        try:
            name = f"frame_{frames.fingerprints[index][:10]}"
            return maker.label_in(frames[index], folder / name, stop=stop)
        except ValueError as error:  # the frame's own fault: the others go on
            return error

    with _stoppable_pool(parallel) as (pool, stop):
        pending = [pool.submit(attempt, index, stop) for index in range(len(frames))]
        documents = [future.result() for future in pending]
    runs = [_run(document) for document in documents]
    records = frame_records(frames, range(len(frames)))
    labels = {}
    for index, (document, run) in enumerate(zip(documents, runs, strict=True)):
        run.frame = records[index]
        if run.state == "successful":
            try:
                labels[index] = label = label_in_order(
                    frames[index],
                    document.output,
                    free_energy=free_energy(document),
                )
            except LabelError as error:
                run.state = "failed"
                run.errors = [*run.errors, f"the label was refused: {error}"]
            else:
                run.energy, run.forces_max = label.energy, label.largest_force
    return BatchDoc(
        dataset=with_frame_labels(frames, labels).to_artifact("batch.h5"),
        runs=runs,
        n_labelled=len(labels),
        n_failed=len(frames) - len(labels),
        seconds=time.perf_counter() - start,
        versions=next((d.versions for d in documents if hasattr(d, "versions")), {}),
        input=next((_input(documents[index]) for index in labels), {}),
    )


@contextmanager
def _stoppable_pool(parallel: int) -> Iterator[tuple[ThreadPoolExecutor, Event]]:
    """Return threads, and an event that is set if the block is left by an exception."""
    stop = Event()
    with ThreadPoolExecutor(max_workers=parallel) as pool:
        try:
            yield pool, stop
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _input(document: Any) -> dict[str, Any]:
    """Return the parameters of a calculation, if its document has them."""
    parameters = getattr(document, "input", None)
    if isinstance(parameters, BaseModel):
        return parameters.model_dump(mode="json")
    return dict(parameters) if isinstance(parameters, Mapping) else {}


def _run(document: Any) -> FrameRun:
    """Summarise how the calculation of a frame went."""
    if isinstance(document, ValueError):
        return FrameRun(state="failed", errors=[str(document)])
    return FrameRun(
        state=document.state,
        errors=document.errors,
        corrections=remedies_of(document.corrections),
        warnings=texts_of(getattr(document, "warnings", None)),
        folder=document.dir_name,
        seconds=document.seconds,
        n_scf_steps=document.run.n_scf_steps,
        core_seconds=getattr(document.run, "core_seconds", None),
    )
