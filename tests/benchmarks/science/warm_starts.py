"""
Should members start from the weights of the iteration before?

Committees learn some frames of a teacher's dynamics, then twice as many, from fresh
weights and from those of before, in as many steps. The errors are those of unseen
frames; a spread that is small beside them means that members have become alike.

    python tests/benchmarks/science/warm_starts.py --folder study

Everything is kept in the folder and taken up again. The table is written to
``--results``.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

sys.path.append(str(Path(__file__).parents[1]))

from campaigns import train_one, with_steps
from committees import TRAINER, Trained, mace_committee
from outcome import RESULTS, keep
from teachers import BY_NAME, Teacher, cached

from flowpot.randomness import derive_seed

FIRST, LATER = 30, 60
STEPS = (300, 1000)


def warm(before: Trained, after: Trained, folder: Path, steps: int) -> Trained:
    """Train a committee on the frames of another, from the weights of a third."""
    trainer = with_steps(TRAINER, after.dataset, steps)
    members = [
        cached(
            folder / f"warm-{steps}-{number}.pkl",
            partial(
                train_one,
                trainer,
                after.dataset,
                derive_seed(number, "warm"),
                folder / f"warm-{steps}-{number}",
                document.model,
            ),
        )[0]
        for number, document in enumerate(before.documents)
    ]
    return Trained(members, after.dataset, after.unseen)


def outcome(committee: Trained) -> dict[str, float]:
    """Return the force error on unseen frames (eV/A), and how the spread tells it."""
    spread, off = (values["forces"] for values in committee.spread_and_error)
    rms = float(np.sqrt(np.mean(off**2)))
    return {
        "error": rms,
        "spread / error": float(np.sqrt(np.mean(spread**2))) / rms,
        "rank correlation": float(spearmanr(off, spread).statistic),
    }


def compared(teacher: Teacher, folder: Path, size: int) -> dict[str, Any]:
    """Return the outcome of each way to start, by steps."""
    train = partial(mace_committee, teacher, folder, size=size)
    before = train(n_frames=FIRST)
    table: dict[str, Any] = {f"{FIRST} frames": outcome(before)}
    for steps in STEPS:
        fresh = train(n_frames=LATER, steps=steps)
        kept = folder / teacher.name / "warm"
        ways = {"fresh": fresh, "warm": warm(before, fresh, kept, steps)}
        for way, committee in ways.items():
            row = outcome(committee)
            table[f"{LATER} frames, {way}, {steps} steps"] = row
    return table


def main() -> None:
    """Compare for the teachers that are asked for, and keep the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--teachers", default="alloy,silicon")
    parser.add_argument("--size", type=int, default=4)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.folder.absolute() / "committees"
    table = {
        name: compared(BY_NAME[name], folder, given.size)
        for name in given.teachers.split(",")
    }
    what = (
        "force error on 240 unseen frames of the teacher's dynamics (eV/A), committees "
        f"of {given.size}; {FIRST} frames were learned in 1000 steps"
    )
    keep("warm_starts", what, table, None, given.results)


if __name__ == "__main__":
    main()
