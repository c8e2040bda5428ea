"""Many replicas in one process, on flowpot's own potentials."""

from flowpot.exploration.batched.makers import BatchedMDMaker

__all__ = ["BatchedMDMaker"]
