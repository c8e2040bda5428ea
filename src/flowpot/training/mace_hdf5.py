"""Frames as HDF5 for MACE, made by its own ``mace_prepare_data``."""

from typing import Any

from flowpot.training.program import available_cores, find_program
from flowpot.training.sets import TrainingSets

_FOLDER = "processed"
_SAME = ("train_file", "valid_file", "E0s", "seed", "batch_size")


def preprocessing(
    options: dict[str, Any], cutoff: float, sets: TrainingSets
) -> list[str]:
    """
    Give the command that turns the files of frames into HDF5.

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
    """Give the options by which mace_run_train reads what the command made."""
    return {
        "train_file": f"{_FOLDER}/train",
        "valid_file": f"{_FOLDER}/val",
        "statistics_file": f"{_FOLDER}/statistics.json",
    }
