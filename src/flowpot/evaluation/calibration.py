"""What is known of how a committee's uncertainty translates into its error."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

from flowpot.evaluation.binomial import Interval
from flowpot.evaluation.error_model import OWN, ErrorModel

FEATURES = ("feature_distance", "feature_distance_rms", "rigidity", "rigidity_rms")
"""Uncertainties that say something of every property."""
_SMALLEST = 1e-300

Uncertainties = Mapping[str, Any]
"""Numbers or (n,) arrays: the spread of each property under its name, and others."""


def covariates_of(
    uncertainty: Uncertainties, name: str
) -> dict[str, NDArray[np.float64]]:
    """
    Choose what the error of one property may follow.

    Its own spread, that of the forces (by which frames are chosen, so that the choice
    does not bias the fit of another property), and the distances in feature space.
    """
    found = {}
    if name in uncertainty:
        found[OWN] = uncertainty[name]
    if name != "forces" and "forces" in uncertainty:
        found["forces_spread"] = uncertainty["forces"]
    found |= {k: uncertainty[k] for k in FEATURES if k in uncertainty}
    return {k: np.atleast_1d(np.asarray(v, dtype=float)) for k, v in found.items()}


class Calibration(BaseModel):
    """How the uncertainties of one property translate into its error."""

    slope: float = Field(description="typical ratio of uncertainty to error")
    slope_interval: Interval = Field(description="95 % interval of the slope")
    covariate: str = Field(
        OWN, description="the uncertainty that slope and threshold are of"
    )
    r2: float = Field(description="coefficient of determination")
    rank_correlation: float = Field(description="Spearman's, prediction with error")
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
        None, description="of the frames judged, by the error model"
    )
    expected_ppv: float | None = Field(
        None, description="of the frames judged, by the error model"
    )
    expected_bad: float | None = Field(
        None, description="share of the frames judged that is over tolerance, likewise"
    )
    coverage: float | None = Field(
        None, description="share of errors under the predicted median; nominal: 0.5"
    )
    tolerance: float = Field(description="on the error, in the property's unit")
    threshold: float = Field(
        description="on the uncertainty, the others being as in the fit: for people; "
        "what flags a frame is its chance"
    )
    rule: str = Field("least-squares", description="that decides what is flagged")
    chance: float = Field(
        0.5, description="of being over the limit, from which on a frame is flagged"
    )
    limit: float | None = Field(
        None, description="on the error; None: the threshold decides"
    )
    error_model: ErrorModel | None = Field(
        None, description="from uncertainties to errors"
    )
    spread_model: ErrorModel | None = Field(
        None, description="the same without the features, for a watched MD run"
    )
    n: int = Field(description="frames in the fit")
    effective_n: float = Field(description="frames that they are worth")
    origin: str = Field("", description="where the frames of the fit came from")
    trusted: bool = Field(description="whether the fit is a good one: information")
    reason: str | None = Field(None, description="why it is not")
    decides: bool = Field(True, description="whether it takes part in the selection")

    @model_validator(mode="before")
    @classmethod
    def _line(cls, fields: Any) -> Any:
        """Return a document without an error model that of its line."""
        if not isinstance(fields, dict) or fields.get("error_model") is not None:
            return fields
        slope, threshold = fields.get("slope"), fields.get("threshold")
        if not isinstance(slope, int | float) or not isinstance(threshold, int | float):
            return fields
        slope, scale, exponents = max(slope, _SMALLEST), 1.0, {OWN: 1.0}
        if mixture := fields.get("mixture"):  # as older versions joined energy, forces
            weight = mixture["weight"]
            exponents = {OWN: 1 - weight, "forces_spread": weight}
            scale = mixture["scale"] ** weight
        limit = max(threshold, _SMALLEST) / slope
        model = ErrorModel.line(exponents, scale / slope)
        return fields | {"limit": limit, "error_model": model}

    def model_for(self, covariates: Mapping[str, Any]) -> ErrorModel:
        """
        Choose the error model that some covariates are enough for.

        Raises
        ------
        ValueError
            If there is none.
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
        Return how far a frame is over what is accepted: it is flagged if over 1.

        That is what its error stays under, with a probability of 1 - `chance`, in units
        of the limit; or its leading uncertainty in units of the threshold, by the rule
        ``least-squares``.

        Parameters
        ----------
        uncertainty
            Numbers or (n,) arrays.
        name
            The calibration's property.

        Returns
        -------
        numpy.ndarray
            (n,); infinite where an uncertainty is not finite.
        """
        covariates = covariates_of(uncertainty, name)
        if self.limit is None:
            leading = covariates[self.covariate] / max(self.threshold, _SMALLEST)
            return np.where(np.isfinite(leading), leading, np.inf)
        model = self.model_for(covariates)
        return model.quantile(covariates, 1 - self.chance) / self.limit

    def chance_over(self, uncertainty: Uncertainties, name: str) -> NDArray[np.float64]:
        """Return the probability (n,) that each frame is over tolerance."""
        covariates = covariates_of(uncertainty, name)
        chance = self.model_for(covariates).chance(covariates, self.tolerance)
        has_none = name == "stress" and np.isnan(covariates.get(OWN, np.zeros(1)))
        return np.where(has_none, 0.0, chance)

    def error_bar(
        self, uncertainty: Uncertainties, name: str, q: float = 0.68
    ) -> NDArray[np.float64]:
        """Return the error (n,) that frames stay under with probability q."""
        covariates = covariates_of(uncertainty, name)
        return self.model_for(covariates).quantile(covariates, q)

    def atom_bar(
        self, uncertainty: Uncertainties, q: float = 0.68
    ) -> NDArray[np.float64]:
        """
        Return the error of the forces on atoms (A,), component RMS, as `error_bar`.

        By the model of whole frames, whose errors scatter less than those of single
        atoms: the bars are rather narrow in the tail.

        Parameters
        ----------
        uncertainty
            (A,) arrays of atoms.
        q
            Between 0 and 1.
        """
        covariates = covariates_of(uncertainty, "forces")
        return self.model_for(covariates).quantile(covariates, q)

    def surely_over(
        self, uncertainty: Uncertainties, name: str, factor: float
    ) -> NDArray[np.bool_]:
        """
        Mask of frames whose error is far beyond anything, with a chance of 95 %.

        Parameters
        ----------
        uncertainty, name
            As in `excess`.
        factor
            In units of the tolerance; or of the committee's typical error, where that
            is larger: a poor committee does not make its frames wrecks.
        """
        usual = self.tolerance
        if self.error_model is not None and self.error_model.n > 0:
            usual = max(usual, float(np.exp(self.error_model.mean[0])))
        return self.error_bar(uncertainty, name, 0.05) > factor * usual
