"""Files that MACE reads, frames as HDF5 and to replay, and the losses it writes."""

import ast
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import ase.io
import numpy as np

from flowpot.dataset import Artifact, Dataset
from flowpot.settings import given_path
from flowpot.training.mace.energies import without_energies
from flowpot.training.program import available_cores, find_program
from flowpot.training.sets import TrainingSets, periodic_dataset, without_forces

STATISTICS_FILE = "statistics_file"
"""Option of mace_run_train: the file of the data set's statistics."""
_FOLDER = "processed"
_SHARED = ("train_file", "valid_file", "E0s", "seed", "batch_size")
REPLAY_FILES = ("pt_train_file", "pt_valid_file")
"""Options of mace_run_train: files of the frames to replay."""
DATA_SETS = ("mp", "omat", "matpes_pbe", "matpes_r2scan")
"""Data sets that mace_run_train (0.3.16) downloads by name."""
_ENERGY = "REF_energy"
_FLOWPOT = ".h5"
_OTHER_FORMATS = (".h5", ".hdf5", ".aselmdb", ".lmdb")


def preprocessing(
    options: dict[str, Any], cutoff: float, sets: TrainingSets
) -> list[str]:
    """
    Return the command that turns the files of frames into HDF5.

    Parameters
    ----------
    options
        Options of mace_run_train.
    cutoff
        Cutoff of the model, in A.
    sets
        The frames; each process writes a file of some of them.
    """
    processes = min(available_cores(), len(sets.train), len(sets.val))
    command = [find_program("mace_prepare_data", "mace"), "--compute_statistics"]
    command += ["--h5_prefix", f"{_FOLDER}/", "--r_max", str(cutoff)]
    command += ["--num_process", str(processes)]
    for name in _SHARED:
        command += [f"--{name}", str(options[name])]
    return command


def preprocessed() -> dict[str, str]:
    """Return the options by which mace_run_train reads the HDF5 files."""
    return {
        "train_file": f"{_FOLDER}/train",
        "valid_file": f"{_FOLDER}/val",
        STATISTICS_FILE: f"{_FOLDER}/statistics.json",
    }


def statistics_energies(path: str | Path) -> dict[int, float]:
    """Read the reference energies (eV) by atomic number from a statistics file."""
    energies = json.loads(given_path(path).read_text())["atomic_energies"]
    if isinstance(energies, str) and energies.endswith(".json"):
        energies = json.loads(given_path(energies).read_text())
    if isinstance(energies, str):
        energies = ast.literal_eval(energies)
    return {int(z): float(energy) for z, energy in energies.items()}


def statistics_without_energies(path: str | Path, folder: Path) -> str:
    """Write a copy of a statistics file with zero energies; return its name."""
    content = json.loads(Path(path).read_text())
    zeros = dict.fromkeys(statistics_energies(path), 0.0)
    name = "statistics.json"
    (folder / name).write_text(json.dumps(content | {"atomic_energies": str(zeros)}))
    return name


def frames_to_replay(options: Mapping[str, Any]) -> dict[str, Path | Artifact]:
    """
    Return the files to replay that flowpot can read, by their options.

    MACE's own HDF5 and LMDB files, and data sets that it downloads, are left out.
    """
    files = {name: options[name] for name in REPLAY_FILES if options.get(name)}
    return {
        name: data if isinstance(data, Artifact) else given_path(data)
        for name, data in files.items()
        if isinstance(data, Artifact)
        or (given_path(data).is_file() and not str(data).endswith(_OTHER_FORMATS))
    }


def write_replay(
    source: Path | Artifact,
    target: Path,
    energies: Mapping[int, float],
    cutoff: float,
) -> str:
    """
    Write the frames to replay without the atoms' reference energies.

    Parameters
    ----------
    source
        A file that ASE reads, with MACE's keys (``REF_energy``); or an Artifact of
        one, or of a flowpot dataset (``.h5``).
    target
        File to write.
    energies
        Reference energies (eV) of the model that was trained on these frames, by
        atomic number.
    cutoff
        Cutoff of the model, in A.

    Returns
    -------
    str
        Name of the written file.
    """
    if isinstance(source, Artifact) and source.name.endswith(_FLOWPOT):
        given = Dataset.load(source)
        if n := without_forces(given):
            warnings.warn(
                f"{n} frame(s) to replay have an energy and no forces, and are left "
                "out: calculate their forces",
                stacklevel=2,
            )
        frames = without_energies(given.labelled, energies)
        periodic_dataset(frames, cutoff).write(target)
        return target.name
    if isinstance(source, Artifact):
        source = source.to_file(target.with_name(f"given-{target.stem}-{source.name}"))
    images = list(ase.io.iread(source, ":"))
    for atoms in images:
        if _ENERGY in atoms.info:
            atoms.info[_ENERGY] -= sum(energies.get(int(z), 0.0) for z in atoms.numbers)
    ase.io.write(target, images, format="extxyz")
    return target.name


def read_loss_curve(folder: Path) -> dict[str, list[float]]:
    """
    Read the loss of each epoch from MACE's results.

    Epochs that a resumed training has repeated replace the earlier ones.

    Parameters
    ----------
    folder
        MACE's folder ``results``.

    Returns
    -------
    dict
        Columns ``epoch``; ``train``, the mean over the epoch's batches; ``val``, the
        loss on the validation set after the epoch.
    """
    train: dict[int, list[float]] = {}
    val: dict[int, float] = {}
    for path in sorted(folder.glob("*_train.txt")):
        resumed = False
        for entry in _entries(path):
            epoch = entry.get("epoch")
            if epoch is None:  # MACE evaluates once before it trains
                resumed = True
            elif entry["mode"] == "opt":
                if resumed:
                    train = {n: train[n] for n in train if n < epoch}
                resumed = False
                train.setdefault(epoch, []).append(entry["loss"])
            elif entry.get("head") != "pt_head":
                val[epoch] = entry["loss"]
    epochs = sorted(train)
    return {
        "epoch": [float(epoch) for epoch in epochs],
        "train": [float(np.mean(train[epoch])) for epoch in epochs],
        "val": [float(val.get(epoch, np.nan)) for epoch in epochs],
    }


def first_energy_error(folder: Path) -> float | None:
    """
    Read the error on the validation set before the first step, from MACE's results.

    Parameters
    ----------
    folder
        MACE's folder ``results``.

    Returns
    -------
    float or None
        Root mean square error of the energy (eV/atom); None where MACE wrote none.
    """
    for path in sorted(folder.glob("*_train.txt")):
        entry = next(_entries(path), {})
        if entry.get("epoch", 0) is None:
            return entry.get("rmse_e_per_atom")
    return None


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        with suppress(json.JSONDecodeError):  # a line that a kill has cut off
            yield json.loads(line)
