"""How pw.x is started, and how its processes share the work."""

import math
import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from flowpot.labelling.espresso.namelists import INPUT_FILE
from flowpot.processes import Command, Ended, run

_PROGRAM = "pw.x"
_MPIRUNS = ("mpirun", "mpiexec", "orterun", "prterun")
_LAUNCHERS = (*_MPIRUNS, "srun", "aprun", "jsrun")
_RANKS = re.compile(r"\s(?:-np|-n|--np|--n|--ntasks)(?:\s+|=|(?<=-n))(\d+)(?=\s|$)")
_COPIES = re.compile(r"\s-c\s+(\d+)(?=\s|$)")  # of mpirun; srun's are cores
_PLACING = re.compile(
    r"\s(?:-N|--nodes|--ntasks-per-|--gpus|--?npernode|--?npersocket|--?map-by|-ppn|"
    r"-perhost|-H|--?host|--?machinefile|-f\s)"
)  # options that change the number of processes, in ways that launchers differ in
_POOL_OPTIONS = {"-nk", "-npool", "-npools", "--npool"}
_DIAGONALISATION_OPTIONS = {"-nd", "-ndiag", "-northo", "-nproc_diag", "-nproc_ortho"}
_MANY_BANDS = 500  # from here on several processes diagonalise a matrix faster


@dataclass(frozen=True)
class PwCommand:
    """
    Command that starts pw.x.

    Parameters
    ----------
    line
        The command as in a shell, including an MPI launcher.

    Examples
    --------
    >>> PwCommand("mpirun.openmpi -np 4 pw.x -nk 2").ranks
    4
    """

    line: str

    @property
    def argv(self) -> list[str]:
        """Words of the command; a program that is named by a path has its full path."""
        try:
            words = shlex.split(self.line)
        except ValueError as error:
            raise ValueError(
                f"FLOWPOT_PW_CMD is {self.line!r}: {error}, correct its quotes"
            ) from error
        if not words:
            raise ValueError("FLOWPOT_PW_CMD is empty: set it to how pw.x is started")
        program, *rest = words
        if "/" in program:
            # pw.x runs in a folder of its own, where a relative path leads nowhere.
            path = Path(program).expanduser()
            if path.exists() or program.startswith("~"):
                program = str(path.absolute())
        return [program, *rest]

    @property
    def launcher(self) -> str | None:
        """
        MPI launcher that starts pw.x, None without one.

        Other programs that start pw.x (a script of the site, ``env``, a container)
        decide themselves how it runs.
        """
        first = Path(self.argv[0]).name
        is_launcher = first.split(".")[0] in _LAUNCHERS
        return first if is_launcher and self._position is not None else None

    @property
    def is_plain(self) -> bool:
        """Whether the command starts pw.x itself, without a launcher."""
        return Path(self.argv[0]).name == _PROGRAM

    @property
    def ranks(self) -> int | None:
        """
        Number of MPI processes, by the launcher's options or Slurm's allocation.

        None if neither says it, other options place the processes, or another program
        starts pw.x.
        """
        if self.is_plain:
            return 1
        if self.launcher is None or ":" in self.argv:  # several programs
            return None
        options = " ".join(self.argv[: self._position])
        asked = _RANKS.search(options)
        if asked is None and self.launcher.split(".")[0] in _MPIRUNS:
            asked = _COPIES.search(options)
        if asked is not None:
            return int(asked.group(1))
        if _PLACING.search(options):
            return None
        count = os.environ.get("SLURM_NTASKS")
        return int(count) if count else None

    @property
    def _position(self) -> int | None:
        """Index of the word that ends in pw.x; None if there is none."""
        names = [Path(word).name for word in self.argv]
        return next((i for i, n in enumerate(names) if n.endswith(_PROGRAM)), None)

    @property
    def program(self) -> str | None:
        """Word of the command that ends in pw.x, a name or a path; None without one."""
        return None if self._position is None else self.argv[self._position]

    def missing(self) -> str | None:
        """Return the first program of the command that is not installed, or None."""
        first, *others = self.argv
        if shutil.which(first) is None:
            return first
        if Path(first).name.split(".")[0] not in _LAUNCHERS:
            return None
        if self.program is not None:
            return self.program if shutil.which(self.program) is None else None
        if any(shutil.which(word) for word in others):
            return None
        return next((word for word in reversed(others) if word[0] != "-"), _PROGRAM)

    def pools(self, n_kpoints: int) -> int | None:
        """
        Choose the number of k-point pools.

        It is the largest that divides the number of processes and gives each pool a
        k-point. None if the command sets it, or the number of processes is unknown.
        """
        if self.ranks is None or _POOL_OPTIONS & set(self.argv):
            return None
        ranks, most = self.ranks, min(self.ranks, max(n_kpoints, 1))
        return next(p for p in range(most, 0, -1) if ranks % p == 0)

    def argv_for(self, n_kpoints: int, n_bands: int = 0) -> list[str]:
        """
        Return the words of the command, with options for sharing the work.

        Parameters
        ----------
        n_kpoints
            Least number of k-points that pw.x will have, those of both spins counted.
            Pools without a k-point would idle, or stop pw.x.
        n_bands
            Number of bands at a k-point. Below 500 one process diagonalises the
            matrix, as the parallel library costs more than it gains; above, the
            largest square number of processes in a pool.
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


OUTPUT_FILE = "pw.out"
ERROR_FILE = "pw.err"
CRASH_FILE = "CRASH"  # pw.x writes its error into it, too


def run_pw(
    folder: Path,
    argv: list[str],
    *,
    timeout: float | None = None,
    stop: Event | None = None,
    watch: Callable[[], bool] | None = None,
) -> Ended:
    """
    Run pw.x in a folder and wait for it.

    Parameters
    ----------
    folder
        Folder of the input file and the output. The current folder of this process is
        not used, so several threads may run pw.x at once.
    argv
        Words of the command, without the input file.
    timeout, stop, watch
        See :func:`flowpot.processes.run`.
    """
    output, errors = folder / OUTPUT_FILE, folder / ERROR_FILE
    for path in (output, errors):
        path.write_bytes(b"")
    line = PwCommand(shlex.join(argv))
    variables = {}
    # A site's script or a container, which knows its machine, gets no variables.
    if line.is_plain or line.launcher:
        variables["OMP_NUM_THREADS"] = "1"
    if line.is_plain:
        # A serial pw.x linked to Open MPI spends 0.3 s on looking for transports and
        # for a daemon. These settings, which other MPIs ignore, reduce that to 0.03 s.
        variables["OMPI_MCA_ess_singleton_isolated"] = "1"
        variables["OMPI_MCA_pml"] = "ob1"
        variables["OMPI_MCA_btl"] = "self"
    unset = {key: value for key, value in variables.items() if key not in os.environ}
    command = Command([*argv, "-in", INPUT_FILE], folder, output, errors, unset)
    return run(command, timeout=timeout, stop=stop, watch=watch)
