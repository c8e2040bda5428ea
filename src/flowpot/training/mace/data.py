"""Write the input of a MACE training: frames, and the model that it starts from."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowpot.dataset.sets import TRAIN, VAL
from flowpot.training.backend import Run
from flowpot.training.mace.energies import (
    Energies,
    change_energies,
    fit_energies,
    keep_energies,
    without_energies,
)
from flowpot.training.mace.files import (
    REPLAY_FILES,
    STATISTICS_FILE,
    frames_to_replay,
    statistics_energies,
    statistics_without_energies,
    write_replay,
)
from flowpot.training.mace.start import (
    START_FILE,
    check_elements,
    check_energies,
    parse_energies,
    start_energies,
    wanted_energies,
)
from flowpot.training.sets import TrainingSets, periodic_dataset

if TYPE_CHECKING:
    from flowpot.potentials.mace import MACEPotential

_LARGEST_NAMED_CUTOFF = 7.0
"""Vacuum (A) for models that MACE downloads by name, with cutoffs of 6 A at most."""


def write_data(
    options: dict[str, Any], sets: TrainingSets, run: Run
) -> tuple[float, dict[str, Any]]:
    """
    Write the sets, the model to start from and the frames to replay.

    The energies of isolated atoms (1e5 eV with some pseudopotentials) dwarf what single
    precision resolves. They are subtracted from all frames, MACE and the model that it
    starts from get zeros instead, and `restore_energies` puts them into the trained
    model. This is impossible where MACE downloads the model or the frames to replay,
    or where the user sets ``heads``: MACE then gets total energies.

    Parameters
    ----------
    options
        Options of mace_run_train.
    sets
        The labelled frames.
    run
        The run, in whose folder to write.

    Returns
    -------
    tuple
        The cutoff (A), and the options that name the written files.
    """
    from flowpot.potentials.mace import MACEPotential  # noqa: PLC0415, torch

    start = options.get("foundation_model") or ""
    replays = bool(options.get("multiheads_finetuning"))
    potential = None
    if start and (run.folder / start).exists():
        potential = MACEPotential.from_file(run.folder / start, "cpu")
    if potential:
        check_model(potential, options, sets.species)
    cutoff = potential.cutoff if potential else float(options["r_max"])
    if start and not potential:
        cutoff = _LARGEST_NAMED_CUTOFF
    head = options.get("foundation_head")
    start_e0s = start_energies(potential, head) if potential else {}
    wanted = _wanted(options, potential, start_e0s, sets, run)
    removed: Energies = {}
    is_written = bool(potential) or not start
    if isinstance(wanted, dict) and is_written and _takes_zeros(options):
        removed = wanted
        keep_energies(run.folder, removed, start_e0s)
    told = dict.fromkeys(sets.species, 0.0) if removed else wanted
    for name, frames in ((TRAIN, sets.train), (VAL, sets.val)):
        periodic = periodic_dataset(without_energies(frames, removed), cutoff)
        periodic.write(run.folder / f"{name}.xyz")
    written = {
        "E0s": told if isinstance(told, str) else repr(told),
        "train_file": "train.xyz",
        "valid_file": "val.xyz",
        **_write_replay(options, start_e0s if removed else {}, run.folder, cutoff),
    }
    if removed and (path := options.get(STATISTICS_FILE)):
        written[STATISTICS_FILE] = statistics_without_energies(path, run.folder)
    if potential and isinstance(wanted, dict) and (removed or not replays):
        energies = dict.fromkeys(start_e0s, 0.0) if removed else wanted
        change_energies(run.folder / start, run.folder / START_FILE, energies)
        written["foundation_model"] = START_FILE
    return cutoff, written


def check_model(
    start: "MACEPotential", options: Mapping[str, Any], species: Sequence[int]
) -> None:
    """
    Refuse what MACE (0.3.16) fails on, or silently replaces by something else.

    Parameters
    ----------
    start
        The model to start from.
    options
        Options of mace_run_train.
    species
        Atomic numbers in the frames.

    Raises
    ------
    ValueError
        Naming the option and the remedy.
    """
    if options.get("multiheads_finetuning"):
        if not options.get("pt_train_file"):
            raise ValueError(
                "fine_tuning is 'replay' from a model file, without data to replay: "
                "set hyperparameters={'pt_train_file': ...}, or fine_tuning='naive'"
            )
        if len(start.species) == 1:
            raise ValueError(
                "fine_tuning is 'replay' and the foundation model knows "
                f"{start.species[0]} alone: mace_run_train replays models of two "
                "elements or more; set fine_tuning='naive'"
            )
    check_elements(start, species)


def _wanted(
    options: dict[str, Any],
    start: "MACEPotential | None",
    start_e0s: Energies,
    sets: TrainingSets,
    run: Run,
) -> Energies | str:
    """Return the reference energies of the trained model; a word if MACE finds them."""
    option = options.get("E0s")
    if path := options.get(STATISTICS_FILE):
        option = statistics_energies(path)
    if option is None:
        return {int(z): float(e) for z, e in sets.reference_energies().items()}
    energies = parse_energies(option)
    if not isinstance(energies, str):
        check_energies(energies, sets.species)
        return energies
    if start is not None:
        is_predecessor = run.start is not None
        return wanted_energies(
            energies, start, start_e0s, sets, is_predecessor=is_predecessor
        )
    if options.get("foundation_model"):
        return energies
    fitted = fit_energies(sets.train, sets.train.energy)
    return dict.fromkeys(sets.species, 0.0) | fitted


def _takes_zeros(options: dict[str, Any]) -> bool:
    """Say whether all frames that MACE reads are written by flowpot."""
    if options.get("heads"):
        return False
    if not options.get("multiheads_finetuning"):
        return True
    replayed = {name for name in REPLAY_FILES if options.get(name)}
    return replayed <= set(frames_to_replay(options))


def _write_replay(
    options: dict[str, Any], removed: Energies, folder: Path, cutoff: float
) -> dict[str, str | None]:
    """Write the frames to replay; return the options, None for unused ones."""
    if not options.get("multiheads_finetuning"):
        return {name: None for name in REPLAY_FILES if options.get(name)}
    return {
        name: write_replay(frames, folder / f"{name}.xyz", removed, cutoff)
        for name, frames in frames_to_replay(options).items()
    }
