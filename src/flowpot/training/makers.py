"""Makers that turn a dataset into potentials."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from jobflow import CURRENT_JOB, Job, Maker, Response

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.artifact import ArtifactError
from flowpot.documents import keep_traceback, reason_for
from flowpot.jobs import stage_job
from flowpot.settings import fixed_path, get_settings
from flowpot.training.backend import OutOfTimeError, Training, TrainingError
from flowpot.training.cache import TrainingCache
from flowpot.training.document import MembersDoc, PotentialDoc
from flowpot.training.mace import MACETraining, fixed_files
from flowpot.training.mace_options import small_hyperparameters
from flowpot.training.members import Place, train_members
from flowpot.training.metatrain import MetatrainTraining
from flowpot.training.sets import TrainingSets
from flowpot.training.warm_start import predecessor, start_of
from flowpot.validation import boolean, path, positive, text


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
        Whether to start from the weights of `previous` instead of fresh ones. Measured
        on silicon, small MACE trained for 32 epochs on 32 frames, then on 64
        (``tests/benchmarks/test_training.py``): for as many epochs warm members are
        the more accurate ones (forces on new frames: 0.43 eV/A against 0.56), and
        their spread ranks the errors as well (0.90 for both) and is nearer to them
        (0.72 of the error against 0.49). With a quarter of the epochs they are worse
        (1.31 eV/A; spread 0.23 of the error). Fresh weights owe nothing to the frames
        that a campaign began with, and remain the default.
    device
        ``auto``, ``cpu``, ``cuda``...: see `flowpot.potentials.load_potential`.
    cache
        Folder, seen by all workers that may run the job, where trainings are kept
        until they have ended: a job that runs in the place of one that was killed
        goes on with them. None: ``FLOWPOT_TRAINING_CACHE``, or else nowhere.
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

    def __post_init__(self) -> None:
        """Refuse fields that cannot be meant; `check` asks the package, too."""
        text(name=self.name)
        boolean(warm_start=self.warm_start, bagging=self.bagging)
        boolean(raise_on_failure=self.raise_on_failure)
        path(cache=self.cache)
        positive(walltime=self.walltime)
        self.training().check_fields()
        self.cache = fixed_path(self.cache)
        start = self.foundation_model
        if isinstance(start, str) and Path(start).is_file():  # not a model's name
            self.foundation_model = fixed_path(start)

    @abstractmethod
    def training(self) -> Training:
        """Say which package trains, and how."""

    def check_options(self) -> None:
        """
        Refuse options that the package does not have.

        A campaign does so before any job. Where the package is not installed, what
        only it can tell is left to `check`.
        """
        self.training().check_options()

    def check(self) -> None:
        """
        Check that this machine can train with these options.

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
        try:
            found = train_members(
                self.training(),
                TrainingSets.load(dataset),
                seeds,
                self._starts(previous, ranks),
                Place(Path.cwd(), self._cache(), self.walltime),
                bagging=self.bagging,
            )
        except Exception as error:
            says_nothing = isinstance(error, OutOfTimeError | OSError)
            says_nothing = says_nothing and not isinstance(error, ArtifactError)
            if self.raise_on_failure or says_nothing:
                raise
            keep_traceback(error)
            backend, why = self.training().backend, reason_for(error)
            return [PotentialDoc(backend=backend, seed=s, failure=why) for s in seeds]
        failed = next((each.failure for each in found if each.failure), None)
        if failed and self.raise_on_failure:
            raise TrainingError(failed)
        return found

    def _cache(self) -> str | Path | None:
        return self.cache or get_settings().TRAINING_CACHE

    def _starts(self, previous: Any, ranks: Sequence[int]) -> list[Artifact | None]:
        """Return what each potential starts from; None: fresh weights."""
        if not self.warm_start:
            return [None] * len(ranks)
        training = self.training()
        return [start_of(predecessor(previous, rank), training) for rank in ranks]

    def _kept(
        self, dataset: Any, previous: Any, ranks: Sequence[int]
    ) -> tuple[Artifact, dict[str, Any]]:
        """Keep a job's inputs where the job that goes on finds them."""
        training = self.training()
        with TrainingCache(self._cache() or "") as cache:
            frames = cache.keep("dataset.h5", Dataset.load(dataset).to_bytes())
            members: list[dict[str, Any]] = []
            for start in self._starts(previous, ranks):
                kept = start and cache.keep(start.name, start.read_bytes())
                found = {"backend": training.backend, training.starts_from: kept}
                members.append(found)
        return frames, {"members": members, "ranks": list(ranks)}

    def _options(self) -> dict[str, Any]:
        """Return the fields that a Training has too."""
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
            They replace those of `flowpot.training.mace_options.small_hyperparameters`.
        """
        return cls(hyperparameters={**small_hyperparameters(), **hyperparameters})

    def training(self) -> MACETraining:
        """Return MACE with this Maker's options."""
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
        """Return metatrain with this Maker's options."""
        return MetatrainTraining(**self._options(), architecture=self.architecture)


def _again(job: Job, pending: PotentialDoc | MembersDoc) -> Response:
    """Let a job take the place of the running one, which leaves a document for now."""
    job.name = CURRENT_JOB.job.name
    return Response(output=pending, replace=job)
