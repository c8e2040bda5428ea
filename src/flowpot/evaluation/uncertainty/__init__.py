"""Uncertainties: numbers that grow with the error of a prediction."""

from flowpot.evaluation.uncertainty.base import Uncertainty
from flowpot.evaluation.uncertainty.distance import FeatureDistance
from flowpot.evaluation.uncertainty.ensemble import EnsembleSpread
from flowpot.evaluation.uncertainty.registry import StoredUncertainty, uncertainties
from flowpot.evaluation.uncertainty.spread import CommitteeSpread

__all__ = [
    "CommitteeSpread",
    "EnsembleSpread",
    "FeatureDistance",
    "StoredUncertainty",
    "Uncertainty",
    "uncertainties",
]
