"""Makers that turn a dataset into potentials."""

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from jobflow import CURRENT_JOB, Job, Response

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.artifact import ArtifactError
from flowpot.documents import keep_traceback, reason_for
from flowpot.jobs import JobName, NamedMaker, name_as_made, stage_job
from flowpot.run_cache import RunCache
from flowpot.settings import fixed_path, get_settings
from flowpot.training.backend import OutOfTimeError, Training, TrainingError
from flowpot.training.document import (
    MembersDoc,
    PotentialDoc,
    predecessor,
    start_of,
)
from flowpot.training.mace import MACETraining
from flowpot.training.mace.options import (
    convertible_hyperparameters,
    fixed_files,
    small_hyperparameters,
)
from flowpot.training.members import Place, train_members
from flowpot.training.metatrain import MetatrainTraining
from flowpot.training.metatrain.architecture import WRAPPED
from flowpot.training.sets import TrainingSets
from flowpot.validation import boolean, path, positive, text


@dataclass
class TrainingMaker(Training, NamedMaker, ABC):
    """
    Turn a dataset into a potential: one job.

    Parameters
    ----------
    name
        Name of the job.
    hyperparameters
        Options of the training package, by its own names. They replace flowpot's
        defaults one by one; an unknown one is an error before training.
    foundation_model
        Model to fine-tune: a file that the worker can read, an Artifact, or a name
        that the package knows. None: train from scratch.
    fine_tuning
        How to fine-tune: see the subclass.
    device
        ``auto``, ``cpu``, ``cuda``...: see `flowpot.potentials.load_potential`.
    warm_start
        Whether to start from the weights of `previous` instead of fresh ones. Measured
        on silicon, small MACE trained for 32 epochs on 32 frames, then on 64
        (``tests/benchmarks/test_training.py``): for as many epochs warm members are
        the more accurate ones (forces on new frames: 0.43 eV/A against 0.56), and
        their spread ranks the errors as well (0.90 for both) and is nearer to them
        (0.72 of the error against 0.49). With a quarter of the epochs they are worse
        (1.31 eV/A; spread 0.23 of the error). Fresh weights do not depend on the frames
        that a campaign began with, and remain the default.
    cache
        Folder, seen by all workers that may run the job, where trainings are kept
        until they have ended: a job that replaces one that was killed continues them.
        None: ``FLOWPOT_TRAINING_CACHE``; without that, a killed job's trainings are
        lost.
    walltime
        Seconds after which trainings are stopped, to continue from their checkpoints
        in a job that replaces this one; needs `cache`. None: no limit.
    bagging
        Whether the training set is drawn from itself, with replacement, by the seed.
    raise_on_failure
        Whether a failed training fails its job. A committee's do not: the failure is
        in the document, and the campaign continues with the other members.
    """

    name: str = "train"
    warm_start: bool = False
    cache: str | None = None
    walltime: float | None = None
    bagging: bool = False
    raise_on_failure: bool = True

    def __post_init__(self) -> None:
        """Refuse wrong fields, and make paths absolute."""
        text(name=self.name)
        boolean(warm_start=self.warm_start, bagging=self.bagging)
        boolean(raise_on_failure=self.raise_on_failure)
        path(cache=self.cache)
        positive(walltime=self.walltime)
        self.check_fields()
        self.cache = fixed_path(self.cache)
        start = self.foundation_model
        # Any other text is the name of a model.
        if isinstance(start, Path) or (isinstance(start, str) and self.foundation_file):
            self.foundation_model = fixed_path(start)

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
            Rank of the member of a CommitteeDoc whose weights to start from; fresh
            weights where the committee lacks it.
        """
        try:
            return self._train(dataset, previous, [seed], [rank])[0]
        except OutOfTimeError as error:
            pending = PotentialDoc(backend=self.backend, seed=seed, failure=str(error))
            inputs = self._kept(dataset, previous, [rank])
            return _continued(self.make(*inputs, seed, rank), pending)

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
            job = self.make_members(*inputs, seeds, ranks)
            return _continued(job, MembersDoc(members=[]))
        return MembersDoc(
            members=members, seconds=sum(member.seconds for member in members)
        )

    def _train(
        self, dataset: Any, previous: Any, seeds: Sequence[int], ranks: Sequence[int]
    ) -> list[PotentialDoc]:
        """Train; a failure is raised, or in the documents, by `raise_on_failure`."""
        try:
            potentials = train_members(
                self,
                TrainingSets.load(dataset),
                seeds,
                self._starts(previous, ranks),
                Place(Path.cwd(), self._cache(), self.walltime),
                bagging=self.bagging,
            )
        except Exception as error:
            # A full disk, say, is no property of the potential: let the job fail.
            is_of_machine = isinstance(error, OutOfTimeError | OSError)
            is_of_machine = is_of_machine and not isinstance(error, ArtifactError)
            if self.raise_on_failure or is_of_machine:
                raise
            keep_traceback(error)
            why = reason_for(error)
            return [
                PotentialDoc(backend=self.backend, seed=seed, failure=why)
                for seed in seeds
            ]
        failures = [doc.failure for doc in potentials if doc.failure]
        if failures and self.raise_on_failure:
            raise TrainingError(failures[0])
        return potentials

    def _cache(self) -> str | Path | None:
        return self.cache or get_settings().TRAINING_CACHE

    def _starts(self, previous: Any, ranks: Sequence[int]) -> list[Artifact | None]:
        """Return the file that each potential starts from; None: fresh weights."""
        if not self.warm_start:
            return [None] * len(ranks)
        return [start_of(predecessor(previous, rank), self) for rank in ranks]

    def _kept(
        self, dataset: Any, previous: Any, ranks: Sequence[int]
    ) -> tuple[Artifact, dict[str, Any]]:
        """Put a job's inputs into the cache, for the job that continues."""
        with RunCache(self._cache() or "") as cache:
            frames = cache.keep("dataset.h5", Dataset.load(dataset).to_bytes())
            members: list[dict[str, Any]] = []
            for start in self._starts(previous, ranks):
                kept = start and cache.keep(start.name, start.read_bytes())
                members.append({"backend": self.backend, self.starts_from: kept})
        return frames, {"members": members, "ranks": list(ranks)}


