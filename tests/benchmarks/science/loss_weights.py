"""
Should errors count in units of their tolerances?

Committees learn frames of a teacher's dynamics by the loss and the weights of
``MACETrainingMaker.small()``, by squares with these weights, and by squares with others
by which an error as large as its tolerance counts alike in each number of a frame. The
errors are those of unseen frames of further runs.

    python tests/benchmarks/science/loss_weights.py --folder study

Everything is kept in the folder and taken up again. The table is written to
``--results``.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1]))

from committees import Trained, mace_committee
from outcome import RESULTS, keep
from teachers import BY_NAME, Teacher

TOLERANCE = {"energy": 0.02, "forces": 0.25, "stress": 0.01}
"""The demo's (eV/atom, eV/A, eV/A^3); only their ratios matter."""
_MILLI = 1000


def by_tolerances(n_atoms: float) -> dict[str, float]:
    """
    Return weights by which errors count in units of their tolerances.

    MACE takes means over frames and components: a frame has one energy, 3 components of
    the force on each atom, and 6 of the stress.
    """
    numbers = {"energy": 1.0, "forces": 3 * n_atoms, "stress": 6.0}
    worth = {name: n / TOLERANCE[name] ** 2 for name, n in numbers.items()}
    return {f"{name}_weight": 100 * w / worth["forces"] for name, w in worth.items()}


def ways(n_atoms: float) -> dict[str, dict[str, Any]]:
    """Return what is changed of the training, by name."""
    squares = {"loss": "stress"}
    return {
        "small()": {},
        "squares": squares,
        "by tolerances": squares | by_tolerances(n_atoms),
    }


def outcome(committee: Trained) -> dict[str, float]:
    """Return root mean square errors of the committee's mean on unseen frames."""
    _, off = committee.spread_and_error
    return {
        name: _MILLI * float(np.sqrt(np.nanmean(off[name] ** 2))) for name in TOLERANCE
    }


def compared(teacher: Teacher, folder: Path, size: int, seed: int) -> dict[str, Any]:
    """Return the errors by each way."""
    return {
        name: outcome(mace_committee(teacher, folder, size=size, seed=seed, **changes))
        for name, changes in ways(len(teacher.cell)).items()
    }


def main() -> None:
    """Compare for the teachers that are asked for, and keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--teachers", default="silicon,carbide,alloy")
    parser.add_argument("--size", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.folder.absolute() / "committees"
    table = {
        name: {
            str(seed): compared(BY_NAME[name], folder, given.size, seed)
            for seed in range(given.seeds)
        }
        for name in given.teachers.split(",")
    }
    what = (
        "errors on 240 unseen frames of the teacher's dynamics (meV/atom, meV/A, "
        f"meV/A^3) by seed: committees of {given.size} that learned 60 frames in 1000 "
        "steps"
    )
    keep("loss_weights", what, table, None, given.results)


if __name__ == "__main__":
    main()
