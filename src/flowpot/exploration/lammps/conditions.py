"""Where stored Makers and runs look for Conditions, the conditions of trajectories."""

from flowpot.exploration.conditions import Barostat, Conditions, Ensemble, pair

__all__ = ["Barostat", "Conditions", "Ensemble", "pair"]
