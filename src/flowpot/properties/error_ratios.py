"""From the error model of energies, forces and stress to that of properties."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flowpot.dataset import Dataset
from flowpot.evaluation import CommitteeCalculator

SOURCES = {
    "eos": ("stress", "energy"),
    "elastic": ("stress",),
    "phonons": ("forces",),
    "nve": (),
}
"""
Whose error model tells the errors of a property: the first that can be trusted, or else
the first.

Volumes and bulk moduli are of pressures, elastic constants of stresses, and frequencies
of forces.
"""


@dataclass(frozen=True)
class ErrorRatio:
    """
    How the errors of a property are related to the spread of the members.

    Attributes
    ----------
    ratio
        95 % error in units of the members' standard deviation; None: not known.
    energy_errors
        95 % errors of the energy of each cell, (n,) in eV/atom; None: not known.
    energy_members
        Energies of the same cells by each member, (M, n) in eV/atom.
    reason
        Why the ratio is not known, or why it is not to be relied on.
    """

    ratio: float | None = None
    energy_errors: np.ndarray | None = None
    energy_members: np.ndarray | None = None
    reason: str | None = field(default=None)


def error_ratio(
    calculator: CommitteeCalculator, cells: Dataset, kind: str
) -> ErrorRatio:
    """
    Compare predicted errors of cells with the spread of the members.

    Members differ in a property since they differ in the energies, forces or stresses
    that it is calculated from; to first order both are proportional. The error model
    says how large the errors of these are in units of their spread. The property's
    error is taken to be as large in units of its own spread: the ratio of the root mean
    squares, over the cells, of the 95 % error and of the spread.

    Parameters
    ----------
    calculator
        The committee, with its calibration.
    cells
        The cells that the property is calculated from.
    kind
        Name of the property.
    """
    fits = calculator.calibration
    prediction, spread, errors = calculator.frame_errors(cells)
    energies: dict[str, Any] = {}
    if kind == "eos" and "energy" in fits:
        energies["energy_members"] = prediction.energy / cells.n_atoms
        energies["energy_errors"] = errors["energy"]
    known = [name for name in SOURCES[kind] if name in fits and name in spread]
    for source in sorted(known, key=lambda name: not fits[name].trusted):
        spread_of_all = _root_mean_square(spread[source])
        if not spread_of_all > 0:
            continue
        ratio = _root_mean_square(errors[source]) / spread_of_all
        if np.isfinite(ratio):
            doubt = calculator.untrusted.get(source)
            reason = f"the calibration of the {source}: {doubt}" if doubt else None
            return ErrorRatio(ratio, reason=reason, **energies)
    return ErrorRatio(reason=_why_not(calculator, SOURCES[kind]), **energies)


def _why_not(calculator: CommitteeCalculator, sources: tuple[str, ...]) -> str:
    """Say why there is no ratio."""
    if not sources:
        return "its errors are of no error model"
    missing = [name for name in sources if name not in calculator.calibration]
    if missing:
        return f"there is no calibration of {' or '.join(missing)}"
    return f"no spread or no finite error of {' or '.join(sources)}"


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def calculator_of(
    committee: Any,
    calibration: Mapping[str, Any] | None,
    uncertainties: list[Any] | None,
) -> tuple[CommitteeCalculator | None, str | None]:
    """
    Load a committee with its calibration, or say why there is none.

    Returns
    -------
    tuple
        The calculator, or None; and why it is None.
    """
    if not calibration:
        return None, "no calibration was given"
    try:
        calculator = CommitteeCalculator(
            committee, calibration, uncertainties=uncertainties
        )
    except Exception as error:  # noqa: BLE001 - properties are there all the same
        return None, f"the committee was not loaded for it: {error}"
    return calculator, None