def _continued(job: Job, pending: PotentialDoc | MembersDoc) -> Response:
    """Replace the running job by one that continues; its output is pending for now."""
    job.name = name_as_made(CURRENT_JOB.job)
    return Response(output=pending, replace=job)


@dataclass
class MACETrainingMaker(MACETraining, TrainingMaker):
    """
    Train a MACE potential with ``mace_run_train``.

    Parameters
    ----------
    hyperparameters
        ``mace_run_train``'s options; the rest is
        `flowpot.training.mace.options.default_hyperparameters`.
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

    name: str = JobName.MACE_TRAIN.value

    def __post_init__(self) -> None:
        super().__post_init__()
        self.hyperparameters = fixed_files(self.hyperparameters)

    @classmethod
    def small(cls, **hyperparameters: Any) -> Self:
        """
        Train a small model, in seconds to minutes on a laptop.

        Parameters
        ----------
        **hyperparameters
            They replace those of `flowpot.training.mace.options.small_hyperparameters`.
        """
        return cls(hyperparameters={**small_hyperparameters(), **hyperparameters})

    @classmethod
    def convertible(cls, **hyperparameters: Any) -> Self:
        """
        Train a model that every engine of `LammpsMDMaker` can evaluate.

        Parameters
        ----------
        **hyperparameters
            They replace those of
            `flowpot.training.mace.options.convertible_hyperparameters`.

        Examples
        --------
        >>> trainer = MACETrainingMaker.convertible(hidden_irreps="64x0e", r_max=5.0)
        >>> trainer.hyperparameters["max_ell"]
        3
        """
        return cls(hyperparameters={**convertible_hyperparameters(), **hyperparameters})


@dataclass
class MetatrainTrainingMaker(MetatrainTraining, TrainingMaker):
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

    name: str = JobName.METATRAIN_TRAIN.value

    def __post_init__(self) -> None:
        super().__post_init__()
        training = self.hyperparameters.get("training", {})
        if isinstance(wrapped := training.get(WRAPPED), str | Path):
            fixed = training | {WRAPPED: fixed_path(wrapped)}
            self.hyperparameters = self.hyperparameters | {"training": fixed}
