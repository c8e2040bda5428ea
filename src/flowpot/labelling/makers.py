"""The labelling stage as a Maker."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from jobflow import Flow, Job, Maker, Response
from pymatgen.core import Structure

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.geometry.closeness import accepted_distance, check_distance
from flowpot.dataset.io.static_documents import (
    UnknownStressError,
    checked_convention,
    output_class,
    stress_convention,
)
from flowpot.dataset.portable import portable
from flowpot.dataset.splits import checked_fractions
from flowpot.documents import package_versions, recorded
from flowpot.jobs import (
    Pointer,
    continue_with,
    deciding_job,
    fan_out_job,
    stage_job,
    try_again,
)
from flowpot.labelling.batch import LabelsInFolder, label_batch
from flowpot.labelling.collection import (
    check_success,
    labelled_shard,
    was_lost,
)
from flowpot.labelling.document import (
    BatchDoc,
    LabelFailure,
    LabellingDoc,
    LabelPartDoc,
)
from flowpot.labelling.espresso.makers import EspressoStaticMaker
from flowpot.labelling.frames import (
    GeometryProblem,
    geometry_problem,
    in_order,
    state_problem,
    to_structure,
    usual_order,
)
from flowpot.labelling.parts import (
    gather,
    part_document,
    parts_of,
    parts_of_parts,
    shown_failures,
)
from flowpot.labelling.planning import plan_labels
from flowpot.labelling.records import frame_records
from flowpot.labelling.shards import assign_shard_splits, split_counts
from flowpot.randomness import derive_seed
from flowpot.validation import (
    at_least,
    fraction,
    instance,
    interval,
    numbers,
    positive,
    text,
    whole,
)
from flowpot.validation import seed as check_seed

COLLECT_LABELS = "collect labels"
COLLECT_PART = f"{COLLECT_LABELS}, part"


@dataclass
class LabellingMaker(Maker):
    """
    Labels the frames of a dataset and gives one labelled shard.

    Parameters
    ----------
    name
        Name of the stage.
    static_maker
        What labels one frame: any Maker that honours atomate2's static contract.
    batch_size
        Frames per `qe static` job. More than one needs a Maker that labels in a given
        folder, as EspressoStaticMaker does.
    parallel
        Frames of a batch that are labelled at a time. On a laptop two serial pw.x are
        faster than one on two MPI processes.
    min_success_fraction
        Share of the frames sent to the engine that must have a label; below it the
        stage fails, and says why.
    max_force
        Labels with a larger force on an atom (eV/A) are kept out of the shard and
        reported. None: no limit.
    max_labels
        Most frames to send to the engine. None: no limit.
    min_distance_fraction
        Frames with atoms closer than this fraction of their covalent radii's sum are
        not sent: each is a recorded failure. None is the limit common to all stages,
        0.5. Where the static Maker has a stricter one of its own, that holds.
    volume_per_atom
        Smallest and largest volume per atom (A^3) of the fully periodic frames that are
        sent. None: any.
    vacuum
        Smallest and largest empty space (A) along the axes that are not periodic, of
        the frames that are sent. None: any.
    split_fractions
        Shares of the frames that train, validate and test.
    split_by
        Metadata column, for example ``"parent"``, whose equals share a set.
    stress_convention
        What the stress of the static documents means, where their class does not say
        it: ``"vasp"`` (kbar, positive under compression), ``"aims"`` (kbar, positive
        under tension) or ``"ase"`` (eV/A^3, positive under tension). None: by their
        class, and documents of unknown classes are refused.

    Examples
    --------
    >>> from ase.build import bulk
    >>> maker = LabellingMaker(static_maker=EspressoStaticMaker(protocol="fast"))
    >>> [job.name for job in maker.make(bulk("Si")).jobs]
    ['plan labels']
    """

    name: str = "labelling"
    static_maker: Maker = field(default_factory=EspressoStaticMaker)
    batch_size: int = 1
    parallel: int = 1
    min_success_fraction: float = 0.8
    max_force: float | None = 100.0
    max_labels: int | None = None
    min_distance_fraction: float | None = None
    volume_per_atom: tuple[float, float] | None = None
    vacuum: tuple[float, float] | None = (5.0, 60.0)
    split_fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    split_by: str | None = None
    stress_convention: str | None = None

    def __post_init__(self) -> None:
        if self.stress_convention is not None:
            checked_convention(self.stress_convention)
        text(name=self.name, split_by=self.split_by)
        instance(Maker, static_maker=self.static_maker)
        if isinstance(self.static_maker, LabellingMaker):
            raise ValueError(  # noqa: TRY004 - one error for all wrong values
                "static_maker is a LabellingMaker: give the Maker of one single point"
            )
        check_distance(min_distance_fraction=self.min_distance_fraction)
        whole(1, batch_size=self.batch_size, parallel=self.parallel)
        whole(0, max_labels=self.max_labels)
        fraction(min_success_fraction=self.min_success_fraction)
        positive(max_force=self.max_force)
        interval(volume_per_atom=self.volume_per_atom, vacuum=self.vacuum)
        for name in ("volume_per_atom", "vacuum"):
            if (limits := getattr(self, name)) is not None:
                at_least(0, **{name: limits[0]})
        numbers(0, split_fractions=self.split_fractions)
        checked_fractions(self.split_fractions)
        batches = self.batch_size > 1 or self.parallel > 1
        if batches and not isinstance(self.static_maker, LabelsInFolder):
            raise ValueError(
                f"batch_size={self.batch_size} and parallel={self.parallel} need a "
                "Maker with `label_in(structure, folder)`, which "
                f"{type(self.static_maker).__name__} lacks: it works in the process's "
                "current folder, which threads share. Set both to 1"
            )
        if self.parallel > self.batch_size:
            raise ValueError(
                f"parallel={self.parallel} frames at a time need a batch_size of at "
                f"least as many, not {self.batch_size}"
            )

    def make(
        self, dataset: Any, existing: Sequence[Any] | None = None, seed: int = 0
    ) -> Flow:
        """
        Make the flow that labels a dataset.

        Parameters
        ----------
        dataset
            Frames, or a reference to a stage's document or dataset: whatever
            ``Dataset.load`` takes. Labelled frames pass through.
        existing
            Labelled shards of earlier iterations, or references to them: their frames
            are not labelled again, and new frames' sets respect theirs.
        seed
            Decides the sets of new frames, and the draw where `max_labels` limits it.

        Returns
        -------
        Flow
            Its output is a :class:`LabellingDoc`.
        """
        check_seed(seed=seed)
        plan = self.plan(portable(dataset, "dataset.h5"), list(existing or []), seed)
        plan.name = "plan labels"
        return Flow([plan], output=plan.output, name=self.name)

    @fan_out_job
    @recorded(LabellingDoc)
    def plan(self, dataset: Any, existing: list[Any], seed: int) -> Response:
        """Replace this job by one for each frame or batch, and one that collects."""
        known = Dataset.load(existing)
        plan = plan_labels(
            Dataset.load(dataset),
            known,
            self._problem,
            max_labels=self.max_labels,
            seed=seed,
        )
        self._split(plan.frames, known, seed)  # its options, before DFT is spent
        jobs, outputs = self._label_jobs(
            plan.frames, self._batches(plan.to_label.tolist())
        )
        parts = parts_of(plan, outputs)
        while len(parts) > 1:  # no job refers to all of them
            collectors = [self.collect_part(**part) for part in parts]
            for collector in collectors:
                collector.name = COLLECT_PART
            jobs += collectors
            parts = parts_of_parts([_output_of_part(each) for each in collectors])
        collect = self.collect(
            **parts[0],
            existing=existing,
            counts={
                "n_duplicates": plan.n_duplicates,
                "n_postponed": plan.n_postponed,
            },
            seed=seed,
        )
        collect.name = COLLECT_LABELS
        return continue_with(jobs, collect, LabellingDoc)

    @deciding_job
    @recorded(LabelPartDoc)
    def collect_part(
        self,
        frames: Artifact | None,
        outputs: list[dict[str, Any]],
        failures: list[LabelFailure],
        try_lost: bool = True,
    ) -> LabelPartDoc | Response:
        """Gather a part of the labels, or of such parts: see `collect`."""
        if frames is not None and try_lost and any(map(was_lost, outputs)):
            jobs, outputs = self._label_lost(Dataset.load(frames), outputs)
            again = self.collect_part(frames, outputs, failures, try_lost=False)
            again.name = COLLECT_PART
            return try_again(jobs, again, LabelPartDoc)
        everything, collected, refused = gather(frames, outputs, self.stress_convention)
        known = [*map(LabelFailure.model_validate, failures), *refused]
        return part_document(everything, collected, known)

    @deciding_job
    @recorded(LabellingDoc)
    def collect(
        self,
        frames: Artifact | None,
        outputs: list[dict[str, Any]],
        failures: list[LabelFailure],
        existing: list[Any],
        counts: dict[str, int],
        seed: int,
        try_lost: bool = True,
    ) -> LabellingDoc | Response:
        """
        Gather the labels into one shard; failed jobs' outputs arrive as None.

        A job without any output was killed, or could not write: with `try_lost` its
        frames are sent once more. An engine that fails says so in its output.
        """
        if any(shard is None for shard in existing):
            raise ValueError("an earlier shard is missing: rerun the job that made it")
        if frames is not None and try_lost and any(map(was_lost, outputs)):
            jobs, outputs = self._label_lost(Dataset.load(frames), outputs)
            collect = self.collect(
                frames, outputs, failures, existing, counts, seed, try_lost=False
            )
            collect.name = COLLECT_LABELS
            return try_again(jobs, collect, LabellingDoc)
        everything, collected, refused = gather(frames, outputs, self.stress_convention)
        n_sent = len(collected.labels) + len(collected.failures)
        check_success(n_sent, collected.failures, self.min_success_fraction)
        shard = labelled_shard(everything, collected, self.max_force)
        shard = self._split(shard, Dataset.load(existing), seed)
        failures = [
            *map(LabelFailure.model_validate, failures),
            *refused,
            *collected.failures,
        ]
        return LabellingDoc(
            dataset=shard.to_artifact("labels.h5"),
            n_labelled=len(shard),
            n_computed=len(collected.labels),
            n_sent=n_sent,
            n_failed=len(failures),
            n_refused=Counter(each.criterion for each in failures if each.criterion),
            **shown_failures(failures),
            n_corrected=collected.n_corrected,
            splits=split_counts(shard),
            seconds=collected.seconds,
            versions={**package_versions(), **collected.versions},
            **counts,
        )

    @property
    def min_distance(self) -> float:
        """Shortest distance that is labelled, in sums of covalent radii."""
        engines = getattr(self.static_maker, "min_distance_fraction", None)
        return max(accepted_distance(self.min_distance_fraction), engines or 0.0)

    def _batches(self, indices: Sequence[int]) -> list[list[int]]:
        """Part frames into those of each job."""
        size = self.batch_size
        return [
            list(indices[start : start + size])
            for start in range(0, len(indices), size)
        ]

    def _label_jobs(
        self, frames: Dataset, batches: Sequence[list[int]]
    ) -> tuple[list[Job | Flow], list[dict[str, Any]]]:
        """Make the jobs that label, and references to what they give."""
        maker: Any = self.static_maker
        if hasattr(maker, "fail_softly"):
            maker = replace(maker, fail_softly=True)
        if hasattr(maker, "min_distance_fraction"):  # else it refuses what is sent
            maker = replace(maker, min_distance_fraction=self.min_distance)
        jobs: list[Job | Flow] = []
        for indices in batches:
            if self.batch_size == 1:
                jobs.append(_frame_job(maker, frames[indices[0]]))
            else:
                artifact = frames[np.array(indices)].to_artifact("frames.h5")
                jobs.append(label_frames(maker, artifact, self.parallel))
                jobs[-1].name = maker.name
            jobs[-1].update_metadata({"frames": frame_records(frames, indices)})
        if jobs:
            self._check_document(jobs[0])
        return jobs, [
            self._output(frames, indices, job.uuid, Pointer.to(job.output))
            for indices, job in zip(batches, jobs, strict=True)
        ]

    def _check_document(self, job: Job | Flow) -> None:
        """Refuse documents in which nobody knows what the stress means."""
        schema = getattr(job, "output_schema", None)
        if self.batch_size > 1 or schema is None:
            return
        kind = output_class(schema)
        if kind is None:
            raise UnknownStressError(
                f"the {schema.__name__} of {type(self.static_maker).__name__} has no "
                "field `output` with energy, forces and stress: wrap the Maker in one "
                "whose document has it"
            )
        stress_convention(kind, self.stress_convention)

    def _label_lost(
        self, frames: Dataset, outputs: Sequence[dict[str, Any]]
    ) -> tuple[list[Job | Flow], list[dict[str, Any]]]:
        """Make new jobs for the frames of lost ones; refer to the others as before."""
        lost = [output["frames"] for output in outputs if was_lost(output)]
        jobs, found = self._label_jobs(frames, lost)
        kept = [
            self._output(frames, output["frames"], output["job"], output["source"])
            for output in outputs
            if not was_lost(output)
        ]
        return jobs, [*kept, *found]

    def _output(
        self, frames: Dataset, indices: list[int], job: str, source: Pointer
    ) -> dict[str, Any]:
        """Refer to what the collector reads of one job's document."""
        document = source.reference
        output: dict[str, Any] = {"frames": indices, "job": job, "source": source}
        if self.batch_size > 1:
            fields = ("dataset", "runs", "versions", "failure")
            return output | {name: getattr(document, name) for name in fields}
        output |= {"output": document.output, "folder": document.dir_name}
        if _is_foreign(self.static_maker):
            _, order = _sent(frames[indices[0]])
            output |= {"order": order} if order else {}
        if hasattr(self.static_maker, "fail_softly"):
            names = ("state", "errors", "corrections", "seconds", "versions", "failure")
            output |= {name: getattr(document, name) for name in names}
        return output

    def _problem(self, atoms: Atoms) -> GeometryProblem | None:
        """Say why a frame must not be sent, or None."""
        maker = self.static_maker
        unread = state_problem(atoms, maker) if _is_foreign(maker) else None
        return unread or geometry_problem(
            atoms,
            min_distance_fraction=self.min_distance,
            volume_per_atom=self.volume_per_atom,
            vacuum=self.vacuum,
        )

    def _split(self, frames: Dataset, existing: Dataset, seed: int) -> Dataset:
        """Assign the frames to sets."""
        return assign_shard_splits(
            frames,
            existing,
            fractions=self.split_fractions,
            group_by=self.split_by,
            seed=derive_seed(seed, "splits"),
        )


