"""Read losses and errors from the results of ``mace_run_train``."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np


def read_loss_curve(folder: Path) -> dict[str, list[float]]:
    """
    Read the loss of each epoch from MACE's results.

    Epochs that a resumed training has repeated replace the earlier ones.

    Parameters
    ----------
    folder
        MACE's folder ``results``.

    Returns
    -------
    dict
        Columns ``epoch``; ``train``, the mean over the epoch's batches; ``val``, the
        loss on the validation set after the epoch.
    """
    train: dict[int, list[float]] = {}
    val: dict[int, float] = {}
    for path in sorted(folder.glob("*_train.txt")):
        resumed = False
        for entry in _entries(path):
            epoch = entry.get("epoch")
            if epoch is None:  # MACE evaluates once before it trains
                resumed = True
            elif entry["mode"] == "opt":
                if resumed:
                    train = {n: train[n] for n in train if n < epoch}
                resumed = False
                train.setdefault(epoch, []).append(entry["loss"])
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
        MACE's folder ``results``.

    Returns
    -------
    float or None
        Root mean square error of the energy (eV/atom); None where MACE wrote none.
    """
    for path in sorted(folder.glob("*_train.txt")):
        entry = next(_entries(path), {})
        if entry.get("epoch", 0) is None:
            return entry.get("rmse_e_per_atom")
    return None


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text().splitlines():
        with suppress(json.JSONDecodeError):  # a line that a kill has cut off
            yield json.loads(line)
