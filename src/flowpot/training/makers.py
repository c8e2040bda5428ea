"""Makers that turn a dataset into potentials."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any, Self

from jobflow import CURRENT_JOB, Flow, Job, Maker, OutputReference, Response

from flowpot.dataset import Artifact, Dataset
from flowpot.failures import recorded
from flowpot.jobs import Pointer, Spare, deciding_job, stage_job
from flowpot.randomness import derive_seed
from flowpot.training.backend import OutOfTimeError, Training, TrainingError
from flowpot.training.cache import TrainingCache
from flowpot.training.committee import committee_document
from flowpot.training.document import CommitteeDoc, MembersDoc, PotentialDoc
from flowpot.training.mace import MACETraining
from flowpot.training.mace_options import small_hyperparameters
from flowpot.training.members import Place, train_members
from flowpot.training.metatrain import MetatrainTraining
from flowpot.training.sets import TrainingSets
from flowpot.training.warm_start import predecessor, start_of


@dataclass
class TrainingMaker(Maker, ABC):
    """
    Turn a dataset into a potential: one job.

    Parameters
    ----------
    name
        Name of the jobs.
    hyperparameters
        Options of the training package, by its own names. They replace flowpot's
        defaults one by one; an unknown one is an error before training.
    foundation_model
        Model to fine-tune: a file that the worker can read, an Artifact, or a name
        that the package knows. None: train from scratch.
    fine_tuning
        How to fine-tune: see the subclass.
    warm_start
        Whether to start from the weights of `previous` instead of fresh ones.
    device
        ``auto``, ``cpu``, ``cuda``...: see `flowpot.potentials.load_potential`.
    cache
        Folder, seen by all workers that may run the job, where trainings are kept
        until they have ended: a job that runs in the place of one that was killed
        goes on with them. None: nowhere.
    walltime
        Seconds after which trainings are stopped, to go on from their checkpoints in a
        job that takes this one's place; needs `cache`. None: no limit.
    bagging
        Whether the training set is drawn from itself, with replacement, by the seed.
    raise_on_failure
        Whether a failed training fails its job. A committee's do not: the failure is
        in the document, and the campaign goes on with the other members.
    """

    name: str = "train"
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    foundation_model: str | Artifact | None = None
    fine_tuning: str = ""
    warm_start: bool = False
    device: str = "auto"
    cache: str | None = None
    walltime: float | None = None
    bagging: bool = False
    raise_on_failure: bool = True

    @abstractmethod
    def training(self) -> Training:
        """Say which package trains, and how."""

    def check(self) -> None:
        """
        Refuse options that the package does not have.

        The job does so before it trains; call it earlier where costly work, such as
        labelling, precedes the training.
        """
        self.training().check()

    @stage_job(PotentialDoc)
    def make(
        self, dataset: Any, previous: Any = None, seed: int = 0, rank: int = 0
    ) -> PotentialDoc | Response:
        """
        Train one potential.

        Parameters
        ----------
        dataset
            Whatever `Dataset.load` takes; its info column ``split`` gives the sets.
        previous
            The PotentialDoc or the CommitteeDoc of the last iteration; read where
            `warm_start` is set.
        seed
            Seed of the initial weights and of the order of the frames.
        rank
            Of the member of a CommitteeDoc whose weights to start from; fresh ones
            where the committee has lost it.
        """
        try:
            return self._train(dataset, previous, [seed], [rank])[0]
        except OutOfTimeError as error:
            backend = self.training().backend
            pending = PotentialDoc(backend=backend, seed=seed, failure=str(error))
            inputs = self._kept(dataset, previous, [rank])
            return _again(self.make(*inputs, seed, rank), pending)

    @stage_job(MembersDoc)
    def make_members(
        self, dataset: Any, previous: Any, seeds: Sequence[int], ranks: Sequence[int]
    ) -> MembersDoc | Response:
        """
        Train several potentials side by side in one job, one process each.

        Parameters
        ----------
        dataset, previous
            As in `make`.
        seeds, ranks
            As in `make`, one each per potential.
        """
        try:
            members = self._train(dataset, previous, seeds, ranks)
        except OutOfTimeError:
            inputs = self._kept(dataset, previous, ranks)
            again = self.make_members(*inputs, seeds, ranks)
            return _again(again, MembersDoc(members=[]))
        return MembersDoc(
            members=members, seconds=sum(each.seconds for each in members)
        )

    def _train(
        self, dataset: Any, previous: Any, seeds: Sequence[int], ranks: Sequence[int]
    ) -> list[PotentialDoc]:
        found = train_members(
            self.training(),
            TrainingSets.load(dataset),
            seeds,
            self._starts(previous, ranks),
            Place(Path.cwd(), self.cache, self.walltime),
            bagging=self.bagging,
        )
        failed = next((each.failure for each in found if each.failure), None)
        if failed and self.raise_on_failure:
            raise TrainingError(failed)
        return found

    def _starts(self, previous: Any, ranks: Sequence[int]) -> list[Artifact | None]:
        """Give what each potential starts from; None: fresh weights."""
        if not self.warm_start:
            return [None] * len(ranks)
        training = self.training()
        return [start_of(predecessor(previous, rank), training) for rank in ranks]

    def _kept(
        self, dataset: Any, previous: Any, ranks: Sequence[int]
    ) -> tuple[Artifact, dict[str, Any]]:
        """Keep a job's inputs where the job that goes on finds them."""
        training = self.training()
        with TrainingCache(self.cache or "") as cache:
            frames = cache.keep("dataset.h5", Dataset.load(dataset).to_bytes())
            members: list[dict[str, Any]] = []
            for start in self._starts(previous, ranks):
                kept = start and cache.keep(start.name, start.read_bytes())
                found = {"backend": training.backend, training.starts_from: kept}
                members.append(found)
        return frames, {"members": members, "ranks": list(ranks)}

    def _options(self) -> dict[str, Any]:
        """Give the fields that a Training has too."""
        names = ("hyperparameters", "foundation_model", "fine_tuning", "device")
        return {name: getattr(self, name) for name in names}


