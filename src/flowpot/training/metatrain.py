"""Training with metatrain's program, ``mtt train``."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlretrieve

import ase.io
import numpy as np
import yaml

from flowpot.dataset import Artifact, Dataset
from flowpot.training.backend import Run, Trained, Training, TrainingError
from flowpot.training.metatrain_start import check_baseline, write_baseline
from flowpot.training.periodic import periodic_dataset
from flowpot.training.program import Program, find_program, visible_gpu
from flowpot.training.sets import TrainingSets
from flowpot.validation import mapping, nearest, one_of, text

FINE_TUNING = ("full", "heads", "lora")
_ADDRESSES = ("https://", "http://localhost")
_OPTIONS_FILE = "options.yaml"
_START_FILE = "start.ckpt"
_HEADS = {
    "head_modules": ["node_heads", "edge_heads"],
    "last_layer_modules": ["node_last_layers", "edge_last_layers"],
}
"""PET's modules that head-only fine-tuning leaves free, as metatrain documents them."""
_LORA = {"rank": 4, "alpha": 8}
_VACUUM = 10.0
"""Vacuum (A) along non-periodic axes: more than the cutoffs in use."""


@dataclass
class MetatrainTraining(Training):
    """
    How metatrain trains an architecture.

    Forces are trained on, and stress where any frame has one: metatrain by itself
    trains on energies alone where a key is missing, and only warns. Fine-tuning starts
    with the reference energies of the new data, as training from scratch does;
    ``atomic_baseline: {}`` keeps the foundation model's.

    Parameters
    ----------
    hyperparameters
        ``model`` and ``training`` with the architecture's own keys; the rest is the
        architecture's default, except that the energies of isolated atoms are the
        ``atomic_baseline``, every epoch is logged, and a checkpoint is written 20
        times. Besides, ``base_precision`` (32 or 64).
    foundation_model
        A checkpoint (``.ckpt``): a file, an Artifact, or the address of one to
        download, such as ``https://huggingface.co/lab-cosmo/upet/resolve/main/...``.
    fine_tuning
        ``full``; ``heads``: the prediction heads alone; ``lora``: low-rank updates.
    architecture
        Any that is installed: ``pet``, ``soap_bpnn``...
    """

    fine_tuning: str = "full"
    architecture: str = "pet"

    backend = "metatomic"
    packages = ("metatrain", "metatomic-torch", "torch")
    starts_from = "checkpoint"
    checkpoint_files = "outputs/*/*/*.ckpt"

    def check(self) -> None:
        """Check the options, and that there are program and device."""
        find_program("mtt", "metatrain")
        _resolve(self.device)
        self.check_options()

    def check_options(self) -> None:
        """Refuse what the architecture does not have, by metatrain's own schema."""
        self.check_fields()
        if find_spec("metatrain") is None:
            return
        _check_architecture(self.architecture, self.hyperparameters)
        if self.foundation_model:
            self._check_fine_tuning()

    def check_fields(self) -> None:
        """Refuse what metatrain's options do not have at their top."""
        super().check_fields()
        one_of(FINE_TUNING, fine_tuning=self.fine_tuning)
        text(architecture=self.architecture)
        known = ("model", "training", "base_precision")
        for name, value in self.hyperparameters.items():
            if name not in known:
                raise ValueError(
                    f"hyperparameters has {name!r}{nearest(name, known)}: give "
                    f"{', '.join(known)}, with the architecture's own keys"
                )
            if name == "base_precision":
                one_of((16, 32, 64), base_precision=value)
            else:
                mapping(**{f"hyperparameters[{name!r}]": value})

    def prepare(self, sets: TrainingSets, run: Run) -> Program:
        """Write the frames and the options."""
        given, device = self.hyperparameters, _resolve(self.device)
        files = {"train.xyz": sets.train, "val.xyz": sets.val}
        stressed = [_write(frames, run.folder / name) for name, frames in files.items()]
        has_stress = all(stressed)
        options = {
            "seed": run.seed,
            "device": device.split(":")[0],
            "base_precision": given.get("base_precision", 32),
            "architecture": {
                "name": self.architecture,
                "model": given.get("model", {}),
                "training": self._training(sets, run),
            },
            "training_set": _data("train.xyz", stress=has_stress),
            "validation_set": _data("val.xyz", stress=has_stress),
            "test_set": 0.0,
            "final_eval": False,
        }
        (run.folder / _OPTIONS_FILE).write_text(yaml.safe_dump(options))
        command = [find_program("mtt", "metatrain"), "train", _OPTIONS_FILE]
        command += ["-o", "model.pt"]
        command += ["--restart", "auto"] * run.resume
        return Program(command, run.folder, visible_gpu(device))

    def read(self, run: Run) -> Trained:
        """Find the exported model and its checkpoint."""
        model = run.folder / "model.pt"
        if not model.exists():
            raise TrainingError("mtt train left no model")
        checkpoint = run.folder / "model.ckpt"
        options = yaml.safe_load((run.folder / _OPTIONS_FILE).read_text())
        if checkpoint.exists():
            baseline = options["architecture"]["training"].get("atomic_baseline")
            check_baseline(checkpoint, _energies(baseline))
        return Trained(
            model=model,
            checkpoint=checkpoint if checkpoint.exists() else None,
            loss_curve=read_loss_curve(run.folder / "outputs"),
            hyperparameters=options,
        )

    def _training(self, sets: TrainingSets, run: Run) -> dict[str, Any]:
        """Give the trainer's options."""
        options = dict(self.hyperparameters.get("training", {}))
        default = _defaults(self.architecture)["training"]
        options = {**_intervals({**default, **options}), **options}
        size = options.get("batch_size", default["batch_size"])
        options["batch_size"] = min(int(size), len(sets.train))
        if "atomic_baseline" not in options:
            options["atomic_baseline"] = {"energy": sets.reference_energies()}
        if run.learning_rate_scale != 1:
            rate = options.get("learning_rate", default["learning_rate"])
            options["learning_rate"] = rate * run.learning_rate_scale
        if start := self._start(run):
            self._check_fine_tuning()
            energies = _energies(options["atomic_baseline"])
            changed = run.folder / _START_FILE
            if energies and write_baseline(run.folder / start, changed, energies):
                start = _START_FILE
            method = "full" if run.start else self.fine_tuning
            config = {"heads": _HEADS, "lora": _LORA}.get(method, {})
            options["finetune"] = {
                "read_from": start,
                "method": method,
                "config": config,
            }
        return options

    def _check_fine_tuning(self) -> None:
        if "finetune" not in _defaults(self.architecture)["training"]:
            raise ValueError(
                f"architecture is {self.architecture!r}, which metatrain trains from "
                "scratch alone: leave out foundation_model and warm_start, or choose "
                "another, such as 'pet'"
            )

    def _start(self, run: Run) -> str | None:
        """Give the checkpoint to start from."""
        source = run.start or self.foundation_model
        if isinstance(source, Artifact):
            return source.to_file(run.folder / _START_FILE).name
        if source and source.startswith(_ADDRESSES):
            urlretrieve(source, run.folder / _START_FILE)  # noqa: S310, it is https
            return _START_FILE
        if source and not Path(source).is_file():
            raise FileNotFoundError(
                f"foundation_model is {source!r}, and there is no such file: give a "
                "metatrain checkpoint (.ckpt), or the address (https://...) of one"
            )
        return str(Path(source).resolve()) if source else None


