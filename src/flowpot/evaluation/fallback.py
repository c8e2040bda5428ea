"""From evidence to the calibrations that decide, and what is done with poor ones."""

from collections.abc import Mapping

import numpy as np

from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.evidence import Evidence
from flowpot.evaluation.fitting import calibrate, counted
from flowpot.evaluation.rules import Pairs

Fits = Mapping[str, Calibration]


def calibrate_with_care(
    evidence: Evidence,
    criteria: Criteria,
    *,
    judged: Mapping[str, np.ndarray],
    pooled: Evidence | None = None,
    previous: Fits | None = None,
) -> dict[str, Calibration]:
    """
    Calibrate each property, and fall back where a fit cannot be trusted.

    Parameters
    ----------
    evidence
        Frames that represent those to be judged.
    criteria
        Of the evaluation.
    judged
        (m,) disagreements of the frames to be judged, per property.
    pooled
        All frames that the committee has not learned, however little they represent.
    previous
        Calibrations of the iteration before.

    Notes
    -----
    A fit that is not trusted takes the threshold of the previous iteration's, if that
    one was trusted; else of the fit to the pooled frames, if that one is; else that of
    its own least-squares line, which asks least of a few frames; and in each case
    lowered as far as the slope's interval allows. The slope, which calibrates errors,
    comes from the same place. ``fallback`` names it.

    A property takes part in the selection unless enough frames show that its
    disagreement does not rank its errors, or ``decide_by`` leaves it out. When none
    is left, all take part.
    """
    fits = _fit(evidence, criteria, judged)
    poor = [name for name, fit in fits.items() if not fit.trusted]
    if poor:
        old = {k: v for k, v in (previous or {}).items() if v.trusted}
        wide = _fit(pooled, criteria, judged) if pooled is not None else {}
        for name in poor:
            found = _fall_back(fits[name], old.get(name), wide.get(name))
            seen = found.measure(judged, name)
            fits[name] = counted(found, _pairs(evidence, found, name), seen)
    names = _deciding(fits, criteria)
    return {
        name: fit.model_copy(update={"decides": name in names})
        for name, fit in fits.items()
    }


def _fit(
    evidence: Evidence, criteria: Criteria, judged: Mapping[str, np.ndarray]
) -> dict[str, Calibration]:
    fits = calibrate(
        evidence.disagreement,
        evidence.error,
        criteria.tolerance,
        rule=criteria.rule,
        target=criteria.target,
        weights=evidence.weights,
        judged=judged,
        trust=criteria.trust,
        with_forces=criteria.with_forces,
    )
    origin = {"origin": evidence.origin}
    return {name: fit.model_copy(update=origin) for name, fit in fits.items()}


def _fall_back(
    fit: Calibration, previous: Calibration | None, pooled: Calibration | None
) -> Calibration:
    """Take slope and threshold from a better place, if there is one, and widen them."""
    line = {"threshold": fit.slope * fit.tolerance}
    source, better = "this fit's line", fit.model_copy(update=line)
    if previous is not None and previous.tolerance == fit.tolerance:
        source, better = "the previous iteration's calibration", previous
    elif pooled is not None and pooled.trusted:
        source, better = f"a fit to {pooled.origin}", pooled
    names = ("slope", "slope_interval", "threshold", "mixture")
    taken = fit.model_copy(update={name: getattr(better, name) for name in names})
    return taken.widened(source)


def _deciding(fits: Fits, criteria: Criteria) -> list[str]:
    """Name the properties that take part in the selection."""
    if criteria.decide_by is not None:
        return list(criteria.decide_by)
    ranked = [
        name
        for name, fit in fits.items()
        if fit.rank_correlation >= criteria.min_rank_correlation
        or fit.effective_n < criteria.min_frames
    ]
    return ranked or list(fits)


def _pairs(evidence: Evidence, fit: Calibration, name: str) -> Pairs:
    d, e = fit.measure(evidence.disagreement, name), evidence.error[name]
    usable = np.isfinite(d) & np.isfinite(e)
    return Pairs(d, e, evidence.weights)[usable]
