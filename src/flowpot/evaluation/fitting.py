"""
From uncertainty to error: the calibration of a committee.

A committee's uncertainty follows its true error, but the factor is far from one and
changes with the generation and with where the frames came from. It is therefore fitted
anew in each iteration, on frames that represent those to be judged.
"""

import warnings
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset.labels import DECIDING
from flowpot.evaluation.binomial import effective_number, weighted_share
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.correlation import (
    least_squares_slope,
    r2,
    spearman,
    typical_ratio,
)
from flowpot.evaluation.covariates import Evidence, Pairs, covariates_of
from flowpot.evaluation.decision import (
    LEAST_SQUARES,
    TARGETS,
    TPR,
    chance_to_reach,
    checked_rule,
    expected_rates,
)
from flowpot.evaluation.frame_arrays import (
    check_covariates,
    check_frames,
    check_judged,
)
from flowpot.evaluation.known import has
from flowpot.evaluation.model import ErrorModel
from flowpot.evaluation.tolerance import check_tolerance
from flowpot.evaluation.trust import Trust, distrust

Array = NDArray[np.float64]

_JOINED = ("energy", "stress")
_N_BOOTSTRAP = 500
_SEED = 0  # the same frames have the same intervals


def calibrate(
    disagreement: Mapping[str, Array],
    error: Mapping[str, Array],
    tolerance: Mapping[str, float],
    *,
    rule: str = "least-squares",
    target: float | None = None,
    weights: Array | None = None,
    worth: Array | Mapping[str, Array] | None = None,
    judged: Mapping[str, Array] | None = None,
    trust: Trust | None = None,
    with_forces: Collection[str] = (),
    known: Mapping[str, Array] | None = None,
) -> dict[str, Calibration]:
    """
    Fit uncertainties against errors, for each property that has labels.

    Parameters
    ----------
    disagreement, error
        (n,) arrays per property, of :func:`flowpot.evaluation.disagreement` and
        :func:`flowpot.evaluation.error`. The first may hold further uncertainties,
        such as ``feature_distance``. NaN drops a frame from that property.
    tolerance
        Error that is still acceptable, per property: eV/atom, eV/A, eV/A^3, and eV/A
        for ``forces_max``.
    rule
        ``chance``: a frame is flagged from a probability of being over tolerance on.
        ``tpr``: from the probability on that finds a share of the bad frames among
        those judged. ``least-squares``: the AiiDA-TrainsPot paper's line through the
        origin, for comparison.
    target
        Probability or share of the first two rules; None: 0.35 and 0.9.
    weights
        (n,) inverse selection probabilities; None weighs all frames alike.
    worth
        (n,) what frames of another origin count for: see `ErrorModel.fit`; or such
        arrays by property.
    judged
        (m,) uncertainties of the frames to be judged; None: the frames of the fit.
        Rates are expected of those of them that have the property and a finite
        prediction.
    trust
        What makes a fit trusted.
    with_forces
        Without effect: the forces' spread is always taken into account.
    known
        (m,) errors of the judged frames that are labelled, NaN for all others: rates
        are those of the very frames judged. None: none of these is labelled.

    Returns
    -------
    dict[str, Calibration]
        Without the properties that have no usable frame, or, for the line, fewer than
        two.

    Raises
    ------
    ValueError
        For an unknown rule or property, a target that is no share, a tolerance that is
        no positive number, arrays of different lengths, and frames to be judged of
        which an uncertainty was not measured.

    Examples
    --------
    >>> import numpy as np
    >>> e = np.linspace(0.01, 0.2, 40)
    >>> fit = calibrate({"forces": 0.5 * e}, {"forces": e}, {"forces": 0.1})["forces"]
    >>> round(fit.slope, 3), round(fit.threshold, 3), fit.tpr, fit.trusted
    (0.5, 0.05, 1.0, True)
    """
    rule = checked_rule(rule, target)
    check_with_forces(with_forces)
    check_tolerance(tolerance)
    check_frames(disagreement, error, weights=weights, worth=worth)
    check_judged(judged, known)
    fits = {}
    for name in DECIDING:
        if name not in tolerance or name not in error:
            continue
        if not covariates_of(disagreement, name):
            continue
        check_covariates(disagreement, judged, name)
        counts = worth.get(name) if isinstance(worth, Mapping) else worth
        pairs = Pairs.of(disagreement, error[name], name, weights, counts)
        if len(pairs) < (2 if rule == LEAST_SQUARES else 1):
            continue
        seen, errors = pairs.covariates, None
        if judged is not None:
            seen, errors = _judged(judged, known, name)
        if rule == LEAST_SQUARES:
            fit = _line(pairs, tolerance[name], seen)
        else:
            goal = TARGETS[rule] if target is None else target
            fit = _modelled(pairs, tolerance[name], rule, goal, seen, errors)
        reason = distrust(fit, trust or Trust(), pairs)
        fits[name] = fit.model_copy(
            update={"trusted": reason is None, "reason": reason}
        )
    return fits


def _judged(
    judged: Mapping[str, Array], known: Mapping[str, Array] | None, name: str
) -> tuple[Mapping[str, Array], Array | None]:
    """Return covariates, and known errors, of the frames that have a property."""
    rows = has(judged, name)
    errors = (known or {}).get(name)
    return (
        {k: x[rows] for k, x in covariates_of(judged, name).items()},
        None if errors is None else np.asarray(errors, dtype=float)[rows],
    )


