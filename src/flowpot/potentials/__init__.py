"""A trained potential: load it, and evaluate many frames at once."""

from flowpot.potentials.base import Potential, Prediction, evaluate_members
from flowpot.potentials.load import calculator, load_potential, model_file

__all__ = [
    "Potential",
    "Prediction",
    "calculator",
    "evaluate_members",
    "load_potential",
    "model_file",
]
