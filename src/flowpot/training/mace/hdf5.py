"""Convert frames to HDF5 by MACE's own ``mace_prepare_data``."""

import ast
import json
from pathlib import Path
from typing import Any

from flowpot.training.program import available_cores, find_program
from flowpot.training.sets import TrainingSets

STATISTICS_FILE = "statistics_file"
"""Option of mace_run_train: the file of the data set's statistics."""
_FOLDER = "processed"
_SHARED = ("train_file", "valid_file", "E0s", "seed", "batch_size")


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
    energies = json.loads(Path(path).read_text())["atomic_energies"]
    if isinstance(energies, str) and energies.endswith(".json"):
        energies = json.loads(Path(energies).read_text())
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
