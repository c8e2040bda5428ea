"""Keep reference energies out of what MACE computes in single precision."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.training.backend import TrainingError

Energies = dict[int, float]
"""Reference energies (eV) by atomic number."""

_FILE = "atomic_energies.json"
_MODEL_FOLDER = "potential"
_REPLAY_HEAD = "pt_head"


def fit_energies(frames: Dataset, energy: NDArray[np.float64]) -> Energies:
    """
    Fit one energy for each element, by least squares over the frames.

    Parameters
    ----------
    frames
        The frames.
    energy
        Sum of the atoms' energies in each frame (eV), shape (n,).
    """
    species = np.unique(frames.numbers)
    frame = np.repeat(np.arange(len(frames)), frames.n_atoms)
    counts = np.zeros((len(frames), len(species)))
    np.add.at(counts, (frame, np.searchsorted(species, frames.numbers)), 1)
    energies = np.linalg.lstsq(counts, energy, rcond=None)[0]
    return dict(zip(species.tolist(), energies.tolist(), strict=True))


def without_energies(frames: Dataset, energies: Mapping[int, float]) -> Dataset:
    """Subtract the atoms' reference energies (eV) from the labels."""
    table = np.zeros(1 + max([*energies, *frames.numbers.tolist()], default=0))
    table[list(energies)] = list(energies.values())
    frame = np.repeat(np.arange(len(frames)), frames.n_atoms)
    atoms = np.bincount(frame, table[frames.numbers], minlength=len(frames))
    return frames.with_labels(frames.energy - atoms, frames.forces, frames.stress)


def keep_energies(folder: Path, data: Energies, start: Energies) -> None:
    """
    Store the reference energies that `restore_energies` puts into the trained model.

    Parameters
    ----------
    folder
        Folder of the run.
    data
        Energies (eV) of the elements of the data.
    start
        Energies (eV) of all elements of the model that a fine-tuning starts from, which
        are those of the head for replayed data; empty for a training from scratch.
    """
    (folder / _FILE).write_text(json.dumps({"data": data, "start": start}))


def kept_energies(folder: Path) -> tuple[Energies, Energies] | None:
    """Read what `keep_energies` has written; None where MACE got total energies."""
    path = folder / _FILE
    if not path.exists():
        return None
    content = json.loads(path.read_text())
    data, start = (
        {int(z): float(energy) for z, energy in content[name].items()}
        for name in ("data", "start")
    )
    return data, start


def change_energies(
    model: Path,
    target: Path,
    energies: Mapping[int, float],
    replayed: Mapping[int, float] | None = None,
) -> None:
    """
    Write a copy of a model with other reference energies.

    Parameters
    ----------
    model
        File of the model.
    target
        File to write.
    energies
        Energies (eV) by atomic number; those of other elements stay.
    replayed
        Energies (eV) of the head for replayed data. None: the same.
    """
    import torch  # noqa: PLC0415, optional

    module = torch.load(model, map_location="cpu", weights_only=False)
    block = module.atomic_energies_fn
    # Double precision: total energies of 1e5 eV would lose meV in single precision.
    table = block.atomic_energies.detach().double().clone()
    heads = list(getattr(module, "heads", None) or ["Default"])
    for head, row in zip(heads, table.reshape(-1, table.shape[-1]), strict=False):
        replays = replayed is not None and head == _REPLAY_HEAD
        wanted = replayed if replays and replayed is not None else energies
        for column, z in enumerate(module.atomic_numbers.tolist()):
            row[column] = wanted.get(z, row[column])
    block.atomic_energies = table
    content = io.BytesIO()
    torch.save(module, content)
    target.write_bytes(content.getvalue())


def restore_energies(model: Path) -> Path:
    """
    Put the reference energies back into a trained model.

    Parameters
    ----------
    model
        File of the model, in the folder of its run.

    Returns
    -------
    Path
        Another file of the same name; the model itself where MACE got total energies.

    Raises
    ------
    TrainingError
        If the model has reference energies already.
    """
    import torch  # noqa: PLC0415, optional

    if (kept := kept_energies(model.parent)) is None:
        return model
    data, start = kept
    module = torch.load(model, map_location="cpu", weights_only=False)
    if module.atomic_energies_fn.atomic_energies.abs().max() > 0:
        raise TrainingError(
            "mace_run_train was given energies without those of isolated atoms, and "
            "its model has reference energies: it took them from somewhere else"
        )
    restored = model.parent / _MODEL_FOLDER / model.name
    restored.parent.mkdir(exist_ok=True)
    change_energies(model, restored, start | data, start or None)
    return restored
