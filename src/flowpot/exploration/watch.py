"""Uncertainty of the committee along a trajectory, and when it halts the run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from flowpot.dataset import Dataset
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.decision import excess
from flowpot.evaluation.predicted import of_frames
from flowpot.evaluation.prediction import CommitteePrediction
from flowpot.exploration.members import properties_of, stress_matrix
from flowpot.exploration.outcome import DISAGREEMENT


@dataclass(frozen=True)
class Reading:
    """
    Uncertainty of the committee on one frame.

    Attributes
    ----------
    step
        Step of the run.
    disagreement
        What the predictions alone say of the frame, by name: the disagreement in each
        property, and the size of the forces.
    excess
        Upper bound of the predicted error in units of the tolerance, of the property
        where this is largest: a frame is flagged over 1. NaN without a calibration.
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
        Calculators of the members apart from the driving one.
    calibration
        Calibration of each property; empty: the disagreement has no bound.
    upper_factor
        A run is halted where its error exceeds this many tolerances with a probability
        of 95 %.
    """

    calculators: Sequence[Calculator] = field(repr=False)
    calibration: Mapping[str, Calibration]
    upper_factor: float

    def read(self, step: int, atoms: Atoms, driving: Mapping[str, object]) -> Reading:
        """
        Evaluate the other members on a frame, and compare.

        Parameters
        ----------
        step
            Step of the run.
        atoms
            The frame.
        driving
            Results of the member that drives the run: energy, forces, stress.

        Raises
        ------
        BrokenMemberError
            See :func:`readings`.
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

    def breach(self, reading: Reading) -> str | None:
        """Return the reason to halt the run, None where there is none."""
        return breach(reading, self.calibration, self.upper_factor)


def readings(
    steps: Sequence[int],
    prediction: CommitteePrediction,
    frames: Dataset,
    calibration: Mapping[str, Calibration],
) -> list[Reading]:
    """
    Compute the uncertainty of a committee on n frames.

    Parameters
    ----------
    steps
        Step of each frame.
    prediction
        Predictions of all members.
    frames
        The frames.
    calibration
        Calibration of each property; empty: the disagreement has no bound.

    Raises
    ------
    BrokenMemberError
        If a member predicts NaN or infinity at step 0.
    """
    energy = prediction.energy[:, np.asarray(steps) == 0]
    broken = np.flatnonzero(~np.isfinite(energy).all(axis=1))
    if len(broken):
        raise BrokenMemberError(
            f"member {', '.join(map(str, broken))} of {len(energy)} (0 drives the run) "
            "predicts NaN or infinity for the frame to start from: leave it out, or "
            "train it again"
        )
    seen = of_frames(prediction, frames)
    over = np.full(len(frames), np.nan)
    if calibration:
        over = excess(seen, calibration)
    return [
        Reading(step, {name: float(seen[name][i]) for name in seen}, float(over[i]))
        for i, step in enumerate(steps)
    ]


class BrokenMemberError(ValueError):
    """A member of the committee predicts NaN or infinity for the initial frame."""


def breach(
    reading: Reading, calibration: Mapping[str, Calibration], upper_factor: float
) -> str | None:
    """
    Return the reason to halt a run: the property that is beyond the upper bound.

    Parameters
    ----------
    reading
        Uncertainty on the current frame.
    calibration, upper_factor
        See :class:`CommitteeWatch`.

    Returns
    -------
    str | None
        None where no property is beyond its bound.
    """
    for name, fit in calibration.items():
        if fit.surely_over(reading.disagreement, name, upper_factor)[0]:
            return f"{DISAGREEMENT}{name}"
    return None
