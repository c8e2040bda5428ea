"""Where unfinished trainings are kept."""

from flowpot.run_cache import RunCache as TrainingCache

__all__ = ["TrainingCache"]
