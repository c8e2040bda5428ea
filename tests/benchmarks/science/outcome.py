"""Keep results: a table as JSON and a figure, with the script and the date."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

RESULTS = Path(__file__).parents[3] / "tutorials" / "results"


def keep(
    name: str, what: str, table: Mapping[str, Any], figure: Figure | None, folder: Path
) -> Path:
    """
    Write ``NAME.json`` and ``NAME.png``, and return the first.

    Parameters
    ----------
    name
        Name of the files.
    what
        What the numbers are, in words, with their units.
    table
        The numbers.
    figure
        The figure, or None.
    folder
        Where they are written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head = {
        "script": f"tests/benchmarks/science/{Path(sys.argv[0]).name}",
        "date": datetime.now(UTC).date().isoformat(),
        "what": what,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(head | _rounded(table), indent=1) + "\n")
    if figure is not None:
        figure.savefig(folder / f"{name}.png", dpi=110)
    return path


def share_of_labels(one: Sequence[Any], other: Sequence[Any]) -> float:
    """
    Return with what share of the other's labels one campaign reaches the same error.

    That is the smallest error that both reach; between two iterations the logarithm of
    the error is linear in the labels.

    Parameters
    ----------
    one, other
        Rows with ``labels`` and the error, ``forces``, by iteration.
    """
    curves = [
        (
            np.array([row["labels"] for row in rows], dtype=float),
            np.minimum.accumulate(np.log([row["forces"] for row in rows])),
        )
        for rows in (one, other)
    ]
    goal = max(errors[-1] for _, errors in curves)
    spent = [np.interp(-goal, -errors, labels) for labels, errors in curves]
    return float(spent[0] / spent[1])


def _rounded(value: Any) -> Any:
    """Return plain numbers of four digits, which a person reads."""
    if isinstance(value, Mapping):
        return {str(key): _rounded(each) for key, each in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if hasattr(value, "tolist"):
        return _rounded(value.tolist())
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value
