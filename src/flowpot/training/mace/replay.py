"""The foundation's own frames, which MACE's multi-head fine-tuning replays."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ase.io

from flowpot.dataset import Artifact, Dataset
from flowpot.training.mace.energies import without_energies
from flowpot.training.sets import periodic_dataset

REPLAY_FILES = ("pt_train_file", "pt_valid_file")
DATA_SETS = ("mp", "omat", "matpes_pbe", "matpes_r2scan")
"""What mace_run_train (0.3.16) downloads by name."""
_ENERGY = "REF_energy"
_FLOWPOT = ".h5"
_OTHER_FORMATS = (".h5", ".hdf5", ".aselmdb", ".lmdb")


def frames_to_replay(options: Mapping[str, Any]) -> dict[str, Path | Artifact]:
    """
    Find the replay data among the options, as far as they can be read as frames.

    MACE's own HDF5, LMDB and the data sets that it downloads cannot.
    """
    given = {name: options[name] for name in REPLAY_FILES if options.get(name)}
    return {
        name: data if isinstance(data, Artifact) else Path(data).expanduser()
        for name, data in given.items()
        if isinstance(data, Artifact)
        or (Path(data).expanduser().is_file() and not data.endswith(_OTHER_FORMATS))
    }


def write_replay(
    given: Path | Artifact,
    target: Path,
    energies: Mapping[int, float],
    cutoff: float,
) -> str:
    """
    Write the frames to replay without the atoms' reference energies.

    Parameters
    ----------
    given
        A file that ASE reads, with MACE's keys (``REF_energy``); or an Artifact of
        one, or of a flowpot dataset (``.h5``).
    target
        File to write.
    energies
        Reference energies (eV) of the model that learned these frames.
    cutoff
        The model's, in A.

    Returns
    -------
    str
        The file's name.
    """
    if isinstance(given, Artifact) and given.name.endswith(_FLOWPOT):
        frames = without_energies(Dataset.load(given).labelled, energies)
        periodic_dataset(frames, cutoff).write(target)
        return target.name
    if isinstance(given, Artifact):
        given = given.to_file(target.with_name(f"given-{target.stem}-{given.name}"))
    written = list(ase.io.iread(given, ":"))
    for atoms in written:
        if _ENERGY in atoms.info:
            found = sum(energies.get(int(z), 0.0) for z in atoms.numbers)
            atoms.info[_ENERGY] -= found
    ase.io.write(target, written, format="extxyz")
    return target.name
