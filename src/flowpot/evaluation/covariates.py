"""
Uncertainties of frames by name, and which of them predict the error of a property.

The spread of the members in a property has the property's name. All other names are
those of further uncertainties, which say something of every property.
"""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset.labels import DECIDING
from flowpot.evaluation.atoms import AtomSample
from flowpot.evaluation.known import Uncertainties
from flowpot.evaluation.predicted import HAS_STRESS, MAGNITUDES

Array = NDArray[np.float64]

OWN = "spread"
"""Covariate: the spread of the members in the property itself."""
FORCES_SPREAD = "forces_spread"
"""Covariate of the other properties: the spread of the forces."""
FEATURES = ("feature_distance", "feature_distance_rms", "rigidity", "rigidity_rms")
"""Uncertainties that :class:`flowpot.evaluation.FeatureDistance` measures."""
PREDICTED = (OWN, FORCES_SPREAD, *MAGNITUDES)
"""Covariates that the predictions alone give."""

_PREFIX = "uncertainty_"  # of columns that hold uncertainties of other packages


def covariates_of(uncertainty: Uncertainties, name: str) -> dict[str, Array]:
    """
    Choose the uncertainties that predict the error of one property.

    These are the spread of the property itself; the spread of the forces, by which
    frames are chosen, so that the choice does not bias the fit of another property
    (Gelman et al., Bayesian Data Analysis, 3rd ed., 2013, section 8.3); and all that
    is no spread.

    Parameters
    ----------
    uncertainty
        Numbers or (n,) arrays.
    name
        The property.

    Returns
    -------
    dict
        (n,) arrays: ``spread``, ``forces_spread``, then the others by their names. The
        first leads: the size of the forces, which is no uncertainty by itself, is last.
    """
    chosen = {}
    if name in uncertainty:
        chosen[OWN] = uncertainty[name]
    if name != "forces" and "forces" in uncertainty:
        chosen[FORCES_SPREAD] = uncertainty["forces"]
    placed = {*DECIDING, HAS_STRESS, *FEATURES, *MAGNITUDES}
    added = [k for k in uncertainty if k not in placed]
    chosen |= {
        k: uncertainty[k] for k in (*FEATURES, *added, *MAGNITUDES) if k in uncertainty
    }
    return {k: np.atleast_1d(np.asarray(v, dtype=float)) for k, v in chosen.items()}


def column_of(uncertainty: str) -> str:
    """Return the name of the column in which files keep an uncertainty."""
    if uncertainty in DECIDING:
        return f"disagreement_{uncertainty}"
    if uncertainty in (*FEATURES, HAS_STRESS):
        return uncertainty
    return f"{_PREFIX}{uncertainty}"


def uncertainties_in(columns: Mapping[str, Any]) -> dict[str, Array]:
    """Return the uncertainties among columns (n,), under their own names."""
    names = {column_of(name): name for name in (*DECIDING, *FEATURES, HAS_STRESS)}
    added = [column for column in columns if column.startswith(_PREFIX)]
    names |= {column: column.removeprefix(_PREFIX) for column in sorted(added)}
    return {
        name: np.asarray(columns[column], dtype=float)
        for column, name in names.items()
        if column in columns
    }


@dataclass(frozen=True)
class Used:
    """
    Which of n labelled frames the fit of one property is made of.

    Attributes
    ----------
    worth
        (n,) what each frame counts for; 0 where it does not take part.
    origin
        Where the frames that take part came from, in words.
    """

    worth: Array
    origin: str


