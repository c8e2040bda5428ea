"""Training with metatrain's program, ``mtt train``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlretrieve

import yaml

from flowpot.dataset import Artifact
from flowpot.settings import given_path
from flowpot.training.backend import Run, Trained, Training, TrainingError
from flowpot.training.metatrain.architecture import (
    WRAPPED,
    check_numbers,
    check_options,
    default_options,
    model_options,
    precision,
    supported_device,
)
from flowpot.training.metatrain.files import (
    check_baseline,
    check_complete,
    check_elements,
    describe_frames,
    read_loss_curve,
    write_baseline,
    write_frames,
)
from flowpot.training.program import Program, find_program
from flowpot.training.sets import TrainingSets
from flowpot.validation import mapping, nearest, one_of, text

FINE_TUNING = ("full", "heads", "lora")
_ADDRESSES = ("https://", "http://localhost")
_OPTIONS_FILE = "options.yaml"
_START_FILE = "start.ckpt"
_BASELINE = "atomic_baseline"
_HEADS = {
    "head_modules": ["node_heads", "edge_heads"],
    "last_layer_modules": ["node_last_layers", "edge_last_layers"],
}
"""Modules of PET that are trained when only the heads are (metatrain's manual)."""
_LORA = {"rank": 4, "alpha": 8}


@dataclass
class MetatrainTraining(Training):
    """
    How ``mtt train`` trains an architecture.

    It trains on forces, and on stress if both sets have frames with stress. Fine-tuning
    starts with the reference energies of the new data, as training from scratch does;
    ``atomic_baseline: {}`` keeps those of the foundation model.

    Parameters
    ----------
    hyperparameters
        ``model`` and ``training`` with the architecture's own keys; the rest is the
        architecture's default, except that the energies of isolated atoms are the
        ``atomic_baseline``, every epoch is logged, and a checkpoint is written 20
        times. Also ``base_precision`` (32 or 64).
    foundation_model
        A checkpoint (``.ckpt``): a file, an Artifact, or an address to download it
        from, such as ``https://huggingface.co/lab-cosmo/upet/resolve/main/...``.
        For ``llpr``, the model whose uncertainty it predicts.
    fine_tuning
        ``full``; ``heads``: the prediction heads alone; ``lora``: low-rank updates.
    architecture
        An installed one, such as ``pet`` or ``soap_bpnn``. ``gap`` fits its reference
        energies to the training set, and has no checkpoint. ``llpr`` adds an ensemble
        of last layers to a trained model (Bigi et al., Mach. Learn.: Sci. Technol. 5,
        045018, 2024): see `flowpot.potentials.metatomic.MetatomicPotential`.
    """

    fine_tuning: str = "full"
    architecture: str = "pet"

    backend = "metatomic"
    packages = ("metatrain", "metatomic-torch", "torch")
    starts_from = "checkpoint"
    reference_options = "{'training': {'atomic_baseline': {'energy': {14: -150.3}}}}"
    checkpoint_files = "outputs/*/*/*.ckpt"

    def check(self) -> None:
        """Check the options, the program and the device."""
        find_program("mtt", "metatrain")
        self.check_options()
        supported_device(self.architecture, self.device)

    def check_options(self) -> None:
        """Refuse options that the architecture lacks, by metatrain's own schema."""
        self.check_fields()
        if find_spec("metatrain") is None:
            return
        check_options(self.architecture, self.hyperparameters)
        if self.wraps:
            self._check_wrapped()
        elif self.foundation_model:
            self._check_fine_tuning()

    def check_start(self) -> None:
        """Refuse architectures that metatrain trains from scratch alone."""
        if find_spec("metatrain") is None:
            return
        if self.wraps:
            raise ValueError(
                f"architecture is {self.architecture!r}, whose model is "
                "foundation_model's, and not trained: choose another, such as 'pet'"
            )
        self._check_fine_tuning()

    @property
    def takes_isolated_atoms(self) -> bool:
        """Whether its reference energies are those of isolated atoms, by default."""
        if find_spec("metatrain") is None:
            return False
        default = default_options(self.architecture)["training"]
        return _BASELINE in default and _BASELINE not in self._chosen

    @property
    def _chosen(self) -> dict[str, Any]:
        """The trainer's options that the user has chosen."""
        return dict(self.hyperparameters.get("training", {}))

    def check_species(self, species: Sequence[int]) -> None:
        """Refuse elements that the baseline, or the foundation model, lacks."""
        start = self.foundation_model
        if start is None:  # else the baseline of the foundation has the others
            check_complete(_energies(self._chosen.get(_BASELINE)), species)
        if path := self.foundation_file:
            start = Artifact.from_file(path)
        if isinstance(start, Artifact) and find_spec("metatrain") is not None:
            check_elements(start, species)

    @property
    def wraps(self) -> bool:
        """Whether the architecture extends a trained model, as llpr does."""
        return WRAPPED in default_options(self.architecture)["training"]

    def check_fields(self) -> None:
        """Refuse options that metatrain lacks at the top level."""
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
        check_numbers(self.hyperparameters)

    def prepare(self, sets: TrainingSets, run: Run) -> Program:
        """Write the frames and the options."""
        name, chosen = self.architecture, self.hyperparameters
        device = supported_device(name, self.device)
        has_stress = [
            write_frames(sets.train, run.folder / "train.xyz"),
            write_frames(sets.val, run.folder / "val.xyz"),
        ]
        options = {
            "seed": run.seed,
            "device": device.split(":")[0],
            "base_precision": chosen.get("base_precision", precision(name)),
            "architecture": {
                "name": name,
                "model": model_options(name, chosen.get("model", {})),
                "training": self._training(sets, run),
            },
            "training_set": describe_frames("train.xyz", stress=all(has_stress)),
            "validation_set": describe_frames("val.xyz", stress=all(has_stress)),
            "test_set": 0.0,
            "final_eval": False,
        }
        (run.folder / _OPTIONS_FILE).write_text(yaml.safe_dump(options))
        command = [find_program("mtt", "metatrain"), "train", _OPTIONS_FILE]
        command += ["-o", "model.pt"]
        command += ["--restart", "auto"] * run.resume
        return Program(command, run.folder)

    def read(self, run: Run) -> Trained:
        """Find the exported model and its checkpoint."""
        model = run.folder / "model.pt"
        if not model.exists():
            raise TrainingError("mtt train left no model")
        checkpoint = run.folder / "model.ckpt"
        options = yaml.safe_load((run.folder / _OPTIONS_FILE).read_text())
        baseline = options["architecture"]["training"].get(_BASELINE)
        if checkpoint.exists() and (energies := _energies(baseline)):
            check_baseline(checkpoint, energies)
        return Trained(
            model=model,
            checkpoint=checkpoint if checkpoint.exists() else None,
            loss_curve=read_loss_curve(run.folder / "outputs"),
            hyperparameters=options,
        )

    def _training(self, sets: TrainingSets, run: Run) -> dict[str, Any]:
        """Return the trainer's options, of which an architecture may lack some."""
        chosen = self._chosen
        default = default_options(self.architecture)["training"]
        # Log every epoch, and write checkpoints after each twentieth of the training.
        intervals = {"log_interval": 1}
        if (epochs := (default | chosen).get("num_epochs")) is not None:
            intervals["checkpoint_interval"] = max(1, int(epochs) // 20)
        known = default.keys() | chosen
        options = {k: v for k, v in intervals.items() if k in known} | chosen
        if "batch_size" in default:
            size = chosen.get("batch_size", default["batch_size"])
            largest = len(sets.train)
            if self.wraps:  # llpr reads whole batches of both sets
                largest = min(largest, len(sets.val))
            options["batch_size"] = min(int(size), largest)
        if self.takes_isolated_atoms:
            options[_BASELINE] = {"energy": sets.reference_energies()}
        if "learning_rate" in default and run.learning_rate_scale != 1:
            rate = chosen.get("learning_rate", default["learning_rate"])
            options["learning_rate"] = rate * run.learning_rate_scale
        if self.wraps:
            self._check_wrapped(run)
            options[WRAPPED] = self._start(run) or _expanded(chosen[WRAPPED])
        elif start := self._start(run):
            self._check_fine_tuning()
            options["finetune"] = self._fine_tuning(start, run, options)
        return options

    def _fine_tuning(
        self, start: str, run: Run, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the option ``finetune``; write the start with the data's energies."""
        energies = _energies(options[_BASELINE])
        changed = run.folder / _START_FILE
        if energies and write_baseline(run.folder / start, changed, energies):
            start = _START_FILE
        method = "full" if run.start else self.fine_tuning
        config = {"heads": _HEADS, "lora": _LORA}.get(method, {})
        return {"read_from": start, "method": method, "config": config}

    def _check_wrapped(self, run: Run | None = None) -> None:
        """Refuse llpr without a model to extend, or with another to start from."""
        model = self.hyperparameters.get("training", {}).get(WRAPPED)
        if not (self.foundation_model or model):
            raise ValueError(
                f"architecture is {self.architecture!r} and foundation_model None: it "
                "tells how certain a trained model is; set foundation_model to the "
                "checkpoint of one ('pet', 'soap_bpnn')"
            )
        if run is not None and run.start is not None:
            raise ValueError(
                f"architecture is {self.architecture!r}, whose model is "
                "foundation_model's: leave out warm_start"
            )

    def _check_fine_tuning(self) -> None:
        if "finetune" not in default_options(self.architecture)["training"]:
            raise ValueError(
                f"architecture is {self.architecture!r}, which metatrain trains from "
                "scratch alone: leave out foundation_model and warm_start, or choose "
                "another, such as 'pet'"
            )

    def _start(self, run: Run) -> str | None:
        """Return the checkpoint to start from, written to the folder if need be."""
        source = run.start or self.foundation_model
        if isinstance(source, Artifact):
            return source.to_file(run.folder / _START_FILE).name
        if not source:
            return None
        if str(source).startswith(_ADDRESSES):
            urlretrieve(str(source), run.folder / _START_FILE)  # noqa: S310, it is https
            return _START_FILE
        if self.foundation_file is None:
            raise FileNotFoundError(
                f"foundation_model is {str(source)!r}, and there is no such file: give "
                "a metatrain checkpoint (.ckpt), or the address (https://...) of one"
            )
        return str(self.foundation_file)


def _expanded(place: str | Path) -> str:
    """Return an address, or a path without ``~``."""
    text = str(place)
    return text if text.startswith(_ADDRESSES) else str(given_path(text))


def _energies(baseline: Any) -> dict[int, float]:
    """Return the energies (eV) by atomic number in ``atomic_baseline``, if any."""
    energies = baseline.get("energy") if isinstance(baseline, Mapping) else None
    if not isinstance(energies, Mapping):
        return {}
    return {int(z): float(energy) for z, energy in energies.items()}
