"""The loss of each epoch, from what ``mace_run_train`` writes."""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


def read_loss_curve(folder: Path) -> dict[str, list[float]]:
    """
    Read the loss of each epoch from MACE's results.

    Epochs that a resumed training did again replace those before.

    Parameters
    ----------
    folder
        MACE's ``results``.

    Returns
    -------
    dict
        ``epoch``; ``train``, the mean over the epoch's batches; ``val``, after it.
    """
    train: dict[int, list[float]] = defaultdict(list)
    val: dict[int, float] = {}
    for path in sorted(folder.glob("*_train.txt")):
        resumed = False
        for entry in _entries(path):
            epoch = entry.get("epoch")
            if epoch is None:  # MACE evaluates once before it trains
                resumed = True
            elif entry["mode"] == "opt":
                if resumed:
                    _forget(train, epoch)
                resumed = False
                train[epoch].append(entry["loss"])
            elif entry.get("head") != "pt_head":
                val[epoch] = entry["loss"]
    epochs = sorted(train)
    return {
        "epoch": [float(epoch) for epoch in epochs],
        "train": [float(np.mean(train[epoch])) for epoch in epochs],
        "val": [float(val.get(epoch, np.nan)) for epoch in epochs],
    }


def first_energy_error(folder: Path) -> float | None:
    """
    Read the error on the validation set before the first step, from MACE's results.

    Parameters
    ----------
    folder
        MACE's ``results``.

    Returns
    -------
    float or None
        Root mean square error of the energy (eV/atom); None where none is written.
    """
    for path in sorted(folder.glob("*_train.txt")):
        entry = next(_entries(path), {})
        if entry.get("epoch", 0) is None:
            return entry.get("rmse_e_per_atom")
    return None


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:  # cut off by a kill
            continue


def _forget(train: dict[int, list[float]], first: int) -> None:
    for epoch in [each for each in train if each >= first]:
        del train[epoch]
