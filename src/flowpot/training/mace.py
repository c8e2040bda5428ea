"""Training with MACE's own program, ``mace_run_train``."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from flowpot.dataset import Artifact
from flowpot.training.backend import Run, Trained, Training, TrainingError
from flowpot.training.mace_options import check_options, default_hyperparameters
from flowpot.training.periodic import periodic_dataset
from flowpot.training.program import Program, find_program
from flowpot.training.sets import TrainingSets

if TYPE_CHECKING:
    from flowpot.potentials.mace import MACEPotential

FINE_TUNING = ("naive", "replay")
_NAME = "mace"
_OPTIONS_FILE = "options.yaml"
_FILES = ("pt_train_file", "pt_valid_file", "statistics_file")
_LARGEST_NAMED_CUTOFF = 7.0
"""Vacuum (A) for models that MACE downloads by name: theirs are at most 6 A."""


@dataclass
class MACETraining(Training):
    """
    How MACE is trained.

    Frames that are not fully periodic are given to MACE in periodic cells with vacuum
    (see `periodic_cell`), with the stress of those cells; frames without a periodic
    axis have none.

    Parameters
    ----------
    fine_tuning
        ``naive``: go on from the foundation model on the new data. ``replay``: with a
        head of its own for the new data, while the foundation's own data
        (``pt_train_file`` among the hyperparameters) keep what it knows.
    """

    fine_tuning: str = "naive"

    backend = "mace"
    packages = ("mace-torch", "torch")

    @property
    def options(self) -> dict[str, Any]:
        """The hyperparameters with defaults filled in."""
        return {**default_hyperparameters(), **self.hyperparameters}

    def check(self) -> None:
        """Refuse what mace_run_train does not have; see `check_options`."""
        find_program("mace_run_train", "mace")
        if self.fine_tuning not in FINE_TUNING:
            raise ValueError(
                f"fine_tuning is {self.fine_tuning!r}: choose from {FINE_TUNING}"
            )
        check_options(self.hyperparameters)

    def prepare(self, sets: TrainingSets, run: Run) -> Program:
        """Write the frames and the options."""
        options, device = self.options, _resolve(self.device)
        start = self._start(run)
        cutoff = _cutoff_of(start) if start else float(options["r_max"])
        for name, frames in (("train", sets.train), ("val", sets.val)):
            periodic_dataset(frames, cutoff).write(run.folder / f"{name}.xyz")
        options |= {
            **_batches(options, sets),
            **_absolute(options),
            "name": _NAME,
            "seed": run.seed,
            "device": device.split(":")[0],
            "train_file": "train.xyz",
            "valid_file": "val.xyz",
            "E0s": _atomic_energies(options.get("E0s"), sets),
        }
        if run.resume:
            options["restart_latest"] = True
        if run.learning_rate_scale != 1:
            options["lr"] = options.get("lr", 0.01) * run.learning_rate_scale
        if start:
            replay = self.fine_tuning == "replay" and run.start is None
            if replay:
                _check_replay(start, options)
            options |= {"foundation_model": start, "multiheads_finetuning": replay}
        text = yaml.safe_dump(options, sort_keys=True)
        (run.folder / _OPTIONS_FILE).write_text(text)
        program = find_program("mace_run_train", "mace")
        command = [program, "--config", _OPTIONS_FILE]
        return Program(command, run.folder, _visible(device))

    def read(self, run: Run) -> Trained:
        """Find the model, of the second stage where there was one."""
        models = [run.folder / f"{_NAME}{end}.model" for end in ("_stagetwo", "")]
        model = next((path for path in models if path.exists()), None)
        if model is None:
            raise TrainingError("mace_run_train left no model")
        checkpoints = sorted(
            (run.folder / "checkpoints").glob("*.pt"), key=lambda p: p.stat().st_mtime
        )
        return Trained(
            model=model,
            checkpoint=checkpoints[-1] if checkpoints else None,
            loss_curve=read_loss_curve(run.folder / "results"),
            hyperparameters=yaml.safe_load((run.folder / _OPTIONS_FILE).read_text()),
        )

    def _start(self, run: Run) -> str | None:
        """Give the file or the name of the model to start from."""
        source = run.start or self.foundation_model
        if isinstance(source, Artifact):
            return str(source.to_file(run.folder / "start.model").resolve())
        if source and Path(source).exists():
            return str(Path(source).resolve())
        return source


def read_loss_curve(folder: Path) -> dict[str, list[float]]:
    """
    Read the loss of each epoch from MACE's results.

    Returns
    -------
    dict
        ``epoch``; ``train``, the mean over the epoch's batches; ``val``, after it.
    """
    train, val = defaultdict(list), {}
    for path in sorted(folder.glob("*_train.txt")):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if entry.get("epoch") is None:
                continue
            if entry["mode"] == "opt":
                train[entry["epoch"]].append(entry["loss"])
            elif entry.get("head") != "pt_head":
                val[entry["epoch"]] = entry["loss"]
    epochs = sorted(train)
    return {
        "epoch": epochs,
        "train": [float(np.mean(train[epoch])) for epoch in epochs],
        "val": [float(val.get(epoch, np.nan)) for epoch in epochs],
    }


def _atomic_energies(given: Any, sets: TrainingSets) -> str:
    """Give E0s as mace_run_train reads them: explicit where the user gives none."""
    if given is None:
        given = sets.reference_energies()
    return (
        given
        if isinstance(given, str)
        else repr({int(z): float(e) for z, e in given.items()})
    )


def _batches(options: dict[str, Any], sets: TrainingSets) -> dict[str, int]:
    """Keep batches within the sets: MACE drops a last batch that is not full."""
    return {
        "batch_size": min(int(options["batch_size"]), len(sets.train)),
        "valid_batch_size": min(
            int(options.get("valid_batch_size", 10)), len(sets.val)
        ),
    }


def _absolute(options: dict[str, Any]) -> dict[str, str]:
    """Give files among the options by full paths: the program runs elsewhere."""
    files = {name: options[name] for name in _FILES if options.get(name)}
    return {
        name: str(Path(given).resolve())
        for name, given in files.items()
        if Path(given).is_file()  # MACE also knows data sets by name
    }


def _resolve(device: str) -> str:
    from flowpot.potentials.device import resolve_device  # noqa: PLC0415, torch

    return resolve_device(device)


def _visible(device: str) -> dict[str, str]:
    """Choose one of several GPUs for a program that knows of 'cuda' only."""
    kind, _, index = device.partition(":")
    return {"CUDA_VISIBLE_DEVICES": index} if kind == "cuda" and index else {}


def _cutoff_of(model: str) -> float:
    """Give the cutoff of a model file; more than MACE's named models have else."""
    found = _potential(model)
    return found.cutoff if found else _LARGEST_NAMED_CUTOFF


def _check_replay(model: str, options: dict[str, Any]) -> None:
    """Refuse what MACE (0.3.16) silently turns into naive fine-tuning, or breaks on."""
    found = _potential(model)
    if not found:
        return
    if not options.get("pt_train_file"):
        raise ValueError(
            "fine_tuning is 'replay' from a model file, without data to replay: set "
            "hyperparameters={'pt_train_file': ...}, or fine_tuning='naive'"
        )
    if len(found.species) == 1:
        raise ValueError(
            f"fine_tuning is 'replay' and the foundation model knows {found.species[0]}"
            " alone: mace_run_train replays models of two elements or more; set "
            "fine_tuning='naive'"
        )


def _potential(model: str) -> "MACEPotential | None":
    from flowpot.potentials.mace import MACEPotential  # noqa: PLC0415, torch

    return MACEPotential.from_file(model, "cpu") if Path(model).exists() else None
