"""Child programs: run pw.x, trainers and LAMMPS, and leave none of them behind."""

from flowpot.processes.child import Command, Ended, run, run_together

__all__ = ["Command", "Ended", "run", "run_together"]
