"""What flowpot asks of a package that trains potentials."""

import re
import zipfile
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from jobflow import OutputReference

from flowpot.dataset import Artifact
from flowpot.training.program import Program
from flowpot.training.sets import TrainingSets
from flowpot.validation import device, instance, mapping


class TrainingError(RuntimeError):
    """A training program failed, for a reason of its own or of the machine."""


class KilledError(TrainingError):
    """A training program was killed: it can go on from its checkpoint."""


class DivergedError(TrainingError):
    """A training diverged: another seed and a smaller learning rate may help."""


class OutOfTimeError(RuntimeError):
    """The time of a job was up before its trainings were: they go on in another."""


@dataclass(frozen=True)
class Run:
    """
    One run of a training program.

    Parameters
    ----------
    folder
        A folder of its own.
    seed
        Seed of the initial weights and of the order of the frames.
    learning_rate_scale
        Factor on the learning rate: below 1 after a run that diverged.
    start
        Model or checkpoint to start from; None: fresh ones, or the foundation model's.
    resume
        Whether to go on from the checkpoint that a run that was ended left in the
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
        What a training can be continued from.
    loss_curve
        Columns ``epoch``, ``train`` and ``val``.
    hyperparameters
        All that the program was told.
    """

    model: Path
    checkpoint: Path | None
    loss_curve: dict[str, list[float]]
    hyperparameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class Training(ABC):
    """
    How one package trains a potential.

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
    foundation_model: str | Artifact | None = None
    fine_tuning: str = ""
    device: str = "auto"

    backend: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    starts_from: ClassVar[str] = "model"
    """What of a PotentialDoc another training starts from: model or checkpoint."""
    checkpoint_files: ClassVar[str]
    """Where in a run's folder its program leaves checkpoints: a glob pattern."""

    def check_fields(self) -> None:
        """Refuse what can be told without the package, when the Maker is made."""
        mapping(hyperparameters=self.hyperparameters)
        device(device=self.device)
        instance(
            (str, Path, Artifact, OutputReference),
            foundation_model=self.foundation_model,
        )

    def check_options(self) -> None:
        """Refuse options that the package, where it is installed, does not have."""
        self.check_fields()

    @abstractmethod
    def check(self) -> None:
        """Check options and machine, before anything starts."""

    @abstractmethod
    def prepare(self, sets: TrainingSets, run: Run) -> Program:
        """Write the input of a run into its folder."""

    @abstractmethod
    def read(self, run: Run) -> Trained:
        """
        Find what a run left in its folder.

        Raises
        ------
        TrainingError
            Where there is no model.
        """

    def checkpoints(self, run: Run) -> list[Path]:
        """Find the checkpoints of a run, by age; remove what was cut off in writing."""
        found = []
        for path in run.folder.glob(self.checkpoint_files):
            if zipfile.is_zipfile(path):  # torch.save writes one
                found.append(path)
            else:
                path.unlink()
        return sorted(found, key=lambda path: path.stat().st_mtime)

    def epoch(self, run: Run) -> int:
        """Return the epoch that a run's checkpoints have come to; -1: there is none."""
        numbers = [re.findall(r"\d+", path.stem) for path in self.checkpoints(run)]
        return max((int(each[-1]) for each in numbers if each), default=-1)
