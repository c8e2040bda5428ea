"""The model that MACE's fine-tuning starts from, and its reference energies."""

import ast
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols

from flowpot.dataset import Dataset
from flowpot.training.backend import TrainingError
from flowpot.training.mace.energies import fit_energies
from flowpot.training.mace.loss import first_energy_error
from flowpot.training.sets import TrainingSets

if TYPE_CHECKING:
    from flowpot.potentials.mace import MACEPotential

FROM_START = ("foundation", "estimated")
"""Values of E0s by which the start gives them: as they are, or fitted to the data."""
FITTED = ("average", *FROM_START)

START_FILE = "start.model"
_SAME = 1e-5
"""Largest relative difference between energies that went through single precision."""
_SANE_FACTOR, _SANE_ERROR = 2.0, 0.05
"""How far (factor; eV/atom) MACE's first error may lie over the start's own."""


def parse_energies(given: Any) -> dict[int, float] | str:
    """
    Read the option E0s: energies by atomic number, or how MACE is to find them.

    Parameters
    ----------
    given
        A mapping, its text, a JSON file, or one of `FITTED`.

    Returns
    -------
    dict or str
        Energies (eV) by atomic number, or the word.

    Raises
    ------
    ValueError
        For anything else.
    """
    if isinstance(given, str) and given.lower() in FITTED:
        return given.lower()
    found = given
    try:
        if isinstance(given, str):
            is_file = given.endswith(".json")
            found = json.loads(Path(given).read_text()) if is_file else None
            found = found or ast.literal_eval(given)
        energies = {int(z): float(energy) for z, energy in found.items()}
    except (OSError, ValueError, SyntaxError, TypeError, AttributeError) as error:
        raise ValueError(_unreadable(given)) from error
    known = all(0 < z < len(chemical_symbols) for z in energies)
    if not energies or not known or not all(map(math.isfinite, energies.values())):
        raise ValueError(_unreadable(given))
    return energies


def wanted_energies(
    given: dict[int, float] | str,
    start: "MACEPotential",
    own: Mapping[int, float],
    sets: TrainingSets,
    *,
    is_predecessor: bool,
) -> dict[int, float]:
    """
    Find the reference energies that a fine-tuned model is to have.

    Parameters
    ----------
    given
        What `parse_energies` returns.
    start
        The model to start from.
    own
        Its energies: see `start_energies`.
    sets
        The frames.
    is_predecessor
        Whether the start is this potential of an earlier iteration. ``average`` and
        ``estimated`` energies were fitted then and stay: what the weights have learnt
        is relative to them.

    Returns
    -------
    dict
        Energies (eV) by atomic number, of every element of the frames.
    """
    if not isinstance(given, str):
        return given
    energies = dict(own)
    if given == "estimated" and not is_predecessor:
        energies |= _estimated(start, own, sets.train)
    return {z: energies[z] for z in sets.species}


def start_energies(start: "MACEPotential", head: str | None = None) -> dict[int, float]:
    """
    Return the reference energies (eV) of a model, by atomic number.

    Parameters
    ----------
    start
        The model.
    head
        Which of its heads mace_run_train starts from (``foundation_head``).
    """
    table = start.all_atomic_energies
    row = start.heads.index(head) if head in start.heads else start.head
    numbers = [chemical_symbols.index(symbol) for symbol in start.species]
    return dict(zip(numbers, table[row].tolist(), strict=True))


def check_elements(start: "MACEPotential", species: Sequence[int]) -> None:
    """
    Refuse a start that does not know an element, or orders them as MACE does not.

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
    Check that a fine-tuning began with what it was given, and ended with its energies.

    Parameters
    ----------
    folder
        The run's, with the start that `write_data` wrote.
    model
        The trained model.
    options
        mace_run_train's.

    Raises
    ------
    TrainingError
        Where the model has other reference energies than were asked for, or where
        MACE's first error on the validation set is far above the start's own.
    """
    from flowpot.potentials.mace import MACEPotential  # noqa: PLC0415, torch

    wanted = parse_energies(options["E0s"])
    trained = MACEPotential.from_file(model, "cpu").reference_energies
    for z, energy in wanted.items() if isinstance(wanted, dict) else ():
        found = trained.get(chemical_symbols[z], energy)
        if abs(found - energy) > _SAME * max(1.0, abs(energy)):
            raise TrainingError(
                f"the model's reference energy of {chemical_symbols[z]} is {found} eV, "
                f"and {energy} eV was asked for: mace_run_train kept another"
            )
    first = first_energy_error(folder / "results")
    if first is None:
        return
    start = MACEPotential.from_file(folder / START_FILE, "cpu")
    val = Dataset.read(folder / str(options["valid_file"]))
    errors = (start.evaluate(val).energy - val.energy) / val.n_atoms
    own = float(np.sqrt(np.nanmean(errors**2)))
    if not first <= _SANE_FACTOR * own + _SANE_ERROR:
        raise TrainingError(
            f"mace_run_train's first energy error on the validation set is {first:.3g} "
            f"eV/atom, and that of the model it was to start from is {own:.3g} eV/atom:"
            " it started from something else"
        )


def _estimated(
    start: "MACEPotential", own: Mapping[int, float], train: Dataset
) -> dict[int, float]:
    """Fit the start's energies to the data, by least squares over the frames."""
    shifts = fit_energies(train, train.energy - start.evaluate(train).energy)
    return {z: round(own[z] + shift, 6) for z, shift in shifts.items()}


def _unreadable(given: Any) -> str:
    return (
        f"hyperparameters has 'E0s': {given!r}: give energies (eV) by atomic number, "
        f"as in {{14: -150.3}}, a JSON file of them, or one of {', '.join(FITTED)}"
    )
