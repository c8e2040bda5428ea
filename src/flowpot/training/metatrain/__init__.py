"""Training with metatrain's program, ``mtt train``."""

from flowpot.training.metatrain.training import MetatrainTraining

__all__ = ["MetatrainTraining"]
