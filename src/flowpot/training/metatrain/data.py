"""Write the frames that metatrain reads, and read the losses that it writes."""

import csv
from pathlib import Path
from typing import Any

import ase.io
import numpy as np

from flowpot.dataset import Dataset
from flowpot.training.sets import periodic_dataset

_VACUUM = 10.0
"""Vacuum (A) along non-periodic axes: more than the cutoffs in use."""


def describe_frames(name: str, *, stress: bool) -> dict[str, Any]:
    """
    Describe a file of frames, as metatrain's options do.

    Parameters
    ----------
    name
        Name of a file that `write_frames` has written.
    stress
        Whether to train on stress. Without a key of forces or stress, metatrain does
        not train on them and only warns.
    """
    energy: dict[str, Any] = {
        "quantity": "energy",
        "key": "REF_energy",
        "unit": "eV",
        "forces": {"key": "REF_forces"},
        "stress": {"key": "REF_stress"} if stress else False,
    }
    systems = {"read_from": name, "length_unit": "angstrom"}
    return {"systems": systems, "targets": {"energy": energy}}


def write_frames(frames: Dataset, path: Path) -> bool:
    """
    Write frames as metatrain reads them, in periodic cells.

    Each frame is given a stress, NaN where it is unknown: metatrain leaves NaN out of
    the loss, but ignores the stress of all frames if a single one has none.

    Returns
    -------
    bool
        Whether the stress of any frame is known.
    """
    periodic = periodic_dataset(frames, _VACUUM)
    images = list(periodic.without_labels())
    for i, atoms in enumerate(images):
        rows = slice(periodic.offsets[i], periodic.offsets[i + 1])
        atoms.info = {
            "REF_stress": periodic.stress[i],
            "REF_energy": float(periodic.energy[i]),
        }
        atoms.arrays["REF_forces"] = periodic.forces[rows]
    ase.io.write(path, images, format="extxyz")
    return bool(np.isfinite(periodic.stress).any())


def read_loss_curve(folder: Path) -> dict[str, list[float]]:
    """
    Read the loss of each epoch from metatrain's ``train.csv`` files.

    Returns
    -------
    dict
        Columns ``epoch``, ``train`` and ``val``.
    """
    rows: dict[int, tuple[float, float]] = {}
    for path in sorted(folder.rglob("train.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                losses = row["training loss"], row["validation loss"]
                # The second line has the units, and the last one may be incomplete.
                if (row["Epoch"] or "").strip() and losses[1]:
                    rows[int(row["Epoch"])] = float(losses[0]), float(losses[1])
    epochs = sorted(rows)
    return {
        "epoch": [float(epoch) for epoch in epochs],
        "train": [rows[epoch][0] for epoch in epochs],
        "val": [rows[epoch][1] for epoch in epochs],
    }
