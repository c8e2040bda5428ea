"""How pw.x is started, and how its processes share the work."""

import math
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

_LAUNCHERS = ("mpirun", "mpiexec", "orterun", "prterun", "srun", "aprun", "jsrun")
_RANKS = re.compile(r"(?:^|\s)(?:-np|-n|--np|--ntasks)(?:\s+|=)(\d+)")
_POOL_OPTIONS = {"-nk", "-npool", "-npools", "--npool"}
_DIAGONALISATION_OPTIONS = {"-nd", "-ndiag", "-northo", "-nproc_diag", "-nproc_ortho"}
_MANY_BANDS = 500  # where a matrix of so many is diagonalised faster by several


@dataclass(frozen=True)
class PwCommand:
    """
    How pw.x is started.

    Parameters
    ----------
    line
        The command as a shell would read it, launcher included.

    Examples
    --------
    >>> PwCommand("mpirun.openmpi -np 4 pw.x -nk 2").ranks
    4
    """

    line: str

    @property
    def argv(self) -> list[str]:
        """The command in words."""
        words = shlex.split(self.line)
        if not words:
            raise ValueError("FLOWPOT_PW_CMD is empty: set it to how pw.x is started")
        return words

    @property
    def launcher(self) -> str | None:
        """The MPI launcher, where there is one."""
        first = Path(self.argv[0]).name
        return first if first.split(".")[0] in _LAUNCHERS else None

    @property
    def ranks(self) -> int | None:
        """
        MPI processes asked for: by the command, or else by Slurm's allocation.

        None where neither says.
        """
        if self.launcher is None:
            return 1
        found = _RANKS.search(self.line)
        count = found.group(1) if found else os.environ.get("SLURM_NTASKS")
        return int(count) if count else None

    def missing(self) -> str | None:
        """Name the first program of the command that is not to be found."""
        programs = [self.argv[0]]
        if self.launcher:
            programs += [w for w in self.argv if Path(w).name.endswith("pw.x")][:1]
        return next((p for p in programs if shutil.which(p) is None), None)

    def pools(self, n_kpoints: int) -> int | None:
        """
        Choose k-point pools: the most that divide the processes and have work each.

        None where the command says it itself, or how many processes there are is
        unknown.
        """
        if self.ranks is None or _POOL_OPTIONS & set(self.argv):
            return None
        ranks, most = self.ranks, min(self.ranks, max(n_kpoints, 1))
        return next(p for p in range(most, 0, -1) if ranks % p == 0)

    def argv_for(self, n_kpoints: int, n_bands: int = 0) -> list[str]:
        """
        Give the command in words, with how its processes share the work.

        Parameters
        ----------
        n_kpoints
            Points that pw.x is going to have at least, by spin: pools without any
            would idle, or stop it.
        n_bands
            Of a k-point. Matrices of a few hundred are diagonalised by one process,
            where the library for several costs more than it gains; larger ones by the
            largest square of processes in a pool.
        """
        argv, pools = self.argv, self.pools(n_kpoints)
        if pools is None or self.ranks is None or self.ranks == 1:
            return argv
        if pools > 1:
            argv += ["-nk", str(pools)]
        if not _DIAGONALISATION_OPTIONS & set(argv):
            side = math.isqrt(self.ranks // pools) if n_bands >= _MANY_BANDS else 1
            argv += ["-nd", str(side**2)]
        return argv
