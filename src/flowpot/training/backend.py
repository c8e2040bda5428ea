"""What flowpot asks of a package that trains potentials."""

import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from jobflow import OutputReference

from flowpot.dataset import Artifact
from flowpot.settings import given_path
from flowpot.training.program import Program
from flowpot.training.sets import TrainingSets
from flowpot.validation import device, instance, mapping


class TrainingError(RuntimeError):
    """A training program failed."""


class KilledError(TrainingError):
    """A training program was killed: it can continue from its checkpoint."""


class DivergedError(TrainingError):
    """A training diverged: another seed and a smaller learning rate may help."""


class OutOfTimeError(RuntimeError):
    """The walltime of a job was up before its trainings: another continues them."""


@dataclass(frozen=True)
class Run:
    """
    One run of a training program.

    Parameters
    ----------
    folder
        Folder of this run alone.
    seed
        Seed of the initial weights and of the order of the frames.
    learning_rate_scale
        Factor on the learning rate: below 1 after a run that diverged.
    start
        Model or checkpoint to start from; None: fresh weights, or those of the
        foundation model.
    resume
        Whether to continue from the checkpoint that an interrupted run left in the
        folder.
    """

    folder: Path
    seed: int
    learning_rate_scale: float = 1.0
    start: Artifact | None = None
    resume: bool = False


@dataclass(frozen=True)
class Trained:
    """
    The files that a training program left.

    Parameters
    ----------
    model
        The model file.
    checkpoint
        File that a training can be continued from.
    loss_curve
        Columns ``epoch``, ``train`` and ``val``.
    hyperparameters
        All options that the program was given.
    """

    model: Path
    checkpoint: Path | None
    loss_curve: dict[str, list[float]]
    hyperparameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class Training(ABC):
    """
    How one package trains a potential: its options, input and output.

    Parameters
    ----------
    hyperparameters
        The package's own options; they replace the defaults.
    foundation_model
        Model to fine-tune: a file, an Artifact, or a name that the package knows.
        None: train from scratch.
    fine_tuning
        How to fine-tune: see the subclass.
    device
        See `flowpot.potentials.load_potential`.
    """

    hyperparameters: dict[str, Any] = field(default_factory=dict)
    foundation_model: str | Path | Artifact | None = None
    fine_tuning: str = ""
    device: str = "auto"

    backend: ClassVar[str]
    """Name of the potentials that it trains: see `Potential.backend`."""
    packages: ClassVar[tuple[str, ...]]
    """Distributions whose versions a document records."""
    starts_from: ClassVar[str] = "model"
    """Field of a PotentialDoc that a training starts from: model or checkpoint."""
    reference_options: ClassVar[str] = "{}"
    """Hyperparameters that stand for isolated atoms, as an example in messages."""
    checkpoint_files: ClassVar[str]
    """Glob pattern of the checkpoints in a run's folder."""

    @property
    def foundation_file(self) -> Path | None:
        """File of the foundation model; None: there is none here, under this name."""
        if not isinstance(self.foundation_model, str | Path):
            return None
        path = given_path(self.foundation_model)
        return path.resolve() if path.is_file() else None

    def check_fields(self) -> None:
        """
        Refuse options that are wrong whether or not the package is installed.

        Raises
        ------
        ValueError
            Naming the option.
        """
        mapping(hyperparameters=self.hyperparameters)
        device(device=self.device)
        instance(
            (str, Path, Artifact, OutputReference),
            foundation_model=self.foundation_model,
        )

    def check_options(self) -> None:
        """
        Refuse options that the package does not have.

        A campaign does so before any job. Where the package is not installed, what
        only it can tell is left to `check`.

        Raises
        ------
        ValueError
            Naming the option.
        """
        self.check_fields()

    @property
    def takes_isolated_atoms(self) -> bool:
        """Whether every element needs a labelled isolated atom, by these options."""
        return False

    def check_species(self, species: Sequence[int]) -> None:
        """
        Refuse elements that no training with these options can begin with.

        A campaign does so before any job, with what is known by then: what is not at
        hand, such as a model that the package downloads, passes.

        Parameters
        ----------
        species
            Atomic numbers in the frames.

        Raises
        ------
        ValueError
            Naming the option, the elements and the remedy.
        """
        del species

    def check_start(self) -> None:
        """
        Refuse to start from the weights of other models, where that cannot be.

        Raises
        ------
        ValueError
            Saying why, and what can.
        """
        self.check_options()

    @abstractmethod
    def check(self) -> None:
        """
        Check that this machine can train with these options.

        The job does so before it trains; call it earlier where costly work, such as
        labelling, precedes the training.

        Raises
        ------
        ValueError
            For options or a device that cannot be.
        FileNotFoundError
            If the program is not installed.
        """

    @abstractmethod
    def prepare(self, sets: TrainingSets, run: Run) -> Program:
        """Write the input of a run into its folder, and return the program to run."""

    @abstractmethod
    def read(self, run: Run) -> Trained:
        """
        Find the files that a run left in its folder.

        Raises
        ------
        TrainingError
            If there is no model.
        """

    def checkpoints(self, run: Run) -> list[Path]:
        """List the checkpoints of a run, oldest first; remove incomplete ones."""
        complete = []
        for path in run.folder.glob(self.checkpoint_files):
            if zipfile.is_zipfile(path):  # torch.save writes one
                complete.append(path)
            else:
                path.unlink()
        return sorted(complete, key=lambda path: path.stat().st_mtime)

    def epoch(self, run: Run) -> int:
        """Return the epoch of a run's last checkpoint; -1 where there is none."""
        numbers = [re.findall(r"\d+", path.stem) for path in self.checkpoints(run)]
        return max((int(found[-1]) for found in numbers if found), default=-1)