@dataclass
class MACETrainingMaker(TrainingMaker):
    """
    Train a MACE potential with ``mace_run_train``.

    Parameters
    ----------
    hyperparameters
        ``mace_run_train``'s options; the rest is
        `flowpot.training.mace_options.default_hyperparameters`.
    fine_tuning
        ``naive`` or ``replay``: see `flowpot.training.mace.MACETraining`.
    preprocess, launcher
        HDF5 for large data, and several GPUs: see there too.

    Examples
    --------
    >>> maker = MACETrainingMaker(hyperparameters={"r_max": 5.0})
    >>> maker.make("labelled.xyz", seed=1).name
    'mace train'
    """

    name: str = "mace train"
    fine_tuning: str = "naive"
    preprocess: bool | None = None
    launcher: str = ""

    @classmethod
    def small(cls, **hyperparameters: Any) -> Self:
        """
        Train a small model, in seconds to minutes on a laptop.

        Parameters
        ----------
        **hyperparameters
            They replace those of `flowpot.training.mace_options.small_hyperparameters`.
        """
        return cls(hyperparameters={**small_hyperparameters(), **hyperparameters})

    def training(self) -> MACETraining:
        """Give MACE with this Maker's options."""
        return MACETraining(
            **self._options(), preprocess=self.preprocess, launcher=self.launcher
        )


@dataclass
class MetatrainTrainingMaker(TrainingMaker):
    """
    Train any architecture of metatrain with ``mtt train``.

    Parameters
    ----------
    architecture
        ``pet``, ``soap_bpnn``, or another that is installed.
    hyperparameters
        ``model`` and ``training``, with the architecture's own keys.
    fine_tuning
        ``full``, ``heads`` or ``lora``: see
        `flowpot.training.metatrain.MetatrainTraining`.

    Examples
    --------
    >>> maker = MetatrainTrainingMaker(hyperparameters={"training": {"num_epochs": 9}})
    >>> maker.make("labelled.xyz").name
    'metatrain train'
    """

    name: str = "metatrain train"
    fine_tuning: str = "full"
    architecture: str = "pet"

    def training(self) -> MetatrainTraining:
        """Give metatrain with this Maker's options."""
        return MetatrainTraining(**self._options(), architecture=self.architecture)


