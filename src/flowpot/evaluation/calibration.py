"""How the uncertainties of a committee translate into its error."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from flowpot.evaluation.binomial import Interval
from flowpot.evaluation.covariates import (
    FORCES_SPREAD,
    OWN,
    covariates_of,
)
from flowpot.evaluation.extrapolation import extrapolation
from flowpot.evaluation.known import Uncertainties, lacks
from flowpot.evaluation.model import ErrorModel

_SMALLEST = 1e-300  # of what is divided by


class Calibration(BaseModel):
    """
    How the uncertainties of a committee translate into its error in one property.

    The error model decides which frames are flagged, or, by the rule ``least-squares``,
    a threshold on the leading uncertainty. Make one with
    :func:`flowpot.evaluation.calibrate`.
    """

    slope: float = Field(description="typical ratio of uncertainty to error")
    slope_interval: Interval = Field(description="95 % interval of the slope")
    covariate: str = Field(
        OWN, description="the leading uncertainty, which slope and threshold are of"
    )
    r2: float = Field(description="coefficient of determination")
    rank_correlation: float = Field(
        description="Spearman's, of the prediction with the error"
    )
    tpr: float | None = Field(
        None,
        description="share of the frames over tolerance that are flagged; None without "
        "such frames",
    )
    tpr_interval: Interval | None = Field(None, description="95 %")
    ppv: float | None = Field(
        None,
        description="share of the flagged frames that are over tolerance; None without "
        "such frames",
    )
    ppv_interval: Interval | None = Field(None, description="95 %")
    expected_tpr: float | None = Field(
        None,
        description="of the frames judged that have the property and a finite "
        "prediction, by the error model",
    )
    expected_ppv: float | None = Field(
        None, description="of these frames, by the error model"
    )
    expected_bad: float | None = Field(
        None,
        description="share of these frames that is over tolerance, by it, too",
    )
    coverage: float | None = Field(
        None, description="share of errors under the predicted median; nominal: 0.5"
    )
    tolerance: float = Field(description="on the error, in the property's unit")
    threshold: float = Field(
        description="on the leading uncertainty, the others being as in the fit: for "
        "people to read; what flags a frame is its chance"
    )
    rule: str = Field(
        "least-squares", description="what decides which frames are flagged"
    )
    chance: float = Field(
        0.5,
        description="probability of being over the limit from which on a frame is "
        "flagged",
    )
    limit: float | None = Field(
        None, description="on the error that flags a frame; None: the threshold does"
    )
    error_model: ErrorModel | None = Field(
        None, description="predicts errors from uncertainties"
    )
    spread_model: ErrorModel | None = Field(
        None,
        description="the same from what the predictions alone give, the members' "
        "spread and the size of the forces, for an MD run that is watched; None: the "
        "error model needs no more",
    )
    atom_model: ErrorModel | None = Field(
        None,
        description="of the forces: predicts the errors of single atoms (component "
        "RMS); None: documents of earlier versions have none",
    )
    atom_spread_model: ErrorModel | None = Field(
        None, description="the same from what the predictions alone give"
    )
    n: int = Field(description="frames in the fit")
    effective_n: float = Field(description="frames that these are worth")
    origin: str = Field("", description="where the frames of the fit came from")
    trusted: bool = Field(
        description="whether the fit is a good one; it decides nothing"
    )
    reason: str | None = Field(None, description="why the fit is not trusted")
    decides: bool = Field(True, description="whether it takes part in the selection")

    @model_validator(mode="before")
    @classmethod
    def _line(cls, fields: Any) -> Any:
        """Make the error model of a document of an earlier version, from its line."""
        if not isinstance(fields, dict) or fields.get("error_model") is not None:
            return fields
        slope, threshold = fields.get("slope"), fields.get("threshold")
        if not isinstance(slope, int | float) or not isinstance(threshold, int | float):
            return fields
        slope, scale, exponents = max(slope, _SMALLEST), 1.0, {OWN: 1.0}
        if mixture := fields.get("mixture"):  # of energy and forces
            weight = mixture["weight"]
            exponents = {OWN: 1 - weight, FORCES_SPREAD: weight}
            scale = mixture["scale"] ** weight
        limit = max(threshold, _SMALLEST) / slope
        model = ErrorModel.line(exponents, scale / slope)
        return fields | {"limit": limit, "error_model": model}

    def model_for(self, covariates: Mapping[str, Any]) -> ErrorModel:
        """
        Return the error model that needs no more than some covariates.

        Parameters
        ----------
        covariates
            By their names, as :func:`covariates_of` chooses them.

        Raises
        ------
        ValueError
            Where neither model can do with them.
        """
        for model in (self.error_model, self.spread_model):
            if model is not None and set(model.names) <= covariates.keys():
                return model
        needed = () if self.error_model is None else self.error_model.names
        raise ValueError(
            f"the calibration needs the uncertainties {', '.join(needed)}, and has "
            f"{', '.join(covariates) or 'none'}: measure the others, too"
        )

    def excess(self, uncertainty: Uncertainties, name: str) -> NDArray[np.float64]:
        """
        Return how far frames are over what is accepted: they are flagged over 1.

        This is the error that a frame stays under with a probability of 1 - `chance`,
        in units of the limit; by the rule ``least-squares`` it is the leading
        uncertainty in units of the threshold.

        Parameters
        ----------
        uncertainty
            Numbers or (n,) arrays by name.
        name
            The property that this is the calibration of.

        Returns
        -------
        numpy.ndarray
            (n,); infinite where an uncertainty is not finite, 0 where a frame has no
            such property.
        """
        covariates = covariates_of(uncertainty, name)
        if self.limit is None:
            leading = covariates[self.covariate] / max(self.threshold, _SMALLEST)
            over = np.where(np.isfinite(leading), leading, np.inf)
        else:
            model = self.model_for(covariates)
            over = model.quantile(covariates, 1 - self.chance) / self.limit
        return np.where(lacks(uncertainty, name), 0.0, over)

    def chance_over(self, uncertainty: Uncertainties, name: str) -> NDArray[np.float64]:
        """
        Return the probability (n,) that each frame's error is over tolerance.

        Parameters are those of :meth:`excess`. It is 1 where an uncertainty is not
        finite, and 0 where a frame has no such property.
        """
        covariates = covariates_of(uncertainty, name)
        chance = self.model_for(covariates).chance(covariates, self.tolerance)
        return np.where(lacks(uncertainty, name), 0.0, chance)

    def error_bar(
        self, uncertainty: Uncertainties, name: str, q: float = 0.68
    ) -> NDArray[np.float64]:
        """
        Return the error (n,) that frames stay under with probability q.

        In the property's unit; the other parameters are those of :meth:`excess`. It is
        infinite where an uncertainty is not finite, and where a frame has no such
        property.
        """
        covariates = covariates_of(uncertainty, name)
        bar = self.model_for(covariates).quantile(covariates, q)
        return np.where(lacks(uncertainty, name), np.inf, bar)

    def atom_bar(
        self, uncertainty: Uncertainties, q: float = 0.68
    ) -> NDArray[np.float64]:
        """
        Return the force error that atoms stay under with probability q.

        Without a model of single atoms it is that of whole frames, whose errors scatter
        less: the bars are too narrow.

        Parameters
        ----------
        uncertainty
            (A,) arrays by name, of atoms.
        q
            Between 0 and 1.

        Returns
        -------
        numpy.ndarray
            (A,) component RMS in eV/A.
        """
        covariates = covariates_of(uncertainty, "forces")
        for model in (self.atom_model, self.atom_spread_model):
            if model is not None and set(model.names) <= covariates.keys():
                return model.quantile(covariates, q)
        of_atoms = {f"{k}_rms": x for k, x in uncertainty.items() if k != "forces"}
        covariates = covariates_of({**uncertainty, **of_atoms}, "forces")
        return self.model_for(covariates).quantile(covariates, q)

    def extrapolation(
        self, uncertainty: Uncertainties, name: str
    ) -> NDArray[np.float64]:
        """
        Return how far frames are beyond those of the fit: over 1.

        Members that have seen nothing of the kind may agree, and be wrong together:
        error bars of such frames may be too small.

        Parameters
        ----------
        uncertainty, name
            As in :meth:`excess`.

        Returns
        -------
        numpy.ndarray
            (n,) the largest uncertainty that is measured beside the predictions, as the
            distance to the learned frames in feature space, in units of what 95 % of
            the frames of the fit stay under; infinite where it is not finite. NaN where
            there is none, and by documents of earlier versions.

        Examples
        --------
        >>> from flowpot.evaluation import calibrate
        >>> spread, distance = np.ones(21), np.linspace(0.0, 2.0, 21)
        >>> fit = calibrate(
        ...     {"energy": spread, "feature_distance": distance},
        ...     {"energy": 0.1 * distance},
        ...     {"energy": 0.2},
        ... )["energy"]
        >>> new = {"energy": np.ones(2), "feature_distance": np.array([1.9, 5.7])}
        >>> fit.extrapolation(new, "energy").round(6).tolist()
        [1.0, 3.0]
        """
        reach = {} if self.error_model is None else self.error_model.reach
        return extrapolation(covariates_of(uncertainty, name), reach)

    def surely_over(
        self, uncertainty: Uncertainties, name: str, factor: float
    ) -> NDArray[np.bool_]:
        """
        Return the mask (n,) of frames beyond the upper bound, with a chance of 95 %.

        Frames without a finite prediction are, those without such a property are not.

        Parameters
        ----------
        uncertainty, name
            As in :meth:`excess`.
        factor
            Upper bound of the error in units of the tolerance, or of the committee's
            typical error where that is larger: that a committee is poor does not make
            its frames unphysical.
        """
        usual = self.tolerance
        if self.error_model is not None and self.error_model.n > 0:
            usual = max(usual, float(np.exp(self.error_model.mean[0])))
        beyond = self.error_bar(uncertainty, name, 0.05) > factor * usual
        return np.asarray(beyond & ~lacks(uncertainty, name))
