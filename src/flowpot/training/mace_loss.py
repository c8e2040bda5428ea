"""The loss of each epoch, from what ``mace_run_train`` writes."""

import json
from collections import defaultdict
from pathlib import Path

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
        for line in path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # cut off by a kill
                continue
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


def _forget(train: dict[int, list[float]], first: int) -> None:
    for epoch in [each for each in train if each >= first]:
        del train[epoch]
