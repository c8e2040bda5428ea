"""Files that metatrain reads, and the losses that it writes."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase.data import chemical_symbols

from flowpot.dataset import Artifact, Dataset
from flowpot.training.backend import TrainingError
from flowpot.training.sets import periodic_dataset

_VACUUM = 10.0
"""Vacuum (A) along non-periodic axes: more than the cutoffs in use."""
_BUFFER = "additive_models.0.energy_composition_buffer"
"""Key of the composition model of the target ``energy`` in a checkpoint."""
_STATES = ("model_state_dict", "best_model_state_dict")


def describe_frames(name: str, *, stress: bool) -> dict[str, Any]:
    """
    Describe a file of frames, as metatrain's options do.

    Parameters
    ----------
    name
        Name of a file that `write_frames` has written.
    stress
        Whether to train on stress. Without a key of forces or stress, metatrain does
        not train on them and only warns.
    """
    energy: dict[str, Any] = {
        "quantity": "energy",
        "key": "REF_energy",
        "unit": "eV",
        "forces": {"key": "REF_forces"},
        "stress": {"key": "REF_stress"} if stress else False,
    }
    systems = {"read_from": name, "length_unit": "angstrom"}
    return {"systems": systems, "targets": {"energy": energy}}


def write_frames(frames: Dataset, path: Path) -> bool:
    """
    Write frames as metatrain reads them, in periodic cells.

    Each frame is given a stress, NaN where it is unknown: metatrain leaves NaN out of
    the loss, but ignores the stress of all frames if a single one has none.

    Returns
    -------
    bool
        Whether the stress of any frame is known.
    """
    periodic = periodic_dataset(frames, _VACUUM)
    images = list(periodic.without_labels())
    for i, atoms in enumerate(images):
        rows = slice(periodic.offsets[i], periodic.offsets[i + 1])
        atoms.info = {
            "REF_stress": periodic.stress[i],
            "REF_energy": float(periodic.energy[i]),
        }
        atoms.arrays["REF_forces"] = periodic.forces[rows]
    ase.io.write(path, images, format="extxyz")
    return bool(np.isfinite(periodic.stress).any())


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
                # The second line has the units, and the last one may be incomplete.
                if (row["Epoch"] or "").strip() and losses[1]:
                    rows[int(row["Epoch"])] = float(losses[0]), float(losses[1])
    epochs = sorted(rows)
    return {
        "epoch": [float(epoch) for epoch in epochs],
        "train": [rows[epoch][0] for epoch in epochs],
        "val": [rows[epoch][1] for epoch in epochs],
    }


def write_baseline(
    checkpoint: Path, target: Path, energies: Mapping[int, float]
) -> bool:
    """
    Write a copy of a checkpoint with other reference energies.

    metatrain (2026.4) applies ``atomic_baseline`` to new targets only: a checkpoint
    that has ``energy`` silently keeps its own energies.

    Parameters
    ----------
    checkpoint
        The checkpoint to start from.
    target
        File to write.
    energies
        Energies (eV) by atomic number; those of other elements stay.

    Returns
    -------
    bool
        Whether the checkpoint has reference energies. If not, nothing is written:
        metatrain applies ``atomic_baseline``.
    """
    import torch  # noqa: PLC0415, optional

    content = torch.load(checkpoint, map_location="cpu", weights_only=False)
    states = [content[name] for name in _STATES if _BUFFER in (content.get(name) or {})]

    def change(z: int, value: Any) -> None:
        if z in energies:
            value.fill_(energies[z])

    for state in states:
        state[_BUFFER] = _visit(state[_BUFFER], change)
    if states:
        written = io.BytesIO()
        torch.save(content, written)
        target.write_bytes(written.getvalue())
    return bool(states)


def read_baseline(checkpoint: Path) -> dict[int, float]:
    """Return the reference energies (eV) of a checkpoint, by atomic number."""
    import torch  # noqa: PLC0415, optional

    content = torch.load(checkpoint, map_location="cpu", weights_only=False)
    state = content["best_model_state_dict"] or content["model_state_dict"]
    energies: dict[int, float] = {}
    if _BUFFER in state:
        _visit(state[_BUFFER], lambda z, value: energies.setdefault(z, float(value)))
    return energies


def check_complete(energies: Mapping[int, float], species: Sequence[int]) -> None:
    """Refuse a baseline of some of the elements, which metatrain (2026.4) does, too."""
    missing = [chemical_symbols[z] for z in species if z not in energies]
    if energies and missing:
        raise ValueError(
            "hyperparameters['training'] has 'atomic_baseline' without "
            f"{', '.join(missing)}, which the dataset has: give the energy of its "
            "isolated atom, by atomic number"
        )


def check_elements(checkpoint: Artifact, species: Sequence[int]) -> None:
    """
    Refuse to start from a checkpoint that does not know an element.

    Raises
    ------
    ValueError
        Naming the elements; or where the checkpoint cannot be read.
    """
    import torch  # noqa: PLC0415, optional

    stored = io.BytesIO(checkpoint.read_bytes())
    try:
        content = torch.load(stored, map_location="cpu", weights_only=False)
        known = content["model_data"]["dataset_info"].atomic_types
    except (KeyError, AttributeError, TypeError):  # of an architecture without this
        return
    except Exception as error:  # unpickling runs the code in the file
        raise ValueError(
            f"foundation_model {checkpoint.name!r} cannot be read as a checkpoint of "
            f"metatrain ({type(error).__name__}: {error}): give a whole .ckpt file"
        ) from error
    if unknown := [chemical_symbols[z] for z in species if z not in known]:
        raise ValueError(
            f"foundation_model knows {', '.join(chemical_symbols[z] for z in known)}, "
            f"and the dataset has {', '.join(unknown)}: choose a foundation model that "
            "knows all elements of the dataset, or train from scratch"
        )


def check_baseline(checkpoint: Path, wanted: Mapping[int, float]) -> None:
    """
    Check that a trained model has the wanted reference energies.

    Raises
    ------
    TrainingError
        If it has others.
    """
    kept = read_baseline(checkpoint)
    for z, energy in wanted.items():
        if abs(kept.get(z, energy) - energy) > 1e-6 * max(1.0, abs(energy)):
            raise TrainingError(
                f"the model's reference energy of {chemical_symbols[z]} is {kept[z]} "
                f"eV, and {energy} eV was asked for: mtt train kept another"
            )


def _visit(buffer: Any, visit: Callable[[int, Any], Any]) -> Any:
    """Call a function on each element's energy in a saved TensorMap; save it again."""
    import metatensor.torch as mts  # noqa: PLC0415, optional

    weights = mts.load_buffer(buffer)
    for block in weights.blocks():
        column = block.samples.names.index("center_type")
        for row, z in enumerate(block.samples.values[:, column].tolist()):
            visit(int(z), block.values[row])
    return mts.save_buffer(mts.make_contiguous(weights))