@dataclass(frozen=True)
class Evidence:
    """
    Uncertainties and errors of n labelled frames.

    Attributes
    ----------
    disagreement, error
        (n,) arrays: uncertainties by name, and errors by property.
    weights
        (n,) inverse selection probabilities, where a fit needs them.
    origin
        Where the frames came from, in words.
    worth
        (n,) what each frame counts for: less than one where it does not quite
        represent the frames to be judged. Empty: one each.
    atoms
        Some atoms of these frames; None where atoms are not known.
    used
        By property, where this differs from `worth` and `origin`: frames may lack a
        property, or an uncertainty that predicts it.
    """

    disagreement: Mapping[str, Array]
    error: Mapping[str, Array]
    weights: Array
    origin: str
    worth: Array = field(default_factory=lambda: np.empty(0))
    atoms: AtomSample | None = None
    used: Mapping[str, Used] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.worth) != len(self.weights):
            object.__setattr__(self, "worth", np.ones(len(self.weights)))

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def effective_n(self) -> float:
        """Number of frames that they are worth together."""
        return float(self.worth.sum())

    @property
    def worths(self) -> dict[str, Array]:
        """What each frame counts for (n,), by property."""
        return {name: self.used_for(name).worth for name in self.error}

    def used_for(self, name: str) -> Used:
        """Return which of the frames the fit of a property is made of."""
        return self.used.get(name, Used(self.worth, self.origin))

    def usable(self, name: str) -> NDArray[np.bool_]:
        """Return the mask (n,) of frames whose error in a property can be fitted."""
        covariates = covariates_of(self.disagreement, name)
        if name not in self.error or not covariates:
            return np.zeros(len(self), dtype=bool)
        worth = self.used_for(name).worth
        return _usable(covariates, self.error[name], self.weights, worth)

    def worth_at_most(self, limit: float) -> "Evidence":
        """Return the same frames, which together count for at most `limit` frames."""
        share = min(limit / self.effective_n, 1.0) if self.effective_n else 0.0
        return replace(self, worth=max(share, 0.0) * self.worth)

    def measured(self, names: Collection[str]) -> "Evidence":
        """Return the same frames with these uncertainties: NaN where not measured."""
        unknown = np.full(len(self), np.nan)
        return replace(
            self, disagreement={k: self.disagreement.get(k, unknown) for k in names}
        )

    @classmethod
    def join(cls, parts: Sequence["Evidence"]) -> "Evidence":
        """Put several pieces together; what a piece does not know is NaN."""
        return cls(
            disagreement=_join([p.disagreement for p in parts], parts),
            error=_join([p.error for p in parts], parts),
            weights=np.concatenate([p.weights / p.weights.mean() for p in parts]),
            origin=" and ".join(p.origin for p in parts),
            worth=np.concatenate([p.worth for p in parts]),
            atoms=AtomSample.joined([(p.atoms, len(p)) for p in parts]),
        )

    def pairs(self, name: str) -> "Pairs":
        """Return the frames whose uncertainties and error in a property are known."""
        worth = self.used_for(name).worth
        return Pairs.of(self.disagreement, self.error[name], name, self.weights, worth)

    def to_bytes(self) -> bytes:
        """
        Write a compressed npz file.

        Its arrays are ``weights``, ``worth``, ``worth_*`` of properties of which it
        differs, ``error_*`` and the uncertainties, named by :func:`column_of`.
        """
        arrays = {"weights": self.weights, "worth": self.worth}
        arrays |= {f"worth_{k}": used.worth for k, used in self.used.items()}
        arrays |= {column_of(k): v for k, v in self.disagreement.items()}
        arrays |= {f"error_{k}": v for k, v in self.error.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()


def _join(
    mappings: Sequence[Mapping[str, Array]], parts: Sequence[Evidence]
) -> dict[str, Array]:
    names = dict.fromkeys(name for mapping in mappings for name in mapping)
    rows = list(zip(mappings, parts, strict=True))
    return {
        name: np.concatenate([m.get(name, np.full(len(p), np.nan)) for m, p in rows])
        for name in names
    }


def _usable(
    covariates: Mapping[str, Array], error: Array, weights: Array, worth: Array
) -> NDArray[np.bool_]:
    """Return the mask (n,) of frames that count, and of which everything is known."""
    known = np.isfinite([error, weights, *covariates.values()]).all(axis=0)
    return np.asarray(known & (weights * worth > 0))


@dataclass(frozen=True)
class Pairs:
    """
    Covariates and error of n frames in one property: what an error model is fitted to.

    Attributes
    ----------
    covariates
        (n,) by name, the leading one first.
    error
        (n,) in the property's unit, finite.
    weights
        (n,) inverse selection probabilities.
    worth
        (n,) what each frame counts for.
    """

    covariates: Mapping[str, Array]
    error: Array
    weights: Array
    worth: Array

    def __len__(self) -> int:
        return len(self.error)

    @classmethod
    def of(
        cls,
        uncertainty: Uncertainties,
        error: Array,
        name: str,
        weights: Array | None = None,
        worth: Array | None = None,
    ) -> "Pairs":
        """
        Keep the frames that count, and of which everything is known.

        Parameters
        ----------
        uncertainty
            (n,) arrays by name.
        error
            (n,) in the property's unit.
        name
            The property.
        weights, worth
            (n,) each; None: one each.
        """
        covariates = covariates_of(uncertainty, name)
        e = np.asarray(error, dtype=float)
        w = np.ones(len(e)) if weights is None else np.asarray(weights, float)
        v = np.ones(len(e)) if worth is None else np.asarray(worth, float)
        usable = _usable(covariates, e, w, v)
        known = {k: x[usable] for k, x in covariates.items()}
        return cls(known, e[usable], w[usable], v[usable])

    @property
    def leading_name(self) -> str:
        """The covariate that slope and threshold are of."""
        return next(iter(self.covariates))

    @property
    def leading(self) -> Array:
        """Values (n,) of the leading covariate."""
        return self.covariates[self.leading_name]

    @property
    def predicted(self) -> dict[str, Array]:
        """
        Those of the covariates that the predictions alone give.

        Empty without a spread of the members: the size of the forces says too little.
        """
        found = {k: x for k, x in self.covariates.items() if k in PREDICTED}
        return found if OWN in found else {}
