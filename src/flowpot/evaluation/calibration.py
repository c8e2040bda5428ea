"""What is known of how a committee's disagreement translates into its error."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from flowpot.evaluation.binomial import Interval
from flowpot.evaluation.mixture import Mixture


class Calibration(BaseModel):
    """How the disagreement in one property translates into error, and how surely."""

    slope: float = Field(description="disagreement = slope * error")
    slope_interval: Interval = Field(description="95 % bootstrap interval of the slope")
    r2: float = Field(description="coefficient of determination of the line")
    rank_correlation: float = Field(description="Spearman's, disagreement with error")
    tpr: float | None = Field(
        None,
        description="share of the frames over tolerance that lie over the threshold; "
        "None without such frames",
    )
    tpr_interval: Interval | None = Field(None, description="95 %, Jeffreys")
    ppv: float | None = Field(
        None,
        description="share of the frames over the threshold that are over tolerance; "
        "None without such frames",
    )
    ppv_interval: Interval | None = Field(None, description="95 %, Jeffreys")
    expected_tpr: float | None = Field(
        None, description="of the frames judged, by the error model"
    )
    expected_ppv: float | None = Field(
        None, description="of the frames judged, by the error model"
    )
    coverage: float | None = Field(
        None,
        description="share of errors under disagreement / slope; nominal: 0.5",
    )
    tolerance: float = Field(description="on the error, in the property's unit")
    threshold: float = Field(description="on the disagreement, same unit")
    rule: str = Field("least-squares", description="that set the threshold")
    n: int = Field(description="frames in the fit")
    effective_n: float = Field(description="(sum w)^2 / sum w^2 of their weights")
    origin: str = Field("", description="where the frames of the fit came from")
    trusted: bool = Field(description="whether the fit can carry a decision")
    reason: str | None = Field(None, description="why it cannot")
    fallback: str | None = Field(
        None, description="what the threshold was taken from, where it cannot"
    )
    decides: bool = Field(True, description="whether it takes part in the selection")
    mixture: Mixture | None = Field(
        None,
        description="with the forces' disagreement; None: the property's own alone",
    )

    def measure(self, disagreement: Mapping[str, Any], name: str) -> Any:
        """
        Give the disagreement that the threshold is on.

        Parameters
        ----------
        disagreement
            Numbers or (n,) arrays, per property.
        name
            The calibration's property.
        """
        own = disagreement[name]
        if self.mixture is None:
            return own
        return self.mixture.join(own, disagreement["forces"])

    def predicted_error(self, disagreement: np.ndarray) -> np.ndarray:
        """Error that a disagreement stands for, in the property's unit."""
        return disagreement / self.slope

    def upper_bound(self, factor: float) -> float:
        """Disagreement that stands for an error of so many tolerances."""
        return self.slope * factor * self.tolerance

    def widened(self, source: str) -> "Calibration":
        """
        Lower the threshold as far as the slope may be lower, and note the source.

        What cannot be trusted is used with care: rather label a frame too many than
        accept a bad one.
        """
        low = self.slope_interval[0]
        factor = low / self.slope if self.slope > 0 and low > 0 else 0.0
        return self.model_copy(
            update={
                "threshold": factor * max(self.threshold, 0.0),
                "fallback": f"{source}, lowered to the slope's lower limit",
            }
        )