@dataclass
class CommitteeTrainingMaker(Maker):
    """
    Train a committee: members that differ by their seeds.

    Parameters
    ----------
    name
        Name of the flow.
    trainer
        Trains the members; of several the members take turns, which makes a mixed
        committee.
    size
        How many members.
    min_size
        How few will do where trainings fail.
    members_per_job
        How many a job trains side by side, sharing its cores. Small models use no
        more than one core: a machine that runs one job at a time trains as many as
        it has cores. Several trainers: 1.
    bagging
        Whether each member is trained on a bootstrap sample of the training set: the
        members then differ by more than their weights. Validation and test sets and
        isolated atoms are the same for all.

    Examples
    --------
    >>> maker = CommitteeTrainingMaker(trainer=MACETrainingMaker.small(), size=3)
    >>> [job.name for job in maker.make("frames.xyz")]
    ['mace train', 'mace train', 'mace train', 'collect committee']
    """

    name: str = "train committee"
    trainer: TrainingMaker | list[TrainingMaker] = field(
        default_factory=MACETrainingMaker
    )
    size: int = 4
    min_size: int = 2
    members_per_job: int = 1
    bagging: bool = False

    def make(self, dataset: Any, previous: Any = None, seed: int = 0) -> Flow:
        """
        Train a committee; the flow's output is a CommitteeDoc.

        Parameters
        ----------
        dataset
            As in `TrainingMaker.make`.
        previous
            The CommitteeDoc of the last iteration, or a reference to it: each member
            goes on from its own predecessor, where the trainer has `warm_start`.
        seed
            The members' seeds are derived from it.
        """
        trainers = self.trainer if isinstance(self.trainer, list) else [self.trainer]
        self._check(trainers)
        seeds = [derive_seed(seed, "member", i) for i in range(self.size)]
        jobs, members = [], []
        for first in range(0, self.size, self.members_per_job):
            trainer = trainers[first % len(trainers)]
            trainer = replace(
                trainer, raise_on_failure=False, bagging=self.bagging or trainer.bagging
            )
            ranks = list(range(first, min(first + self.members_per_job, self.size)))
            old = _predecessors(previous, ranks) if trainer.warm_start else None
            if self.members_per_job == 1:
                job = trainer.make(dataset, old, seeds[first], first)
                members.append(job.output)
            else:
                chosen = [seeds[i] for i in ranks]
                job = trainer.make_members(dataset, old, chosen, ranks)
                members += [job.output.members[i] for i in range(len(ranks))]
            jobs.append(job)
        collect = collect_committee(
            members, [Pointer.to(each) for each in members], dataset, self.min_size
        )
        Spare.give(jobs, collect)
        return Flow([*jobs, collect], output=collect.output, name=self.name)

    def _check(self, trainers: Sequence[TrainingMaker]) -> None:
        if self.size < self.min_size or self.min_size < 1:
            raise ValueError(
                f"size is {self.size} and min_size {self.min_size}: give at least 1 "
                "member, and a min_size that is no larger than size"
            )
        if self.members_per_job < 1 or (self.members_per_job > 1 and len(trainers) > 1):
            raise ValueError(
                f"members_per_job is {self.members_per_job} with {len(trainers)} "
                "trainers: give at least 1, and exactly 1 with several trainers"
            )


@deciding_job
@recorded(CommitteeDoc)
def _collect_committee(
    members: Sequence[PotentialDoc | None],
    addresses: Sequence[Pointer],
    dataset: Any,
    min_size: int,
    spare: Spare | None = None,
) -> dict[str, Any] | Response:
    """
    Judge a committee's mean, and list its members.

    The output holds references to the members' documents, so that their models are
    not stored twice. Trainings that ended without an answer are sent once more, if
    they had what to train on.
    """
    lost = [i for i, member in enumerate(members) if member is None]
    shards = dataset if isinstance(dataset, list) else [dataset]
    if lost and spare is not None and all(shard is not None for shard in shards):
        per_job = ceil(len(members) / len(spare.jobs))
        return spare.send(sorted({i // per_job for i in lost}), CommitteeDoc)
    found, kept = committee_document(members, dataset, min_size)
    references = [addresses[i].reference for i in kept]
    return {**found, "members": references, "ranks": kept}


def collect_committee(*args: Any) -> Job:
    """Give the job "collect committee"."""
    job = _collect_committee(*args)
    job.name = "collect committee"
    return job


def _predecessors(previous: Any, ranks: Sequence[int]) -> Any:
    """Give the part of a committee that members need; a reference is small."""
    if previous is None or isinstance(previous, OutputReference):
        return previous
    members = [predecessor(previous, rank) for rank in ranks]
    return {"members": members, "ranks": list(ranks)}


def _again(job: Job, pending: PotentialDoc | MembersDoc) -> Response:
    """Let a job take the place of the running one, which leaves a document for now."""
    job.name = CURRENT_JOB.job.name
    return Response(output=pending, replace=job)