def read_loss_curve(folder: Path) -> dict[str, list[float]]:
    """
    Read the loss of each epoch from metatrain's ``train.csv`` files.

    Returns
    -------
    dict
        Columns ``epoch``, ``train`` and ``val``.
    """
    rows: dict[int, tuple[float, float]] = {}
    for path in sorted(folder.rglob("train.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                losses = row["training loss"], row["validation loss"]
                # The second line has the units; a kill may cut the last one off.
                if (row["Epoch"] or "").strip() and losses[1]:
                    rows[int(row["Epoch"])] = float(losses[0]), float(losses[1])
    epochs = sorted(rows)
    return {
        "epoch": [float(epoch) for epoch in epochs],
        "train": [rows[epoch][0] for epoch in epochs],
        "val": [rows[epoch][1] for epoch in epochs],
    }


def _energies(baseline: Any) -> dict[int, float]:
    """Return the energies by atomic number that ``atomic_baseline`` gives, if any."""
    given = baseline.get("energy") if isinstance(baseline, Mapping) else None
    if not isinstance(given, Mapping):
        return {}
    return {int(z): float(energy) for z, energy in given.items()}


def _intervals(training: Mapping[str, Any]) -> dict[str, int]:
    """Log every epoch, and lose at most a twentieth of a training that is killed."""
    wanted = {
        "log_interval": 1,
        "checkpoint_interval": max(1, int(training["num_epochs"]) // 20),
    }
    return {name: wanted[name] for name in wanted if name in training}


def _data(name: str, *, stress: bool) -> dict[str, Any]:
    """Describe a file of frames: with the keys of forces and stress (see the class)."""
    energy: dict[str, Any] = {
        "quantity": "energy",
        "key": "REF_energy",
        "unit": "eV",
        "forces": {"key": "REF_forces"},
        "stress": {"key": "REF_stress"} if stress else False,
    }
    systems = {"read_from": name, "length_unit": "angstrom"}
    return {"systems": systems, "targets": {"energy": energy}}


def _write(frames: Dataset, path: Path) -> bool:
    """
    Write frames as metatrain reads them; say whether any has stress.

    Each has a stress, NaN where it is not known: metatrain leaves NaN out of the loss,
    but ignores the stress of all frames where one has none.
    """
    periodic = periodic_dataset(frames, _VACUUM)
    written = []
    for atoms, stress in zip(periodic.without_labels(), periodic.stress, strict=True):
        atoms.info = {"REF_stress": stress}
        written.append(atoms)
    for i, atoms in enumerate(written):
        rows = slice(periodic.offsets[i], periodic.offsets[i + 1])
        atoms.info["REF_energy"] = float(periodic.energy[i])
        atoms.arrays["REF_forces"] = periodic.forces[rows]
    ase.io.write(path, written, format="extxyz")
    return bool(np.isfinite(periodic.stress).any())


def _check_architecture(name: str, hyperparameters: Mapping[str, Any]) -> None:
    from metatrain.utils.architectures import (  # noqa: PLC0415, takes seconds
        check_architecture_options,
        import_architecture,
    )
    from metatrain.utils.pydantic import MetatrainValidationError  # noqa: PLC0415

    import_architecture(name)  # says what to install where something is missing
    options = _defaults(name)
    for part in ("model", "training"):
        options[part] = {**options[part], **hyperparameters.get(part, {})}
    try:
        check_architecture_options(name, options)
    except MetatrainValidationError as error:
        raise ValueError(f"hyperparameters of {name!r}: {error}") from error


def _defaults(name: str) -> dict[str, Any]:
    from metatrain.utils.architectures import (  # noqa: PLC0415, takes seconds
        get_default_hypers,
    )

    return get_default_hypers(name, base_precision=32)


def _resolve(device: str) -> str:
    from flowpot.potentials.device import resolve_device  # noqa: PLC0415, torch

    return resolve_device(device)
