"""Molecular dynamics of many replicas side by side in one process."""

from flowpot.exploration.batched.makers import BatchedMDMaker

__all__ = ["BatchedMDMaker"]
