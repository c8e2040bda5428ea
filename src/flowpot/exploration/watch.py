"""How much the committee disagrees along a trajectory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from flowpot.dataset import Dataset
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.disagreement import disagreement
from flowpot.evaluation.prediction import CommitteePrediction
from flowpot.evaluation.selection import excess
from flowpot.exploration.members import properties_of, stress_matrix
from flowpot.exploration.outcome import DISAGREEMENT


@dataclass(frozen=True)
class Reading:
    """
    What the committee said of one frame.

    Attributes
    ----------
    step
        Of the run.
    disagreement
        Per property, as :func:`flowpot.evaluation.disagreement` defines it.
    excess
        What the error stays under, in units of the tolerance, of the property where it
        is largest: a frame is flagged over 1. NaN without a calibration.
    """

    step: int
    disagreement: dict[str, float]
    excess: float


@dataclass(frozen=True)
class CommitteeWatch:
    """
    The committee, and the bounds on its disagreement.

    Attributes
    ----------
    calculators
        Of the other members: the driving one has been asked already.
    calibration
        Per property; empty for disagreement without a bound.
    upper_factor
        In units of the tolerance: a run whose error is over so many of them with a
        chance of 95 % is halted.
    """

    calculators: Sequence[Calculator] = field(repr=False)
    calibration: Mapping[str, Calibration]
    upper_factor: float

    def read(self, step: int, atoms: Atoms, driving: Mapping[str, object]) -> Reading:
        """
        Evaluate the other members and compare.

        Parameters
        ----------
        step
            Of the run.
        atoms
            The frame.
        driving
            Results of the member that drives the run: energy, forces, stress.
        """
        results = [driving]
        for calculator in self.calculators:
            calculator.calculate(atoms, properties_of(atoms), all_changes)
            results.append(calculator.results)
        prediction = CommitteePrediction(
            energy=np.array([[r["energy"]] for r in results], dtype=float),
            forces=np.array([r["forces"] for r in results], dtype=float),
            stress=np.array([[stress_matrix(r)] for r in results]),
        )
        frames = Dataset.from_atoms([atoms], labels=False)
        return readings([step], prediction, frames, self.calibration)[0]

    def too_much(self, reading: Reading) -> str | None:
        """Name the property that disagrees over the upper bound, if one does."""
        return breach(reading, self.calibration, self.upper_factor)


def readings(
    steps: Sequence[int],
    prediction: CommitteePrediction,
    frames: Dataset,
    calibration: Mapping[str, Calibration],
) -> list[Reading]:
    """
    Read off how much a committee disagrees.

    Parameters
    ----------
    steps
        Of each frame.
    prediction
        The members' of the frames.
    frames
        What was predicted.
    calibration
        Per property; empty for disagreement without a bound.

    Raises
    ------
    BrokenMemberError
        Where a member has no numbers for a frame that a run starts from.
    """
    _check_members(steps, prediction)
    found = disagreement(prediction, frames)
    over = np.full(len(frames), np.nan)
    if calibration:
        over = excess(found, calibration)
    return [
        Reading(
            step, {name: float(column[i]) for name, column in found.items()}, float(x)
        )
        for i, (step, x) in enumerate(zip(steps, over, strict=True))
    ]


class BrokenMemberError(ValueError):
    """A member of the committee predicts no numbers where a run starts."""


def _check_members(steps: Sequence[int], prediction: CommitteePrediction) -> None:
    started = np.asarray(steps) == 0
    energy = prediction.energy[:, started]
    broken = np.flatnonzero(~np.isfinite(energy).all(axis=1))
    if len(broken):
        raise BrokenMemberError(
            f"member {', '.join(map(str, broken))} of {len(energy)} (0 drives the run) "
            "predicts NaN or infinity for the frame to start from: leave it out, or "
            "train it again"
        )


def breach(
    reading: Reading, calibration: Mapping[str, Calibration], upper_factor: float
) -> str | None:
    """Name the property that disagrees over the upper bound, if one does."""
    for name, fit in calibration.items():
        if fit.surely_over(reading.disagreement, name, upper_factor)[0]:
            return f"{DISAGREEMENT}{name}"
    return None
