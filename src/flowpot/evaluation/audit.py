"""What the committee accepts, checked against labels."""

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, Field
from scipy.stats import beta


class Audit(BaseModel):
    """Outcome of labelling frames that the committee had accepted."""

    n: int = Field(0, description="audited frames with a label")
    n_bad: int = Field(0, description="of them, over tolerance in any property")
    bad_share: float | None = Field(None, description="n_bad / n; None if n is 0")
    upper_limit: float = Field(
        1.0, description="95 % upper limit of the bad share (Jeffreys)"
    )


def audit(error: Mapping[str, np.ndarray], tolerance: Mapping[str, float]) -> Audit:
    """
    Count the accepted frames that were wrong.

    Parameters
    ----------
    error
        (n,) arrays per property, of the predictions on which the frames had been
        accepted. NaN (a missing label) does not make a frame bad.
    tolerance
        Per property.

    Notes
    -----
    The limit is the 95 % quantile of Beta(k + 1/2, n - k + 1/2), Jeffreys' posterior
    (Brown, Cai and DasGupta, Stat. Sci. 16, 101, 2001). Without frames it is 1: what
    nobody looked at may all be wrong.
    """
    bad = np.zeros(len(error["energy"]), dtype=bool)
    for name, limit in tolerance.items():
        bad |= np.nan_to_num(error[name], nan=0.0) > limit
    n, k = len(bad), int(bad.sum())
    if n == 0:
        return Audit()
    upper = 1.0 if k == n else float(beta.ppf(0.95, k + 0.5, n - k + 0.5))
    return Audit(n=n, n_bad=k, bad_share=k / n, upper_limit=upper)
