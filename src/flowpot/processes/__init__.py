"""Child programs: run pw.x, trainers and LAMMPS, and leave none of them behind."""

from flowpot.processes.child import run, run_together
from flowpot.processes.command import Command, Ended

__all__ = ["Command", "Ended", "run", "run_together"]
