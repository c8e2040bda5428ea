"""Check the model that a fine-tuning starts from, and find its reference energies."""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols

from flowpot.dataset import Dataset
from flowpot.settings import given_path
from flowpot.training.backend import TrainingError
from flowpot.training.mace.energies import fit_energies
from flowpot.training.mace.files import first_energy_error
from flowpot.training.sets import TrainingSets

if TYPE_CHECKING:
    from flowpot.potentials.mace import MACEPotential

FROM_START = ("foundation", "estimated")
"""Values of the option E0s that need a model to start from."""
FITTED = ("average", *FROM_START)
"""Values of the option E0s that are no energies."""

START_FILE = "start.model"
_SAME = 1e-5
"""Largest relative difference between energies that went through single precision."""
_FACTOR, _ERROR = 2.0, 0.05
"""Largest ratio of MACE's first error to that of the start, beyond some eV/atom."""


def parse_energies(option: Any) -> dict[int, float] | str:
    """
    Read the option E0s: energies by atomic number, or the way to find them.

    Parameters
    ----------
    option
        A mapping, its text, a JSON file, or one of `FITTED`.

    Returns
    -------
    dict or str
        Energies (eV) by atomic number, or one of `FITTED`.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(option, str) and option.lower() in FITTED:
        return option.lower()
    content = option
    try:
        if isinstance(option, Path) or str(option).endswith(".json"):
            content = json.loads(given_path(option).read_text())
        elif isinstance(option, str):
            content = ast.literal_eval(option)
        energies = {int(z): float(energy) for z, energy in content.items()}
    except (OSError, ValueError, SyntaxError, TypeError, AttributeError) as error:
        raise ValueError(_unreadable(option)) from error
    known = all(0 < z < len(chemical_symbols) for z in energies)
    if not energies or not known or not all(map(math.isfinite, energies.values())):
        raise ValueError(_unreadable(option))
    return energies


def _unreadable(option: Any) -> str:
    return (
        f"hyperparameters has 'E0s': {option!r}: give energies (eV) by atomic number, "
        f"as in {{14: -150.3}}, a JSON file of them, or one of {', '.join(FITTED)}"
    )


def wanted_energies(
    option: dict[int, float] | str,
    start: "MACEPotential",
    start_e0s: Mapping[int, float],
    sets: TrainingSets,
    *,
    is_predecessor: bool,
) -> dict[int, float]:
    """
    Return the reference energies of a fine-tuned model.

    Parameters
    ----------
    option
        The option E0s, as `parse_energies` returns it.
    start
        The model to start from.
    start_e0s
        Its reference energies: see `start_energies`.
    sets
        The labelled frames.
    is_predecessor
        Whether the start is this potential of an earlier iteration. Its ``average`` or
        ``estimated`` energies stay: the weights are trained relative to them.

    Returns
    -------
    dict
        Energies (eV) by atomic number, of every element of the frames.
    """
    if not isinstance(option, str):
        return option
    energies = dict(start_e0s)
    if option == "estimated" and not is_predecessor:
        errors = sets.train.energy - start.evaluate(sets.train).energy
        for z, shift in fit_energies(sets.train, errors).items():
            energies[z] = round(start_e0s[z] + shift, 6)
    return {z: energies[z] for z in sets.species}


def start_energies(start: "MACEPotential", head: str | None = None) -> dict[int, float]:
    """
    Return the reference energies (eV) of a model, by atomic number.

    Parameters
    ----------
    start
        The model.
    head
        Head that mace_run_train starts from (``foundation_head``). None: that which
        the potential uses.
    """
    table = start.all_atomic_energies
    row = start.heads.index(head) if head in start.heads else start.head
    numbers = [chemical_symbols.index(symbol) for symbol in start.species]
    return dict(zip(numbers, table[row].tolist(), strict=True))


def options_of(start: Any) -> dict[str, Any]:
    """Return the options of mace_run_train that a model of MACE was made by."""
    model = start.model
    contraction = model.products[0].symmetric_contractions
    correlation = getattr(contraction, "contraction_degree", None)
    if correlation is None:
        correlation = len(contraction.contractions[0].weights) + 1
    blocks = [type(block).__name__ for block in model.interactions]
    return {
        "model": type(model).__name__,
        "num_interactions": len(blocks),
        "max_ell": model.interactions[0].edge_attrs_irreps.lmax,
        "correlation": int(correlation),
        "interaction_first": blocks[0],
        "interaction": blocks[-1],
    }


def check_elements(start: "MACEPotential", species: Sequence[int]) -> None:
    """
    Refuse a start that lacks an element, or does not list them by atomic number.

    Raises
    ------
    ValueError
        Naming the elements.
    """
    symbols = [chemical_symbols[z] for z in species]
    if unknown := sorted(set(symbols).difference(start.species)):
        raise ValueError(
            f"foundation_model knows {', '.join(start.species)}, and the dataset has "
            f"{', '.join(unknown)}: choose a foundation model that knows all elements "
            "of the dataset, or train from scratch"
        )
    numbers = [chemical_symbols.index(symbol) for symbol in start.species]
    if numbers != sorted(numbers):
        raise ValueError(
            f"foundation_model lists its elements as {', '.join(start.species)}: "
            "mace_run_train takes them by atomic number, and would exchange them; "
            "choose a model that mace_run_train has written"
        )


def check_energies(energies: Mapping[int, float], species: Sequence[int]) -> None:
    """Refuse reference energies that lack an element of the dataset."""
    missing = [chemical_symbols[z] for z in species if z not in energies]
    if missing:
        raise ValueError(
            f"hyperparameters has 'E0s' without {', '.join(missing)}, which the "
            "dataset has: give the energy of its isolated atom, by atomic number"
        )


def check_started(folder: Path, model: Path, options: Mapping[str, Any]) -> None:
    """
    Check that MACE started from the given model and kept the reference energies.

    Parameters
    ----------
    folder
        Folder of the run, with the start that `write_data` has written.
    model
        File of the trained model.
    options
        Options of mace_run_train.

    Raises
    ------
    TrainingError
        If the model has other reference energies than the options, or if MACE's first
        error on the validation set is far above that of the start.
    """
    from flowpot.potentials.mace import MACEPotential  # noqa: PLC0415, torch

    wanted = parse_energies(options["E0s"])
    trained = MACEPotential.from_file(model, "cpu").reference_energies
    for z, energy in wanted.items() if isinstance(wanted, dict) else ():
        kept = trained.get(chemical_symbols[z], energy)
        if abs(kept - energy) > _SAME * max(1.0, abs(energy)):
            raise TrainingError(
                f"the model's reference energy of {chemical_symbols[z]} is {kept} eV, "
                f"and {energy} eV was asked for: mace_run_train kept another"
            )
    first = first_energy_error(folder / "results")
    if first is None:
        return
    start = MACEPotential.from_file(folder / START_FILE, "cpu")
    val = Dataset.read(folder / str(options["valid_file"]))
    errors = (start.evaluate(val).energy - val.energy) / val.n_atoms
    start_error = float(np.sqrt(np.nanmean(errors**2)))
    if not first <= _FACTOR * start_error + _ERROR:
        raise TrainingError(
            f"mace_run_train's first energy error on the validation set is {first:.3g} "
            f"eV/atom, and that of the model it was to start from is {start_error:.3g} "
            "eV/atom: it started from something else"
        )
