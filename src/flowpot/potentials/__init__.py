"""A trained potential: load it, and evaluate many frames at once."""

from flowpot.potentials.base import Potential
from flowpot.potentials.members import evaluate_members, members_of
from flowpot.potentials.model_files import model_file
from flowpot.potentials.prediction import MissingOutputError, Prediction
from flowpot.potentials.registry import backend_class, calculator, load_potential

__all__ = [
    "MissingOutputError",
    "Potential",
    "Prediction",
    "backend_class",
    "calculator",
    "evaluate_members",
    "load_potential",
    "members_of",
    "model_file",
]
