"""The jobs that label frames, and the references by which their labels are read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jobflow import Flow, Job, Maker

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.io.emmet import is_vasp
from flowpot.dataset.io.static_documents import (
    UnknownStressError,
    output_class,
    stress_convention,
)
from flowpot.documents import recorded
from flowpot.jobs import Pointer, stage_job
from flowpot.labelling.batches import in_folder, label_batch
from flowpot.labelling.collection import was_lost
from flowpot.labelling.document import BatchDoc, frame_records
from flowpot.labelling.frames import periodic_structure, to_structure
from flowpot.labelling.static_makers import (
    FailsSoftly,
    for_stage,
    is_foreign,
)

_OF_BATCH = ("dataset", "runs", "versions", "failure")
_OF_SOFT_FAILURE = (
    "state",
    "errors",
    "corrections",
    "seconds",
    "versions",
    "failure",
)
_WARNINGS, _IONIC_STEPS = "warnings", "ionic_steps"
_OPTIONAL = (_WARNINGS, _IONIC_STEPS)  # read of documents whose class has them


@dataclass(frozen=True)
class LabelJobs:
    """
    Makes the jobs that label the frames of a stage.

    Parameters
    ----------
    static_maker
        Labels one frame.
    batch_size
        Frames of a job.
    parallel
        Frames of a job that are labelled at a time.
    min_distance
        Shortest distance of two atoms that the stage accepts, as a fraction of the
        sum of their covalent radii.
    stress_convention
        What the stress of the documents means, where their class does not say it.
    records
        Key of the records of the frames in the metadata of the jobs.
    """

    static_maker: Maker
    batch_size: int
    parallel: int
    min_distance: float
    stress_convention: str | None = None
    records: str = "frames"

    def make(
        self, frames: Dataset, indices: Sequence[int]
    ) -> tuple[list[Job | Flow], list[dict[str, Any]]]:
        """
        Make the jobs that label some frames of a stage.

        Parameters
        ----------
        frames
            All frames of the stage.
        indices
            Which of them are to be labelled.

        Returns
        -------
        jobs
            One for each batch of frames.
        outputs
            For each job a dictionary of references to its document, as
            :func:`flowpot.labelling.collection.collect_outputs` reads it.

        Raises
        ------
        UnknownStressError
            If nothing says what the stress of the Maker's documents means.
        """
        size = self.batch_size
        starts = range(0, len(indices), size)
        batches = [list(indices[start : start + size]) for start in starts]
        return self._of_batches(frames, batches)

    def make_lost(
        self, frames: Dataset, outputs: Sequence[dict[str, Any]]
    ) -> tuple[list[Job | Flow], list[dict[str, Any]]]:
        """
        Make new jobs in place of those that were lost.

        Parameters
        ----------
        frames
            All frames of the stage.
        outputs
            What the label jobs have left, references resolved.

        Returns
        -------
        jobs
            The new jobs.
        outputs
            References to the documents of the finished jobs and of the new ones.
        """
        lost = [output["frames"] for output in outputs if was_lost(output)]
        jobs, new = self._of_batches(frames, lost)
        kept = [
            self._references(
                frames,
                output["frames"],
                output["job"],
                output["source"],
                [name for name in _OPTIONAL if name in output],
            )
            for output in outputs
            if not was_lost(output)
        ]
        return jobs, [*kept, *new]

    def _of_batches(
        self, frames: Dataset, batches: Sequence[list[int]]
    ) -> tuple[list[Job | Flow], list[dict[str, Any]]]:
        """Make a job for each batch of frames, and refer to its document."""
        maker = for_stage(self.static_maker, self.min_distance)
        jobs: list[Job | Flow] = []
        for indices in batches:
            if self.batch_size == 1:
                atoms = frames[indices[0]]
                foreign = is_foreign(maker)
                structure = (
                    periodic_structure(atoms)[0] if foreign else to_structure(atoms)
                )
                jobs.append(maker.make(structure))
            else:
                artifact = frames[np.array(indices)].to_artifact("frames.h5")
                stated = self.stress_convention
                jobs.append(label_frames(maker, artifact, self.parallel, stated))
                jobs[-1].name = maker.name
            jobs[-1].update_metadata({self.records: frame_records(frames, indices)})
        if jobs and self.batch_size == 1:
            self._check_document(jobs[0])
        return jobs, [
            self._references(
                frames, indices, job.uuid, Pointer.to(job.output), _stated(job)
            )
            for indices, job in zip(batches, jobs, strict=True)
        ]

    def _check_document(self, job: Job | Flow) -> None:
        """Refuse documents whose stress nobody can interpret."""
        schema = getattr(job, "output_schema", None)
        if schema is None:
            return
        kind = output_class(schema)
        if kind is None:
            raise UnknownStressError(
                f"the {schema.__name__} of {type(self.static_maker).__name__} has no "
                "field `output` with energy, forces and stress: wrap the Maker in one "
                "whose document has it"
            )
        stress_convention(kind, self.stress_convention)

    def _references(
        self,
        frames: Dataset,
        indices: list[int],
        job: str,
        source: Pointer,
        optional: Iterable[str],
    ) -> dict[str, Any]:
        """Refer to the fields that the collector reads of one job's document."""
        document = source.reference
        output: dict[str, Any] = {"frames": indices, "job": job, "source": source}
        if self.batch_size > 1:
            return output | _fields(document, _OF_BATCH)
        output |= {"output": document.output, "folder": document.dir_name}
        if is_foreign(self.static_maker):
            _, order = periodic_structure(frames[indices[0]])
            output |= {"order": order} if order else {}
        if isinstance(self.static_maker, FailsSoftly):
            output |= _fields(document, _OF_SOFT_FAILURE)
        if _WARNINGS in optional:
            output[_WARNINGS] = document.warnings
        if _IONIC_STEPS in optional:
            output[_IONIC_STEPS] = document.calcs_reversed[0].output.ionic_steps
        return output


@stage_job(BatchDoc)
@recorded(BatchDoc)
def label_frames(
    static_maker: Any,
    frames: Artifact,
    parallel: int,
    stress_convention: str | None = None,
) -> BatchDoc:
    """Label the frames of a batch in the job's folder."""
    maker = in_folder(static_maker, stress_convention)
    return label_batch(maker, Dataset.load(frames), Path.cwd(), parallel=parallel)


def _stated(job: Job | Flow) -> list[str]:
    """Return which optional fields the job's document has."""
    schema: Any = getattr(job.output, "output_schema", None)
    known = getattr(schema, "model_fields", {})
    stated = [_WARNINGS] if _WARNINGS in known else []
    if "calcs_reversed" in known and is_vasp(output_class(schema)):
        stated.append(_IONIC_STEPS)
    return stated


def _fields(document: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(document, name) for name in names}