def check_with_forces(names: Collection[str]) -> None:
    """
    Warn that the option has no effect.

    Raises
    ------
    ValueError
        For a property that could never be joined with the forces.
    """
    if unknown := set(names).difference(_JOINED):
        raise ValueError(
            f"with_forces is {list(names)}, but {', '.join(sorted(unknown))} cannot be "
            f"joined with the forces: use some of {', '.join(_JOINED)}"
        )
    if names:
        warnings.warn(
            "with_forces is not needed: the error of every property is predicted from "
            "the forces' spread, too",
            stacklevel=3,
        )


def atom_models(evidence: Evidence) -> dict[str, ErrorModel]:
    """
    Fit the force errors of single atoms.

    Parameters
    ----------
    evidence
        Frames, some of whose atoms have been measured.

    Returns
    -------
    dict
        The fields of a :class:`Calibration` of the forces: ``atom_model`` reads all
        uncertainties of atoms, ``atom_spread_model`` those that the predictions alone
        give, where there are others. Empty where nothing is known of atoms.
    """
    atoms = evidence.atoms
    if atoms is None:
        return {}
    power = atoms.power(evidence.used_for("forces").worth)
    pairs = Pairs.of(atoms.uncertainty, atoms.error, "forces", worth=power)
    if not len(pairs):
        return {}
    models = {"atom_model": pairs.covariates}
    if 0 < len(pairs.predicted) < len(pairs.covariates):
        models["atom_spread_model"] = pairs.predicted
    return {
        name: ErrorModel.fit(covariates, pairs.error, worth=pairs.worth)
        for name, covariates in models.items()
    }


def _modelled(
    pairs: Pairs,
    tolerance: float,
    rule: str,
    goal: float,
    judged: Mapping[str, Array],
    known: Array | None,
) -> Calibration:
    """Fit the error model, and say what it makes of the frames judged."""
    model = ErrorModel.fit(
        pairs.covariates, pairs.error, pairs.weights, worth=pairs.worth
    )
    chances = model.chance(judged, tolerance)
    cut = chance_to_reach(chances, goal) if rule == TPR else goal
    rates = expected_rates(model, judged, tolerance, chances >= cut, known)
    slope, interval = typical_ratio(
        pairs.leading, pairs.error, pairs.weights * pairs.worth, model.n
    )
    predicted = model.left_out(pairs.covariates, pairs.error)
    y = np.log(np.maximum(pairs.error, np.exp(predicted.min() - 20)))
    weights = pairs.weights * pairs.worth
    return Calibration(
        slope=slope,
        slope_interval=interval,
        covariate=pairs.leading_name,
        r2=r2(y, predicted, weights),
        # Constants that leave out a frame are the lower the larger its error is.
        rank_correlation=(
            0.0 if model.is_constant else spearman(predicted, pairs.error)
        ),
        coverage=float(np.average(y <= predicted, weights=weights)),
        tpr=rates.tpr,
        tpr_interval=rates.tpr_interval,
        ppv=rates.ppv,
        ppv_interval=rates.ppv_interval,
        expected_tpr=rates.tpr,
        expected_ppv=rates.ppv,
        expected_bad=rates.bad,
        tolerance=tolerance,
        threshold=model.threshold(tolerance, cut),
        rule=rule,
        chance=cut,
        limit=tolerance,
        error_model=model,
        spread_model=_spread_model(pairs),
        n=len(pairs),
        effective_n=model.n,
        trusted=True,
    )


def _line(pairs: Pairs, tolerance: float, judged: Mapping[str, Array]) -> Calibration:
    """
    Fit disagreement = slope * error by weighted least squares, and count.

    AiiDA-TrainsPot paper, section II.1.6: slope = sum(w d e) / sum(w e^2), its interval
    the bootstrap's. The rates are counted among the frames of the fit, as in the paper;
    the rates to be expected of the frames judged are the error model's.
    """
    d, e, w = pairs.leading, pairs.error, pairs.weights
    slope = least_squares_slope(d, e, w)
    rng = np.random.default_rng(_SEED)
    draws = rng.integers(len(e), size=(_N_BOOTSTRAP, len(e)))
    low, high = np.percentile(
        [least_squares_slope(d[i], e[i], w[i]) for i in draws], (2.5, 97.5)
    )
    bad, over = e > tolerance, d > slope * tolerance
    tpr, tpr_interval = weighted_share(over, bad, w)
    ppv, ppv_interval = weighted_share(bad, over, w)
    model = ErrorModel.fit(pairs.covariates, e, w)
    flagged = next(iter(judged.values())) > slope * tolerance
    expected = expected_rates(model, judged, tolerance, flagged)
    return Calibration(
        slope=slope,
        slope_interval=(low, high),
        covariate=pairs.leading_name,
        r2=r2(d, slope * e, w),
        rank_correlation=spearman(d, e),
        coverage=float(np.average(slope * e <= d, weights=w)),
        tpr=tpr,
        tpr_interval=tpr_interval,
        ppv=ppv,
        ppv_interval=ppv_interval,
        expected_tpr=expected.tpr,
        expected_ppv=expected.ppv,
        expected_bad=expected.bad,
        error_model=model,
        spread_model=_spread_model(pairs),
        tolerance=tolerance,
        threshold=slope * tolerance,
        n=len(e),
        effective_n=effective_number(w),
        trusted=True,
    )


def _spread_model(pairs: Pairs) -> ErrorModel | None:
    """Fit what the predictions alone give; None where that is all, or no spread."""
    known = pairs.predicted
    if not known or len(known) == len(pairs.covariates):
        return None
    return ErrorModel.fit(known, pairs.error, pairs.weights, worth=pairs.worth)
