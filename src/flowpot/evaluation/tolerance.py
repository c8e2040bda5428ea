"""The error that is still acceptable, per property."""

import difflib
import math
from collections.abc import Mapping

from flowpot.dataset.labels import DECIDING
from flowpot.validation import mapping, number


def default_tolerance() -> dict[str, float]:
    """Return 1 meV/atom, 100 meV/A and 1 meV/A^3, the AiiDA-TrainsPot defaults."""
    return {"energy": 1e-3, "forces": 0.1, "stress": 1e-3}


def check_tolerance(tolerance: Mapping[str, float]) -> None:
    """
    Refuse a tolerance that no campaign could meet or understand.

    Raises
    ------
    ValueError
        For an unknown property, a value that is not a positive number, or none.
    """
    mapping(tolerance=tolerance)
    if not tolerance:
        raise ValueError(f"tolerance is empty: give at least one of {DECIDING}")
    for name, value in tolerance.items():
        if name not in DECIDING:
            near = difflib.get_close_matches(name, DECIDING, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"use one of {DECIDING}"
            raise ValueError(f"tolerance has the unknown property {name!r}: {hint}")
        number(**{f"tolerance[{name!r}]": value})
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(
                f"tolerance[{name!r}] is {value}: use a positive number in eV/atom, "
                "eV/A or eV/A^3"
            )
