"""Several frames in one job, some of them at once."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, Protocol, runtime_checkable

from ase import Atoms

from flowpot.dataset import Dataset
from flowpot.dataset.io.static_documents import LabelError
from flowpot.labelling.document import BatchDoc, FrameRun
from flowpot.labelling.labels import FrameLabel, with_frame_labels
from flowpot.labelling.records import frame_records


@runtime_checkable
class LabelsInFolder(Protocol):
    """
    A static Maker whose work does not depend on the process's current folder.

    Only such Makers can label several frames of one job at once: threads share the
    current folder.
    """

    def label_in(
        self, structure: Atoms, folder: Path | str, *, stop: Event | None = None
    ) -> Any:
        """Label a frame in a folder and give its document."""


def label_batch(
    maker: LabelsInFolder, frames: Dataset, folder: Path, *, parallel: int = 1
) -> BatchDoc:
    """
    Label frames, each in a folder of its own, some of them at once.

    Parameters
    ----------
    maker
        What labels one frame.
    frames
        The frames.
    folder
        In which a folder named by its fingerprint is made for each frame.
    parallel
        How many engines run at a time.

    Returns
    -------
    BatchDoc
        A frame that fails is recorded in it, also one whose elements have no
        pseudopotential; one that finds the machine wanting (no pw.x) ends the batch.
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
            atoms = frames[index]
            try:
                labels[index] = label = FrameLabel.from_output(
                    document.output, len(atoms), periodic=bool(atoms.pbc.any())
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
    )


@contextmanager
def _stoppable_pool(parallel: int) -> Iterator[tuple[ThreadPoolExecutor, Event]]:
    """Return threads that end their engines when the batch is left by an exception."""
    stop = Event()
    with ThreadPoolExecutor(max_workers=parallel) as pool:
        try:
            yield pool, stop
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _run(document: Any) -> FrameRun:
    """Sum up how a frame went."""
    if isinstance(document, ValueError):
        return FrameRun(state="failed", errors=[str(document)])
    return FrameRun(
        state=document.state,
        errors=document.errors,
        corrections=[a for c in document.corrections for a in c.actions],
        folder=document.dir_name,
        seconds=document.seconds,
        n_scf_steps=document.run.n_scf_steps,
    )
