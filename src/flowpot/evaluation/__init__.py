"""Evaluation: a committee that knows how wrong it is, and what to label next."""

from flowpot.dataset.labels import PROPERTIES
from flowpot.evaluation.audit import Audit, audit
from flowpot.evaluation.calculator import CommitteeCalculator
from flowpot.evaluation.calibration import Calibration
from flowpot.evaluation.covariates import Evidence
from flowpot.evaluation.criteria import Criteria
from flowpot.evaluation.decision import over_threshold
from flowpot.evaluation.disagreement import disagreement, error, label_error
from flowpot.evaluation.diversity import Descriptors, describe, farthest_points
from flowpot.evaluation.document import EvaluationDoc
from flowpot.evaluation.evidence import gather
from flowpot.evaluation.fitting import calibrate
from flowpot.evaluation.fresh import FreshError
from flowpot.evaluation.judgement import Judgement, judge
from flowpot.evaluation.makers import EvaluationMaker
from flowpot.evaluation.model import ErrorModel
from flowpot.evaluation.pool import CalibrationPool
from flowpot.evaluation.prediction import (
    CommitteePrediction,
    evaluate_committee,
    load_committee,
)
from flowpot.evaluation.selection import Selection, SelectionRules, select
from flowpot.evaluation.streaming import Spread, spread_over
from flowpot.evaluation.trust import Trust
from flowpot.evaluation.uncertainty import (
    CommitteeSpread,
    EnsembleSpread,
    FeatureDistance,
    Uncertainty,
)

Witnesses = CalibrationPool  # its earlier name

__all__ = [
    "PROPERTIES",
    "Audit",
    "Calibration",
    "CalibrationPool",
    "CommitteeCalculator",
    "CommitteePrediction",
    "CommitteeSpread",
    "Criteria",
    "Descriptors",
    "EnsembleSpread",
    "ErrorModel",
    "EvaluationDoc",
    "EvaluationMaker",
    "Evidence",
    "FeatureDistance",
    "FreshError",
    "Judgement",
    "Selection",
    "SelectionRules",
    "Spread",
    "Trust",
    "Uncertainty",
    "audit",
    "calibrate",
    "describe",
    "disagreement",
    "error",
    "evaluate_committee",
    "farthest_points",
    "gather",
    "judge",
    "label_error",
    "load_committee",
    "over_threshold",
    "select",
    "spread_over",
]
