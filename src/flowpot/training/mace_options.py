"""The options of ``mace_run_train``: presets, and which a user may set."""

import difflib
import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

_FIXED = {
    "name": "the file names are flowpot's",
    "seed": "give `seed` to make",
    "device": "set the Maker's field `device`",
    "train_file": "give `dataset` to make",
    "valid_file": "give `dataset` to make",
    "test_file": "give `dataset` to make",
    "foundation_model": "set the Maker's field `foundation_model`",
    "multiheads_finetuning": "set the Maker's field `fine_tuning`",
    "restart_latest": "a killed training is resumed by itself",
    "config": "give its content as hyperparameters",
    **dict.fromkeys(
        ("energy_key", "forces_key", "stress_key"), "labels have flowpot's names"
    ),
    **dict.fromkeys(
        ("work_dir", "log_dir", "model_dir", "checkpoints_dir", "results_dir"),
        "a training runs in a folder of its own",
    ),
}


_OTHER_FOUNDATIONS = ("small_off", "medium_off", "large_off", "mace_omol")
"""What mace_run_train knows besides its Materials Project models."""


def default_hyperparameters() -> dict[str, Any]:
    """
    Give the paper's settings, by ``mace_run_train``'s names; the rest is MACE's.

    Two layers, 4.5 A, batches of 1, up to 500 epochs, exponential moving average,
    a second stage with more weight on energies: the reference's example and the
    paper's Methods. ``model: MACE`` leaves the isolated atoms' energies exact, which
    ``ScaleShiftMACE`` shifts.
    """
    return {
        "model": "MACE",
        "r_max": 4.5,
        "num_interactions": 2,
        "batch_size": 1,
        "max_num_epochs": 500,
        "default_dtype": "float64",
        "loss": "universal",
        "error_table": "PerAtomRMSEstressvirials",
        "compute_stress": True,
        "ema": True,
        "ema_decay": 0.99,
        "amsgrad": True,
        "swa": True,
        "patience": 1000,
        "plot": False,
        "save_cpu": True,
    }


def small_hyperparameters() -> dict[str, Any]:
    """
    Give settings for minutes on a laptop: a small model that is still a sane one.

    32 eight-atom cells of silicon train in 11 s on one core (plus MACE's 8 s to start
    and end), to 4 meV/atom and 0.12 eV/A where forces have a spread of 2 eV/A.
    """
    return {
        **default_hyperparameters(),
        "hidden_irreps": "16x0e",
        "max_ell": 2,
        "correlation": 2,
        "r_max": 4.2,
        "batch_size": 5,
        "max_num_epochs": 40,
        "lr": 0.02,
        "scheduler": "ExponentialLR",
        "lr_scheduler_gamma": 0.94,
        "ema_decay": 0.95,
        "energy_weight": 1.0,
        "forces_weight": 10.0,
        "stress_weight": 100.0,
        "default_dtype": "float32",
        "swa": False,
    }


def check_foundation(name: str) -> None:
    """
    Refuse a foundation model that is neither a file nor a name that MACE downloads.

    Raises
    ------
    ValueError
        With the nearest name.
    """
    with redirect_stdout(io.StringIO()):  # importing mace prints a line
        from mace.calculators.foundations_models import (  # noqa: PLC0415
            mace_mp_names,
        )

    known = {*filter(None, mace_mp_names), *_OTHER_FOUNDATIONS}
    if name not in known and not Path(name).is_file():
        near = difflib.get_close_matches(name, known, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"foundation_model is {name!r}{hint}: give a file that the worker sees, or "
            f"one of {', '.join(sorted(known))}"
        )


def check_options(hyperparameters: dict[str, Any]) -> None:
    """
    Refuse options that are not mace_run_train's, or that flowpot sets.

    Raises
    ------
    ValueError
        Naming the option, and the nearest one that exists.
    """
    with redirect_stdout(io.StringIO()):  # importing mace prints a line
        from mace.tools import build_default_arg_parser  # noqa: PLC0415, takes seconds

    actions = build_default_arg_parser()._actions  # noqa: SLF001, its only listing
    known = {o.lstrip("-") for action in actions for o in action.option_strings}
    for name in hyperparameters:
        if name in _FIXED:
            raise ValueError(f"hyperparameters has {name!r}: {_FIXED[name]}")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(
                f"hyperparameters has {name!r}, which mace_run_train does not know"
                f"{hint}: `mace_run_train --help` lists its options"
            )
