"""
The error model: how large the error of a frame is likely to be.

One model answers everything that an evaluation says: which frames are flagged, error
bars, the upper bound of the frames of broken runs, and the rates to be expected.
Simulations with known laws hold it to this (tests/evaluation/test_simulation.py).
"""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from flowpot.evaluation.design import (
    about_middle,
    leading_of,
    logs_of,
    middle_of,
    prior_of,
    rows_of,
    stand_in_for_zero,
    tells_size,
    without_vanished,
)
from flowpot.evaluation.extrapolation import reach_of
from flowpot.evaluation.regression import given_zero, likelihood_power
from flowpot.evaluation.residuals import ResidualDistribution, thinned

Array = NDArray[np.float64]
Covariates = Mapping[str, Array]
"""Uncertainties of n frames, (n,) each; ``spread`` is the property's own."""

_MAX_RESIDUALS = 64  # that are kept
_LEAST_EXPONENT = 0.05  # for a threshold: frames do not get better by disagreeing
_HELD = 1e-6  # of an exponent, or less: it is held at zero
_LARGEST_LOG = 40.0  # of |log error|: predictions stay finite


class ErrorModel(BaseModel):
    """
    Bayesian linear regression of log error on the logs of the uncertainties.

    log e = z' b + residual, with z = (1, log x - centre). The leading uncertainty, the
    own spread or the first, has two exponents: one for what is below its centre, the
    median of the fit, and one for what is above. The prior is normal-inverse-gamma
    (Gelman et al., Bayesian Data Analysis, 3rd ed., 2013, sec. 14.2 and 14.8): exponent
    1 +- 0.5 for the leading one, its two exponents 0 +- 0.5 apart, 0 +- 0.5 for all
    others, scatter about 0.5. The residuals of new frames have the distribution
    :class:`flowpot.evaluation.residuals.ResidualDistribution`.

    Make one with :meth:`fit`. All fields are plain numbers, so that a document can
    keep them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spread = rng.lognormal(size=200)
    >>> error = 2 * spread * rng.lognormal(0, 0.3, 200)
    >>> model = ErrorModel.fit({"spread": spread}, error)
    >>> new = {"spread": np.array([0.1, 1.0, 10.0, np.nan])}
    >>> model.quantile(new, 0.5).round(1).tolist()
    [0.2, 1.9, 17.5, inf]
    >>> model.chance(new, tolerance=2.0).round(1).tolist()
    [0.0, 0.5, 1.0, 1.0]
    """

    model_config = ConfigDict(frozen=True)

    names: tuple[str, ...] = Field(description="names of the covariates")
    floor: tuple[float, ...] = Field(description="what stands for zero, of each")
    centre: tuple[float, ...] = Field(
        description="mean log in the fit, of each; of the one that bends, the median"
    )
    mean: tuple[float, ...] = Field(
        description="intercept, and exponents of each; last, that above the centre of "
        "the one that bends"
    )
    covariance: tuple[tuple[float, ...], ...] = Field(
        description="covariance of these, in units of the squared scatter"
    )
    scatter: float = Field(description="standard deviation of log error about the line")
    freedom: float = Field(description="degrees of freedom of Student's t")
    n: float = Field(description="frames that the fit is worth")
    residuals: tuple[float, ...] = Field(
        (), description="standardised residuals, ascending"
    )
    shares: tuple[float, ...] = Field((), description="share of each residual in `n`")
    bent: int | None = Field(
        None,
        description="index of the covariate whose exponent differs below and above its "
        "centre; None, as in documents of earlier versions: there is none",
    )
    reach: dict[str, float] = Field(
        default_factory=dict,
        description="what 95 % of the frames of the fit stay under, by uncertainties "
        "that are measured beside the predictions; none in earlier documents",
    )

    @classmethod
    def fit(
        cls,
        covariates: Covariates,
        error: Array,
        weights: Array | None = None,
        *,
        worth: Array | None = None,
    ) -> Self:
        """
        Fit the errors of labelled frames.

        Parameters
        ----------
        covariates
            (n,) arrays of uncertainties, by name. Zeros count as half of the smallest
            positive value in the leading one, and as the mean in the others: see
            :mod:`flowpot.evaluation.design`.
        error
            (n,) errors. Frames with a value that is not finite are left out.
        weights
            (n,) inverse selection probabilities, needed where frames were chosen by
            something that is no covariate. The likelihood of each frame is raised to
            its weight, scaled so that all together count for their effective number
            (Kish, Survey Sampling, 1965).
        worth
            (n,) numbers from 0 to 1. Frames of another origin say less of the frames
            to be judged, and count for less than one.

        Raises
        ------
        ValueError
            Without any covariate.
        """
        if not covariates:
            raise ValueError("no covariates: give at least one array of uncertainties")
        names = tuple(covariates)
        y = np.asarray(error, dtype=float)
        columns = [np.asarray(covariates[name], dtype=float) for name in names]
        power = likelihood_power(len(y), weights, worth)
        kept = np.isfinite([y, *columns]).all(axis=0) & (power > 0)
        y, power = y[kept], power[kept]
        columns = [column[kept] for column in columns]
        leading = leading_of(names)
        usual = [without_vanished(column) for column in columns]
        usual[leading] = columns[leading]
        floor = tuple(stand_in_for_zero(column) for column in usual)
        centre = middle_of(logs_of(usual, floor), power, leading)
        design = rows_of(about_middle(columns, floor, centre, leading), leading)
        prior = prior_of(centre, leading, has_unit=tells_size(names, columns, y))
        y = np.log(np.maximum(y, stand_in_for_zero(y)))
        posterior = prior.fitted(design, y, power)
        residuals = posterior.residuals(design, y, power)
        u, shares = thinned(*residuals, _MAX_RESIDUALS)
        posterior = prior.released(posterior, design, y, power)
        return cls(
            names=names,
            floor=floor,
            centre=tuple(centre),
            mean=tuple(posterior.mean),
            covariance=tuple(map(tuple, np.linalg.inv(posterior.precision))),
            scatter=math.sqrt(posterior.variance),
            freedom=posterior.freedom,
            n=float(power.sum()),
            residuals=tuple(u),
            shares=tuple(shares),
            bent=leading,
            reach=reach_of(dict(zip(names, columns, strict=True))),
        )

    @classmethod
    def line(cls, exponents: Mapping[str, float], scale: float) -> Self:
        """Make the model of errors that are scale * product(covariate ** exponent)."""
        width = len(exponents) + 1
        return cls(
            names=tuple(exponents),
            floor=(0.0,) * len(exponents),
            centre=(0.0,) * len(exponents),
            mean=(math.log(scale), *exponents.values()),
            covariance=((0.0,) * width,) * width,
            scatter=0.0,
            freedom=1.0,
            n=0.0,
        )

    def chance(self, covariates: Covariates, tolerance: float) -> Array:
        """
        Return the probability that each frame's error is over tolerance.

        Parameters
        ----------
        covariates
            (m,) arrays, of the names that were fitted; others are not read.
        tolerance
            Acceptable error, in the error's unit.

        Returns
        -------
        numpy.ndarray
            (m,); 1 where a covariate is NaN or infinite.
        """
        centre, widths, known = self._predicted(covariates)
        gap = np.full_like(centre, -np.inf)
        if tolerance > 0:
            gap = math.log(tolerance) - centre
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(widths > 0, gap / widths, np.where(gap >= 0, np.inf, -np.inf))
        return np.where(known, 1 - self._residual.cumulative(z.min(axis=0)), 1.0)

    def quantile(self, covariates: Covariates, q: float) -> Array:
        """
        Return the error that each frame's stays under with probability q.

        Parameters
        ----------
        covariates
            As in :meth:`chance`.
        q
            Between 0 and 1; 0.68 and 0.95 are the usual error bars.

        Returns
        -------
        numpy.ndarray
            (m,) in the error's unit; infinite where a covariate is not finite.

        Raises
        ------
        ValueError
            Where q is no number between 0 and 1.
        """
        if not (isinstance(q, Real) and 0 < q < 1):
            raise ValueError(f"q is {q!r}: use a probability between 0 and 1")
        centre, widths, known = self._predicted(covariates)
        logs = centre
        if self.scatter:
            logs = centre + (widths * self._residual.quantile(q)).max(axis=0)
        errors = np.exp(np.clip(logs, -_LARGEST_LOG, _LARGEST_LOG))
        return np.where(known, errors, np.inf)

    def threshold(self, tolerance: float, chance: float) -> float:
        """
        Return the leading uncertainty from which on frames have a chance of being over.

        It is for people to read: with several covariates no threshold on one of them
        decides. The others are taken as they are in the fit, on average.

        Parameters
        ----------
        tolerance
            Acceptable error, in the error's unit.
        chance
            Probability of an error over tolerance, between 0 and 1.

        Returns
        -------
        float
            In the unit of the first covariate.
        """
        if not self.names:
            return 0.0
        width = self.scatter * math.sqrt(1 + self.covariance[0][0])
        quantile = self._residual.quantile(1 - chance) if self.scatter else 0.0
        gap = math.log(tolerance) - self.mean[0] - width * quantile
        above = self.bent == 0 and gap > 0
        exponent = max(self.mean[-1 if above else 1], _LEAST_EXPONENT)
        log = self.centre[0] + gap / exponent
        return math.exp(min(max(log, -_LARGEST_LOG), _LARGEST_LOG))

    def draws(
        self, covariates: Covariates, tolerance: float, n: int, rng: np.random.Generator
    ) -> Array:
        """
        Draw chances of being over tolerance from the posterior.

        Parameters
        ----------
        covariates
            As in :meth:`chance`.
        tolerance
            Acceptable error, in the error's unit.
        n
            Number of draws of coefficients, scatter and shares of the residuals.
        rng
            Random numbers.

        Returns
        -------
        numpy.ndarray
            (n, m).
        """
        design, known = self._design(covariates)
        root = np.linalg.cholesky(np.array(self.covariance))
        chi_square = rng.chisquare(self.freedom, size=n)
        scatter = self.scatter * np.sqrt(self.freedom / chi_square)
        normal = rng.normal(size=(n, len(self.mean)))
        b = np.array(self.mean) + scatter[:, None] * (normal @ root.T)
        gap = math.log(tolerance) - b @ design.T
        chances = self._residual.drawn_excess(gap, self.scatter, scatter, rng)
        return np.where(known, chances, 1.0)

    def left_out(self, covariates: Covariates, error: Array) -> Array:
        """
        Predict the log error of each frame of the fit as if it had been left out.

        Allen's leave-one-out residual, r / (1 - h), with h the leverage of a frame of
        weight 1 (Allen, Technometrics 16, 125, 1974).

        Parameters
        ----------
        covariates, error
            (n,) arrays, those of the fit.

        Returns
        -------
        numpy.ndarray
            (n,); NaN where the error or a covariate is not known.
        """
        design, known = self._design(covariates)
        e = np.asarray(error, dtype=float)
        known = known & np.isfinite(e)
        y = np.log(
            np.maximum(e, stand_in_for_zero(e[known])),
            where=known,
            out=np.full(len(e), np.nan),
        )
        covariance = given_zero(np.array(self.covariance), ~self._varies)
        leverage = np.einsum("ij,jk,ik->i", design, covariance, design)
        residual = y - design @ np.array(self.mean)
        return y - residual / (1 - np.clip(leverage, 0, 0.9))

    @property
    def is_constant(self) -> bool:
        """Whether nothing tells of errors: the same is predicted for all frames."""
        return not self._varies[1:].any()

    @property
    def _varies(self) -> NDArray[np.bool_]:
        """The intercept, and the coefficients (k,) that are not held at zero."""
        varies = np.abs(self.mean) > _HELD
        varies[0] = True
        return varies

    def _design(self, covariates: Covariates) -> tuple[Array, NDArray[np.bool_]]:
        """Return the rows z (m, k), and the mask (m,) of those that are known."""
        columns = [np.asarray(covariates[name], dtype=float) for name in self.names]
        known = np.asarray(np.isfinite(columns).all(axis=0))
        leading = leading_of(self.names)
        x = about_middle(columns, self.floor, np.array(self.centre), leading)
        x = np.clip(np.where(known[:, None], x, 0.0), -1e3, 1e3)
        return rows_of(x, self.bent), known

    def _predicted(
        self, covariates: Covariates
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """
        Return centre (m,) and widths (2, m) of log error, and which frames are known.

        A coefficient that is held at zero may be larger, not smaller: the width that it
        adds may raise an error, and lower none. The second width is without it.
        """
        design, known = self._design(covariates)
        covariance = np.array(self.covariance)
        covariances = np.stack([covariance, given_zero(covariance, ~self._varies)])
        spread = np.einsum("lij,ij->li", design @ covariances, design)
        widths = self.scatter * np.sqrt(1 + np.maximum(spread, 0))
        return design @ np.array(self.mean), widths, known

    @property
    def _residual(self) -> ResidualDistribution:
        return ResidualDistribution(
            self.freedom, self.n, np.array(self.residuals), np.array(self.shares)
        )
