"""Training with MACE's own program, ``mace_run_train``."""

from flowpot.training.mace.training import MACETraining

__all__ = ["MACETraining"]
