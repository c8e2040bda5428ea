"""Training with MACE's own program, ``mace_run_train``."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import yaml

from flowpot.dataset import Artifact
from flowpot.potentials import load_potential
from flowpot.potentials.device import resolve_device
from flowpot.potentials.model_files import ModelError
from flowpot.settings import given_path
from flowpot.training.backend import Run, Trained, Training, TrainingError
from flowpot.training.mace.data import check_model, write_data
from flowpot.training.mace.energies import kept_energies, restore_energies
from flowpot.training.mace.files import (
    DATA_SETS,
    REPLAY_FILES,
    STATISTICS_FILE,
    preprocessed,
    preprocessing,
    read_loss_curve,
)
from flowpot.training.mace.options import (
    check_foundation,
    check_options,
    default_hyperparameters,
    files_here,
)
from flowpot.training.mace.start import (
    FROM_START,
    START_FILE,
    check_energies,
    check_started,
    options_of,
    parse_energies,
)
from flowpot.training.program import Program, find_program
from flowpot.training.sets import TrainingSets
from flowpot.validation import one_of

if TYPE_CHECKING:
    from flowpot.potentials.mace import MACEPotential

FINE_TUNING = ("naive", "replay")
_NAME = "mace"
_OPTIONS_FILE = "options.yaml"
_FRAMES_IN_MEMORY = 20_000
"""Above it frames are read from HDF5: in memory MACE keeps 100 kB for 32 atoms."""


@dataclass
class MACETraining(Training):
    """
    How ``mace_run_train`` trains a potential.

    MACE gets frames that are not fully periodic in periodic cells with vacuum (see
    `periodic_cell`), with the stress of those cells; frames without a periodic axis
    have no stress.

    Fine-tuning starts from the foundation's weights with the reference energies of the
    new data: the hyperparameter ``E0s``, or by default the isolated atoms in the
    dataset. ``estimated`` fits them to the foundation's predictions for the data,
    ``foundation`` keeps the foundation's own. A training that did not start from them
    is a failed one.

    Parameters
    ----------
    fine_tuning
        ``naive``: train the foundation model on the new data alone. ``replay``: train
        a second head on the new data, and the first one on data of the foundation
        (``pt_train_file`` among the hyperparameters), so that it forgets nothing.
    preprocess
        Whether MACE reads the frames from HDF5 when it needs them, instead of keeping
        them and their graphs in memory. None: for more than 20,000 frames.
    launcher
        Command that starts one process per GPU, such as ``torchrun --standalone
        --nproc_per_node=4`` or ``srun``; with the hyperparameters ``distributed`` and
        MACE's ``launcher`` (``torchrun``, ``slurm``, ``mpi``). Empty: one process.
    """

    fine_tuning: str = "naive"
    preprocess: bool | None = None
    launcher: str = ""

    backend = "mace"
    packages = ("mace-torch", "torch")
    checkpoint_files = "checkpoints/*.pt"
    reference_options = "{'E0s': {14: -150.3}} or {'E0s': 'average'}"

    @property
    def options(self) -> dict[str, Any]:
        """The hyperparameters with defaults filled in."""
        return {**default_hyperparameters(), **self.hyperparameters}

    def model_options(self) -> dict[str, Any]:
        """
        Return the options that its models are made by.

        Those of a foundation model are in its file. Empty where that is not at hand: it
        is a name that MACE downloads, or mace-torch is on the workers alone.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        start = self.foundation_model
        if start is None:
            return self.options
        model = self._foundation()
        return {} if model is None else options_of(model)

    @property
    def takes_isolated_atoms(self) -> bool:
        """Whether no option gives reference energies."""
        given = map(self.hyperparameters.get, ("E0s", STATISTICS_FILE))
        return all(option is None for option in given)

    def check_species(self, species: Sequence[int]) -> None:
        """Refuse elements that the option E0s, or the foundation model, lacks."""
        option = self.hyperparameters.get("E0s")
        energies = None if option is None else parse_energies(option)
        # Those of a statistics file come first.
        if isinstance(energies, dict) and not self.hyperparameters.get(STATISTICS_FILE):
            check_energies(energies, species)
        if (model := self._foundation()) is not None:
            replays = {"multiheads_finetuning": self.fine_tuning == "replay"}
            check_model(model, self.options | replays, species)

    def _foundation(self) -> "MACEPotential | None":
        """
        Load the foundation model; None where it is not at hand: see `model_options`.

        Raises
        ------
        ValueError
            If the file is damaged.
        """
        start = self.foundation_model
        if path := self.foundation_file:
            start = Artifact.from_file(path)
        if not isinstance(start, Artifact) or find_spec("mace") is None:
            return None
        try:
            loaded = load_potential({"model": start, "backend": "mace"}, "cpu")
        except ModelError as error:
            raise ValueError(f"foundation_model cannot be read: {error}") from error
        return cast("MACEPotential", loaded)

    def check(self) -> None:
        """Check the options, the program, the device and the foundation model."""
        self.check_options()
        self._check_files()
        find_program("mace_run_train", "mace")
        resolve_device(self.device)
        if isinstance(self.foundation_model, str | Path) and not self.foundation_file:
            check_foundation(str(self.foundation_model))
        accelerated = any(map(self.hyperparameters.get, ("enable_cueq", "only_cueq")))
        if accelerated and find_spec("cuequivariance_torch") is None:
            raise ValueError(
                "hyperparameters has 'enable_cueq', and cuequivariance is not "
                "installed: `pip install cuequivariance-torch`, or leave it out"
            )

    def check_fields(self) -> None:
        """Refuse options that mace_run_train lacks, and combinations that fail."""
        super().check_fields()
        one_of(FINE_TUNING, fine_tuning=self.fine_tuning)
        check_options(self.hyperparameters)
        self._check_energies()
        if bool(self.launcher) != bool(self.hyperparameters.get("distributed")):
            raise ValueError(
                f"launcher is {self.launcher!r} and hyperparameters has 'distributed': "
                f"{bool(self.hyperparameters.get('distributed'))}: set both to train "
                "on several GPUs, or neither"
            )

    def _check_energies(self) -> None:
        """Refuse reference energies that do not suit the model to start from."""
        if (option := self.hyperparameters.get("E0s")) is None:
            return
        energies = parse_energies(option)
        if self.foundation_model is None and energies in FROM_START:
            raise ValueError(
                f"hyperparameters has 'E0s': {option!r}, and there is no "
                "foundation_model to take them from: give energies, or 'average'"
            )
        if self.foundation_model is not None and energies == "average":
            raise ValueError(
                "hyperparameters has 'E0s': 'average', which holds the binding energy "
                "that the foundation_model adds once more: give the energies of "
                "isolated atoms, or 'estimated', which is fitted to the model"
            )

    def _check_files(self) -> None:
        """Refuse options that name missing files."""
        for name in (*REPLAY_FILES, STATISTICS_FILE):
            file = self.hyperparameters.get(name)
            if not file or isinstance(file, Artifact) or file in DATA_SETS:
                continue
            if not given_path(file).exists():
                raise ValueError(
                    f"hyperparameters has {name!r}: {file!r}, and there is no such "
                    "file: give one that the worker sees"
                    + (
                        f", an Artifact of one, or one of {', '.join(DATA_SETS)}"
                        if name in REPLAY_FILES
                        else ""
                    )
                )

    def prepare(self, sets: TrainingSets, run: Run) -> Program:
        """Write the frames, the model to start from, and the options."""
        device = resolve_device(self.device)
        options = files_here(self.options)
        # MACE drops a last batch that is not full.
        options |= {
            "batch_size": min(int(options["batch_size"]), len(sets.train)),
            "valid_batch_size": min(
                int(options.get("valid_batch_size", 10)), len(sets.val)
            ),
        }
        start = self._start(run)
        if start:
            replays = self.fine_tuning == "replay" and run.start is None
            options |= {"foundation_model": start, "multiheads_finetuning": replays}
        cutoff, written = write_data(options, sets, run)
        options |= written
        options |= {
            "name": _NAME,
            "seed": run.seed,
            "device": device.split(":")[0],
        }
        if run.resume:
            options["restart_latest"] = True
        if run.learning_rate_scale != 1:
            options["lr"] = float(options.get("lr", 0.01)) * run.learning_rate_scale
        before: list[str] = []
        preprocess = self.preprocess
        if preprocess is None:
            preprocess = len(sets.train) > _FRAMES_IN_MEMORY
        if preprocess:
            before = preprocessing(options, cutoff, sets)
            options |= preprocessed()
        text = yaml.safe_dump(options, sort_keys=True)
        (run.folder / _OPTIONS_FILE).write_text(text)
        program = find_program("mace_run_train", "mace")
        command = [*shlex.split(self.launcher), program, "--config", _OPTIONS_FILE]
        return Program(command, run.folder, before=before, all_gpus=bool(self.launcher))

    def read(self, run: Run) -> Trained:
        """Find the model, that of the second stage where there was one."""
        models = [run.folder / f"{_NAME}{end}.model" for end in ("_stagetwo", "")]
        model = next((path for path in models if path.exists()), None)
        if model is None:
            raise TrainingError("mace_run_train left no model")
        checkpoints = self.checkpoints(run)
        options = yaml.safe_load((run.folder / _OPTIONS_FILE).read_text())
        naive = not options.get("multiheads_finetuning") and not options.get("heads")
        if options.get("foundation_model") == START_FILE and naive:
            check_started(run.folder, model, options)
        kept = kept_energies(run.folder)
        return Trained(
            model=restore_energies(model),
            checkpoint=checkpoints[-1] if checkpoints else None,
            loss_curve=read_loss_curve(run.folder / "results"),
            hyperparameters=options | ({"E0s": repr(kept[0])} if kept else {}),
        )

    def _start(self, run: Run) -> str | None:
        """Return the model to start from: a name, or a file; write an Artifact's."""
        source = run.start or self.foundation_model
        if isinstance(source, Artifact):
            return source.to_file(run.folder / START_FILE).name
        return str(self.foundation_file or source) if source else None
