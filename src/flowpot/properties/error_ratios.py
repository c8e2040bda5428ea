"""From the error model of energies, forces and stresses to that of properties."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowpot.evaluation import Calibration, CommitteeCalculator
from flowpot.evaluation.covariates import OWN

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
_LEVEL = 0.95


def error_ratio(
    calibration: Mapping[str, Calibration], kind: str
) -> tuple[float | None, str | None]:
    """
    Return the 95 % error of a property in units of the members' standard deviation.

    Members differ in a property since they differ in the energies, forces or stresses
    that it is calculated from; to first order the one is in proportion to the other,
    and so are the errors. The error model says how large the errors of these are in
    units of their spread. It is asked at the centre of the frames that it was fitted
    to, where it is known best: strained and displaced cells have a small spread, which
    grows with the strain or displacement, and the errors of elastic constants and
    frequencies do not depend on these.

    Parameters
    ----------
    calibration
        Of the committee, by property.
    kind
        Name of the property.

    Returns
    -------
    tuple
        The ratio, None where there is none; and why there is none, or why it is not to
        be relied on.
    """
    sources = SOURCES[kind]
    known = [name for name in sources if name in calibration]
    for source in sorted(known, key=lambda name: not calibration[name].trusted):
        fit = calibration[source]
        ratio = _at_the_centre(fit)
        if ratio is not None and np.isfinite(ratio):
            doubt = fit.reason or "it is not trusted"
            reason = (
                None if fit.trusted else f"the calibration of the {source}: {doubt}"
            )
            return ratio, reason
    if not sources:
        return None, "its errors are of no error model"
    if not known:
        return None, f"there is no calibration of {' or '.join(sources)}"
    return None, f"that of {' or '.join(known)} does not know the members' spread"


def _at_the_centre(fit: Calibration) -> float | None:
    """Return the 95 % error over the own spread, where the model was fitted."""
    model = fit.error_model
    if model is None or OWN not in model.names:
        return None
    centre = {
        name: np.array([np.exp(log)])
        for name, log in zip(model.names, model.centre, strict=True)
    }
    return float((model.quantile(centre, _LEVEL) / centre[OWN])[0])


def calculator_of(
    committee: Any,
    calibration: Mapping[str, Any] | None,
    uncertainties: Sequence[Any] | None,
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
            committee,
            calibration,
            # An evaluation has none where the members' documents hold them.
            uncertainties=uncertainties or None,
        )
    except Exception as error:  # noqa: BLE001 - properties are there all the same
        return None, f"the committee was not loaded for it: {error}"
    return calculator, None
