"""Frames as HDF5 for MACE, made by its own ``mace_prepare_data``."""

import ast
import json
from pathlib import Path
from typing import Any

from flowpot.training.program import available_cores, find_program
from flowpot.training.sets import TrainingSets

STATISTICS_FILE = "statistics_file"
"""Name of the option."""
_FOLDER = "processed"
_SAME = ("train_file", "valid_file", "E0s", "seed", "batch_size")


def preprocessing(
    options: dict[str, Any], cutoff: float, sets: TrainingSets
) -> list[str]:
    """
    Return the command that turns the files of frames into HDF5.

    Parameters
    ----------
    options
        mace_run_train's.
    cutoff
        Of the model, in A.
    sets
        The frames: each process writes a file of some of them.
    """
    processes = min(available_cores(), len(sets.train), len(sets.val))
    command = [find_program("mace_prepare_data", "mace"), "--compute_statistics"]
    command += ["--h5_prefix", f"{_FOLDER}/", "--r_max", str(cutoff)]
    command += ["--num_process", str(processes)]
    for name in _SAME:
        command += [f"--{name}", str(options[name])]
    return command


def preprocessed() -> dict[str, str]:
    """Return the options by which mace_run_train reads what the command made."""
    return {
        "train_file": f"{_FOLDER}/train",
        "valid_file": f"{_FOLDER}/val",
        STATISTICS_FILE: f"{_FOLDER}/statistics.json",
    }


def statistics_energies(path: str | Path) -> dict[int, float]:
    """Read the reference energies (eV) in a file of such statistics."""
    given = json.loads(Path(path).read_text())["atomic_energies"]
    if isinstance(given, str) and given.endswith(".json"):
        given = json.loads(Path(given).read_text())
    if isinstance(given, str):
        given = ast.literal_eval(given)
    return {int(z): float(energy) for z, energy in given.items()}


def statistics_without_energies(path: str | Path, folder: Path) -> str:
    """Write such a file, with energies of zero, to a folder; return its name."""
    content = json.loads(Path(path).read_text())
    zeros = dict.fromkeys(statistics_energies(path), 0.0)
    name = "statistics.json"
    (folder / name).write_text(json.dumps(content | {"atomic_energies": str(zeros)}))
    return name
