"""From the error model of energies, forces and stresses to that of properties."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2
from scipy.stats import t as student

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
_NUMBERS = ("energy",)
"""Sources of which a frame has one number, as it has of a property."""
_LEVEL = 0.95
_DRAWS = 64  # quantiles that stand for a distribution
_FAR = 20.0  # in the log of a ratio


def error_ratio(
    calibration: Mapping[str, Calibration], kind: str, freedom: int
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

    Notes
    -----
    Error and spread of a frame's forces or stress are root mean squares of many
    components: their ratio r hardly scatters. A property is one number, and so are its
    error and, by few members, its spread: the error is r t spreads, where t has
    Student's distribution. Where members and truth are draws of one distribution, this
    is the interval of :func:`flowpot.properties.statistics.half_widths` without a
    calibration. A frame's energy is one number, too, and the error in r scatters as
    that of the property; the spread of this is then the median one of r, times its own
    scatter.

    Parameters
    ----------
    calibration
        Of the committee, by property.
    kind
        Name of the property.
    freedom
        Degrees of freedom of the standard deviation: of M members, M - 1.

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
        ratio = _of_one_number(fit, freedom, is_number=source in _NUMBERS)
        if ratio is not None and np.isfinite(ratio):
            return ratio, doubt_of(calibration, source)
    if not sources:
        return None, "its errors are of no error model"
    if not known:
        return None, f"there is no calibration of {' or '.join(sources)}"
    return None, f"that of {' or '.join(known)} does not know the members' spread"


def doubt_of(calibration: Mapping[str, Calibration], source: str) -> str | None:
    """Return why error bars by a calibration are to be doubted, None if not."""
    fit = calibration[source]
    if fit.trusted:
        return None
    return f"the calibration of the {source}: {fit.reason or 'it is not trusted'}"


def _of_one_number(fit: Calibration, freedom: int, *, is_number: bool) -> float | None:
    """
    Return the 95 % quantile of the error of one number in units of its spread.

    The error over the own spread, r, is that where the error model was fitted;
    `is_number` says whether it is of single numbers, too.
    """
    model = fit.error_model
    if model is None or OWN not in model.names:
        return None
    centre = {
        name: np.array([np.exp(log)])
        for name, log in zip(model.names, model.centre, strict=True)
    }
    levels = (np.arange(_DRAWS) + 0.5) / _DRAWS
    errors = np.array([model.quantile(centre, level)[0] for level in levels])
    r = errors / centre[OWN]

    def excess(log_width: float) -> float:
        relative = np.exp(log_width) / r
        if is_number:
            inside = chi2.sf(chi2.median(freedom) / relative**2, freedom)
        else:
            inside = 2 * student.cdf(relative, freedom) - 1
        return float(inside.mean()) - _LEVEL

    middle = np.log(np.median(r))
    return float(np.exp(brentq(excess, middle - _FAR, middle + _FAR)))


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
