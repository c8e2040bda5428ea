"""The labelling stage as a Maker."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms
from jobflow import Flow, Maker, Response

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.geometry.closeness import accepted_distance, check_distance
from flowpot.dataset.io.static_documents import checked_convention
from flowpot.dataset.portable import portable
from flowpot.dataset.splits import checked_fractions
from flowpot.documents import recorded
from flowpot.jobs import (
    JobName,
    continue_with,
    deciding_job,
    fan_out_job,
    try_again,
)
from flowpot.labelling.batches import check_batches
from flowpot.labelling.collection import (
    assign_shard_splits,
    check_success,
    labelled_shard,
    was_lost,
)
from flowpot.labelling.document import LabelFailure, LabellingDoc, LabelPartDoc
from flowpot.labelling.espresso.makers import EspressoStaticMaker
from flowpot.labelling.frames import GeometryProblem, geometry_problem, state_problem
from flowpot.labelling.label_jobs import LabelJobs, label_frames
from flowpot.labelling.noise import label_again, lost_again, measured_noise
from flowpot.labelling.parts import (
    gather,
    part_document,
    parts_of,
    parts_of_parts,
    stage_document,
)
from flowpot.labelling.planning import plan_labels
from flowpot.labelling.static_makers import (
    check_refinable,
    is_foreign,
    min_distance_of,
)
from flowpot.randomness import derive_seed
from flowpot.validation import (
    at_least,
    boolean,
    fraction,
    instance,
    interval,
    keep_tuples,
    numbers,
    positive,
    text,
    whole,
)
from flowpot.validation import seed as check_seed

__all__ = ["LabellingMaker", "label_frames"]  # stored jobs look for both here


@dataclass
class LabellingMaker(Maker):
    """
    Label the frames of a dataset and return one labelled shard.

    Parameters
    ----------
    name
        Name of the stage.
    static_maker
        Labels one frame: any Maker that honours atomate2's static contract.
    batch_size
        Frames per `qe static` job. More than one needs a Maker that labels in a given
        folder, as EspressoStaticMaker does, or whose ``make`` is a single job, as those
        of atomate2's force fields: these load their model once a batch.
    parallel
        Frames of a batch that are labelled at a time. On a laptop two serial pw.x are
        faster than one on two MPI processes.
    min_success_fraction
        Share of the frames sent to the engine that must have a label; below it the
        stage fails with the most frequent reason.
    max_force
        Labels with a larger force on an atom (eV/A) are kept out of the shard and
        reported. None: no limit.
    max_labels
        Largest number of frames to send to the engine. None: no limit.
    min_distance_fraction
        Frames with atoms closer than this fraction of the sum of their covalent radii
        are not sent, and are recorded as failures. None is the limit common to all
        stages, 0.5. A stricter limit of the static Maker takes precedence.
    volume_per_atom
        Smallest and largest volume per atom (A^3) of the fully periodic frames that are
        sent. None: any.
    vacuum
        Smallest and largest empty space (A) along the axes that are not periodic, of
        the frames that are sent. None: any.
    split_fractions
        Shares of the frames in the train, validation and test sets.
    split_by
        Metadata column, for example ``"parent"``: frames with equal values share a
        set.
    stress_convention
        What the stress of the static documents means, where their class does not say
        it: ``"vasp"`` (kbar, positive under compression), ``"aims"`` (kbar, positive
        under tension) or ``"ase"`` (eV/A^3, positive under tension). None: by their
        class, and documents of unknown classes are refused.
    noise_frames
        Number of frames that are also labelled by the refined static Maker, beside
        `max_labels`, to measure the noise of the labels; two tell enough. They are
        drawn at random, isolated atoms left out, in a campaign's first labelling stage.
        Needs a Maker that is :class:`~flowpot.labelling.static_makers.Refinable`.
    relabel
        Whether labels that the frames have are dropped, and all frames labelled.

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
    noise_frames: int = 0
    relabel: bool = False

    def __post_init__(self) -> None:
        """Refuse values of fields that cannot be meant, before any job runs."""
        if self.stress_convention is not None:
            checked_convention(self.stress_convention)
        text(name=self.name, split_by=self.split_by)
        boolean(relabel=self.relabel)
        instance(Maker, static_maker=self.static_maker)
        if isinstance(self.static_maker, LabellingMaker):
            raise ValueError(  # noqa: TRY004 - one error for all wrong values
                "static_maker is a LabellingMaker: give the Maker of one single point"
            )
        check_distance(min_distance_fraction=self.min_distance_fraction)
        whole(1, batch_size=self.batch_size, parallel=self.parallel)
        whole(0, max_labels=self.max_labels, noise_frames=self.noise_frames)
        fraction(min_success_fraction=self.min_success_fraction)
        positive(max_force=self.max_force)
        interval(volume_per_atom=self.volume_per_atom, vacuum=self.vacuum)
        lowest = {"volume_per_atom": self.volume_per_atom, "vacuum": self.vacuum}
        at_least(0, **{name: each[0] for name, each in lowest.items() if each})
        numbers(0, split_fractions=self.split_fractions)
        checked_fractions(self.split_fractions)
        check_batches(self.static_maker, self.batch_size, self.parallel)
        check_refinable(self.static_maker, self.noise_frames)
        keep_tuples(self, "volume_per_atom", "vacuum", "split_fractions")

    def make(
        self, dataset: Any, existing: Sequence[Any] | None = None, seed: int = 0
    ) -> Flow:
        """
        Make the flow that labels a dataset.

        Parameters
        ----------
        dataset
            Frames, or a reference to a stage's document or dataset: whatever
            ``Dataset.load`` takes. Frames that have labels keep them.
        existing
            Labelled shards of earlier iterations, or references to them. Their frames
            are not labelled again, and new frames join the sets of their relatives.
        seed
            Seed of the random assignment to sets, and of the random choice of frames
            where there are more than `max_labels`.

        Returns
        -------
        Flow
            Its output is a :class:`LabellingDoc`.
        """
        check_seed(seed=seed)
        plan = self.plan(portable(dataset, "dataset.h5"), list(existing or []), seed)
        plan.name = JobName.PLAN_LABELS.value
        return Flow([plan], output=plan.output, name=self.name)

    @fan_out_job
    @recorded(LabellingDoc)
    def plan(self, dataset: Any, existing: list[Any], seed: int) -> Response:
        """Replace this job by the label jobs and the jobs that collect their labels."""
        known, frames = Dataset.load(existing), Dataset.load(dataset)
        plan = plan_labels(
            frames.without_labels() if self.relabel else frames,
            known,
            self.problem_of,
            max_labels=self.max_labels,
            seed=seed,
        )
        self._split(plan.frames, known, seed)  # fails, if it does, before DFT is spent
        jobs, outputs = self.label_jobs.make(plan.frames, plan.to_label.tolist())
        parts = parts_of(plan, outputs)
        n_again = 0 if existing else self.noise_frames or 0
        more, refined = label_again(self.label_jobs, plan, n_again, seed)
        jobs += more
        while len(parts) > 1:  # no job refers to the labels of all parts
            collectors = [self.collect_part(**part) for part in parts]
            for collector in collectors:
                collector.name = JobName.COLLECT_LABELS_PART.value
            jobs += collectors
            parts = parts_of_parts(collectors)
        collect = self.collect(
            **parts[0],
            existing=existing,
            counts={
                "n_duplicates": plan.n_duplicates,
                "n_postponed": plan.n_postponed,
            },
            seed=seed,
            **refined,
        )
        collect.name = JobName.COLLECT_LABELS.value
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
        """Join the labels of a part, or of several parts: see `collect`."""
        if frames is not None and try_lost and any(map(was_lost, outputs)):
            jobs, outputs = self.label_jobs.make_lost(Dataset.load(frames), outputs)
            again = self.collect_part(frames, outputs, failures, try_lost=False)
            again.name = JobName.COLLECT_LABELS_PART.value
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
        refined: dict[str, Any] | None = None,
    ) -> LabellingDoc | Response:
        """
        Join the labels into one shard.

        Parameters
        ----------
        frames
            Frames of the label jobs; None where `outputs` are those of parts.
        outputs
            Documents of the label jobs (see
            :func:`flowpot.labelling.collection.collect_outputs`), or of parts. What a
            failed job could not give is None.
        failures
            Frames that were not sent to the engine.
        existing
            Labelled shards of earlier iterations.
        counts
            Fields of the document that the plan has counted.
        seed
            Seed of the random assignment to sets.
        try_lost
            Whether to send the frames of lost jobs once more: those without any output.
            An engine that fails says so in its output.
        refined
            Frames that are labelled again, and the documents of their jobs: see
            :func:`flowpot.labelling.noise.label_again`. None: noise is not measured.

        Raises
        ------
        LabellingError
            If too few of the frames sent have a label.
        """
        if any(shard is None for shard in existing):
            raise ValueError("an earlier shard is missing: rerun the job that made it")
        if frames is not None and try_lost and any(map(was_lost, outputs)):
            jobs, outputs = self.label_jobs.make_lost(Dataset.load(frames), outputs)
            more, optional = lost_again(self.label_jobs, refined)
            optional["try_lost"] = False
            known = (frames, outputs, failures, existing, counts, seed)
            again = self.collect(*known, **optional)
            again.name = JobName.COLLECT_LABELS.value
            return try_again([*jobs, *more], again, LabellingDoc)
        everything, collected, refused = gather(frames, outputs, self.stress_convention)
        n_sent = len(collected.labels) + len(collected.failures)
        check_success(n_sent, collected.failures, self.min_success_fraction)
        shard = labelled_shard(everything, collected, self.max_force)
        shard = self._split(shard, Dataset.load(existing), seed)
        measured = measured_noise(refined, shard, self.stress_convention)
        not_sent = [*map(LabelFailure.model_validate, failures), *refused]
        return stage_document(shard, collected, not_sent, measured, counts)

    @property
    def min_distance(self) -> float:
        """Shortest distance of atoms that is labelled, in sums of covalent radii."""
        engine_limit = min_distance_of(self.static_maker) or 0.0
        return max(accepted_distance(self.min_distance_fraction), engine_limit)

    @property
    def label_jobs(self) -> LabelJobs:
        """What makes the label jobs of this stage."""
        return LabelJobs(
            self.static_maker,
            self.batch_size,
            self.parallel,
            self.min_distance,
            self.stress_convention,
        )

    def problem_of(self, atoms: Atoms) -> GeometryProblem | None:
        """Return why a frame must not be sent to the engine, None if it may be."""
        maker = self.static_maker
        unread = state_problem(atoms, maker) if is_foreign(maker) else None
        return unread or geometry_problem(
            atoms,
            min_distance_fraction=self.min_distance,
            volume_per_atom=self.volume_per_atom,
            vacuum=self.vacuum,
        )

    def _split(self, frames: Dataset, existing: Dataset, seed: int) -> Dataset:
        """Assign frames to the train, validation and test sets."""
        return assign_shard_splits(
            frames,
            existing,
            fractions=self.split_fractions,
            group_by=self.split_by,
            seed=derive_seed(seed, "splits"),
        )