@stage_job(BatchDoc)
@recorded(BatchDoc)
def label_frames(
    static_maker: LabelsInFolder, frames: Artifact, parallel: int
) -> BatchDoc:
    """Label the frames of one batch in the job's folder."""
    return label_batch(
        static_maker, Dataset.load(frames), Path.cwd(), parallel=parallel
    )


def _frame_job(maker: Any, atoms: Atoms) -> Job | Flow:
    """Make the job that labels one frame."""
    return maker.make(_sent(atoms)[0] if _is_foreign(maker) else to_structure(atoms))


def _is_foreign(maker: Any) -> bool:
    """Whether a Maker is another package's."""
    return not isinstance(maker, LabelsInFolder)


def _sent(atoms: Atoms) -> tuple[Structure, list[int] | None]:
    """
    Return what other packages' Makers get of a frame, and the order of its atoms.

    They know two kinds of frames, periodic ones and molecules without a cell: they get
    isolated atoms and clusters as periodic boxes, as VASP needs them. No order: the
    frame's own.
    """
    structure = to_structure(atoms, periodic=True)
    order = usual_order(structure)
    if order == sorted(order):
        return structure, None
    return in_order(structure, order), order


def _output_of_part(collector: Job) -> dict[str, Any]:
    """Refer to what is read of a part's document."""
    document = collector.output
    fields = {name: getattr(document, name) for name in LabelPartDoc.model_fields}
    return {"job": collector.uuid, **fields}
