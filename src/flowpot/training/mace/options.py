"""Options of ``mace_run_train``: presets, and those that a user may set."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.resources import files
from pathlib import Path
from typing import Any

from flowpot.settings import fixed_path, given_path
from flowpot.training.mace.files import REPLAY_FILES, STATISTICS_FILE
from flowpot.training.mace.ranges import check_given, check_range
from flowpot.validation import nearest, one_of

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
"""Options that flowpot sets, and what to do instead."""
_FILES = (*REPLAY_FILES, STATISTICS_FILE, "E0s")
"""Options that may be files."""
_OTHER_FOUNDATIONS = ("small_off", "medium_off", "large_off", "mace_omol")
"""Names that mace_run_train knows besides its Materials Project models."""


def default_hyperparameters() -> dict[str, Any]:
    """
    Return flowpot's defaults, by ``mace_run_train``'s names; the rest is MACE's.

    They are those of the AiiDA-TrainsPot paper and of its example: two layers, 4.5 A,
    batches of 1, up to 500 epochs, an exponential moving average, and a second stage
    with more weight on energies. ``model: MACE`` reproduces the energies of isolated
    atoms exactly; ``ScaleShiftMACE`` shifts them.
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
    Return options of a small but physical model, for minutes on a laptop.

    Training on 32 eight-atom cells of silicon takes 11 s on one core (and MACE's 8 s to
    start and end). Its errors are 4 meV/atom and 0.12 eV/A, where forces have a spread
    of 2 eV/A.

    Angular resolution and body order are 2. With MACE's own 3 (``max_ell=3,
    correlation=3``) a training takes half as long again; of 100 frames of silicon's
    dynamics a model learned energies to 2.3 instead of 3.5 meV/atom and forces to 55
    instead of 62 meV/A, and a campaign of several phases needs it: with 2 it learned
    its own labels of a metallic phase to 100 meV/atom, which no further label mends.
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


def convertible_hyperparameters() -> dict[str, Any]:
    """
    Return options of models that every engine of `LammpsMDMaker` can evaluate.

    They are flowpot's defaults with what symmetrix asks for set once and for all; the
    number of channels (``hidden_irreps``), the cutoff and the training are free.
    """
    return {
        **default_hyperparameters(),
        "model": "MACE",
        "num_interactions": 2,
        "max_ell": 3,
        "correlation": 3,
        "interaction_first": "RealAgnosticInteractionBlock",
        "interaction": "RealAgnosticResidualInteractionBlock",
    }


def check_foundation(name: str) -> None:
    """
    Refuse a foundation model that is no file, and no name that MACE downloads.

    Raises
    ------
    ValueError
        Naming the nearest one.
    """
    with redirect_stdout(io.StringIO()):  # importing mace prints a line
        from mace.calculators.foundations_models import (  # noqa: PLC0415
            mace_mp_names,
        )

    known = {*filter(None, mace_mp_names), *_OTHER_FOUNDATIONS}
    if name not in known:
        raise ValueError(
            f"foundation_model is {name!r}{nearest(name, known)}: give a file that "
            f"the worker sees, or one of {', '.join(sorted(known))}"
        )


def fixed_files(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """Return the options with absolute paths: the program runs in another folder."""
    paths = {name: fixed_path(path) for name, path in _files(hyperparameters)}
    return hyperparameters | paths


def files_here(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """Return the options with the paths that files have on this machine."""
    files = _files(hyperparameters)
    return hyperparameters | {
        name: str(given_path(path).absolute()) for name, path in files
    }


def _files(hyperparameters: dict[str, Any]) -> Iterator[tuple[str, str | Path]]:
    """Yield the options that are files, and their paths as given."""
    for name in _FILES:
        value = hyperparameters.get(name)
        # MACE knows data sets by name, and E0s may be a long mapping.
        is_mapping = isinstance(value, str) and value.lstrip().startswith("{")
        if isinstance(value, Path) or (
            isinstance(value, str) and not is_mapping and given_path(value).is_file()
        ):
            yield name, value


def known_options() -> dict[str, str | list[str]]:
    """
    Return mace_run_train's options, each with the type of its value or its choices.

    The table holds the options of the mace-torch versions that flowpot requires, so
    that a machine without mace-torch can plan a campaign. A test compares them.
    """
    table = files("flowpot.training.mace").joinpath("mace_run_train.json")
    return json.loads(table.read_text())


def check_options(hyperparameters: dict[str, Any]) -> None:
    """
    Refuse options that mace_run_train lacks, that flowpot sets, or that cannot be.

    Raises
    ------
    ValueError
        Naming the option, and the nearest one that exists.
    """
    known = known_options()
    for name, value in hyperparameters.items():
        if name in _FIXED:
            raise ValueError(f"hyperparameters has {name!r}: {_FIXED[name]}")
        if name not in known:
            raise ValueError(
                f"hyperparameters has {name!r}, which mace_run_train does not know"
                f"{nearest(name, known)}: `mace_run_train --help` lists its options"
            )
        place, kind = f"hyperparameters[{name!r}]", known[name]
        if value is None:
            check_given(name, kind, place)
            continue
        read = value
        if isinstance(kind, list):
            one_of(kind, **{place: value})
        elif kind in _READERS:
            try:
                read = _READERS[kind](value)
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"{place} is {value!r}: mace_run_train reads {_NAMES[kind]}"
                ) from error
        check_range(name, read, place)


def _boolean(value: Any) -> bool:
    """Read a truth value as MACE does."""
    if str(value).lower() not in _TRUTHS:
        raise ValueError(value)
    return bool(value)


def _whole(value: Any) -> int:
    """Read an integer as MACE does, from a text or a number."""
    if isinstance(value, bool):
        raise TypeError(value)
    return int(str(value))


_TRUTHS = ("yes", "true", "t", "y", "1", "no", "false", "f", "n", "0")
_READERS: dict[str, Callable[[Any], Any]] = {
    "int": _whole,
    "float": float,
    "bool": _boolean,
}
_NAMES = {"int": "a whole number", "float": "a number", "bool": "true or false"}
