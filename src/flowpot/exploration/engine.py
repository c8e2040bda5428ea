"""What every engine of molecular dynamics is and does."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, ClassVar

from jobflow import Job, Maker

from flowpot.dataset import Dataset
from flowpot.dataset.artifact import ArtifactError
from flowpot.dataset.portable import portable
from flowpot.documents import keep_traceback, package_versions, reason_for
from flowpot.exploration.conditions import Barostat, Conditions, Ensemble, pair
from flowpot.exploration.document import MDBatchDoc, MDDoc
from flowpot.exploration.members import anchored
from flowpot.exploration.preparation import (
    Committee,
    Planned,
    needed_members,
    plain_calibration,
    starts_of,
)
from flowpot.exploration.sampling import Output, refused_document
from flowpot.exploration.sanity import SanityLimits
from flowpot.jobs import stage_job
from flowpot.settings import fixed_path, get_settings
from flowpot.validation import at_least, instance, keep_tuples, positive, text, whole
from flowpot.validation import seed as check_seed

_STEPS_OF_A_JOB = 20_000
"""Steps beside which the start-up of a job, about ten seconds, is negligible."""
_STARTS_FILE = "starts.h5"


@dataclass
class MDMaker(Maker, ABC):
    """
    Run molecular dynamics with a committee member as the potential.

    An engine is a subclass with a method `simulate`; `flowpot.exploration.contract`
    tests whether it keeps what is promised here. Neither a trajectory that breaks down
    nor one that cannot run raises: of the first, the frames before the breakdown are
    kept, and the document of the second says why.

    Parameters
    ----------
    name
        Name of the job.
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
    barostat
        ``"aniso"``, ``"iso"`` or ``"tri"``: see :class:`Conditions`.
    minimise
        Largest number of relaxation steps before the run.
    seed
        Seed of the velocities and of the noise, where ``make`` is given none.
    limits
        Limits beyond which a frame is unphysical and the run is halted.
    upper_factor
        Predicted error, in units of the tolerance, at which a checked run is halted.
    dense_interval
        Steps between frames while the predicted error exceeds the tolerance; None
        samples no more than usual.
    vacuum
        Gap (A) between images along non-periodic axes, where a frame has less.
    walltime
        Seconds after which the trajectories of a job stop. Those of a campaign go on
        in a job that follows, until their steps are done.
    cache
        Folder, seen by all workers that may run the job, where trajectories are kept
        until they have ended: a job that runs in the place of one that was killed
        goes on with them. None: ``FLOWPOT_MD_CACHE``, or else nowhere.
    """

    name: str = "md"
    ensemble: Ensemble = "auto"
    temperature: float | tuple[float, float] = 300.0
    pressure: float | tuple[float, float] = 0.0
    n_steps: int = 10_000
    timestep: float = 1.0
    sample_interval: int = 100
    check_interval: int | None = None
    barostat: Barostat = "aniso"
    minimise: int = 0
    seed: int = 1
    limits: SanityLimits = field(default_factory=SanityLimits)
    upper_factor: float = 20.0
    dense_interval: int | None = None
    vacuum: float = 15.0
    walltime: float | None = None
    cache: str | None = None

    packages: ClassVar[tuple[str, ...]] = ("torch",)
    """Distributions whose versions the documents name."""

    def __post_init__(self) -> None:
        """Check the fields, before anything starts."""
        text(name=self.name)
        whole(1, n_steps=self.n_steps, sample_interval=self.sample_interval)
        whole(1, dense_interval=self.dense_interval, check_interval=self.check_interval)
        check_seed(seed=self.seed)
        instance(SanityLimits, limits=self.limits)
        positive(timestep=self.timestep, walltime=self.walltime)
        at_least(1, upper_factor=self.upper_factor)
        at_least(0, vacuum=self.vacuum)
        self.cache = fixed_path(self.cache)
        keep_tuples(self, "temperature", "pressure")
        self.conditions()
        self.output()
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

    @abstractmethod
    def simulate(self, planned: Sequence[Planned], committee: Committee) -> list[MDDoc]:
        """
        Run trajectories in the current folder.

        Parameters
        ----------
        planned
            The trajectories. One with `earlier` goes on from its ``checkpoint``, and
            its document then describes all of it.
        committee
            The potentials, and the calibration of their disagreement.

        Returns
        -------
        list of MDDoc
            A document for each trajectory, in order. The state is ``"failed"``, with
            a reason, for one that did not run, and ``"out of time"``, with a
            ``checkpoint``, for one that can go on.
        """

    def conditions(
        self,
        temperature: float | tuple[float, float] | None = None,
        pressure: float | tuple[float, float] | None = None,
        seed: int | None = None,
    ) -> Conditions:
        """Return the conditions of a trajectory; None stands for the Maker's value."""
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

    def output(self) -> Output:
        """Return what a run writes, and how often."""
        return Output(
            sample_interval=self.sample_interval,
            dense_interval=self.dense_interval,
            thermo_interval=max(1, min(self.sample_interval, self.n_steps // 100)),
            restart_interval=max(1, min(1000, self.n_steps // 2)),
        )

    def runs_to_share(self, n_runs: int) -> int:
        """
        Return how many trajectories should share a job and its loaded model.

        Parameters
        ----------
        n_runs
            Number of trajectories of an iteration.
        """
        if (workers := get_settings().MD_WORKERS) is not None:
            return ceil(n_runs / workers)
        return ceil(_STEPS_OF_A_JOB / self.n_steps)

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
    ) -> Job:
        """
        Make a job that runs one trajectory.

        Parameters
        ----------
        structure
            One frame, in anything that ``Dataset.load`` takes.
        committee
            CommitteeDoc, PotentialDoc, a model, an ASE calculator's class, or a list
            of these.
        temperature, pressure, seed
            Used in place of the Maker's.
        member
            Index of the committee member that drives; a single one always does.
        calibration
            ``calibration`` of an EvaluationDoc, for a checked run.

        Returns
        -------
        Job
            Its output is an :class:`MDDoc`.
        """
        conditions = self.conditions(temperature, pressure, seed)
        frames = portable(structure, _STARTS_FILE)
        return self.run_one(
            frames, conditions, anchored(committee), member, calibration
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
        Make a job that runs several trajectories.

        Parameters
        ----------
        structures
            A frame for each trajectory.
        conditions
            Conditions of each trajectory.
        committee, member, calibration
            See :meth:`make`.

        Returns
        -------
        Job
            Its output is an :class:`MDBatchDoc`. Its function takes ``resume``: the
            output of an earlier job, whose unfinished trajectories go on.
        """
        frames = portable(structures, _STARTS_FILE)
        return self.run_several(
            frames, list(conditions), anchored(committee), member, calibration
        )

    @stage_job(MDDoc)
    def run_one(
        self,
        structure: Any,
        conditions: Conditions,
        committee: Any,
        member: int,
        calibration: Any,
    ) -> MDDoc:
        """Run one trajectory, in the job's folder."""
        frames = Dataset.load(structure)
        return self._prepare_and_run(
            frames, [conditions], committee, member, calibration
        )[0]

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

        Those that an earlier job has left unfinished go on; the others of that job
        stay as they are.
        """
        started = time.perf_counter()
        earlier, frames = resume.runs if resume else None, None
        try:
            frames = Dataset.load(structures)
            runs = self._prepare_and_run(
                frames, conditions, committee, member, calibration, earlier
            )
        except ArtifactError as error:
            return MDBatchDoc(runs=[], failure=str(error))
        except OSError:  # such as a full disk: the job is sent once more
            raise
        except Exception as error:
            if resume is not None or frames is None:
                raise  # the earlier output stays; without frames there is none
            keep_traceback(error)
            runs = [
                refused_document(start, condition, parent, reason_for(error))
                for start, condition, parent in zip(
                    frames, conditions, frames.fingerprints.tolist(), strict=True
                )
            ]
        return MDBatchDoc.of(
            runs,
            seconds=time.perf_counter() - started,
            versions=package_versions(*self.packages),
        )

    def _prepare_and_run(
        self,
        frames: Dataset,
        conditions: Sequence[Conditions],
        committee: Any,
        member: int,
        calibration: Any,
        earlier: Sequence[MDDoc] | None = None,
    ) -> list[MDDoc]:
        """Check the arguments, and run what is unfinished, in the order of frames."""
        starts = starts_of(frames, conditions, self.vacuum)
        members, driving = needed_members(committee, member, self.check_interval)
        potentials = Committee(members, driving, plain_calibration(calibration))
        parents = frames.fingerprints.tolist()
        planned = list(map(Planned, starts, conditions, parents))
        runs = dict(enumerate(earlier or []))
        todo = [i for i in range(len(planned)) if i not in runs or runs[i].unfinished]
        new = self.simulate(
            [replace(planned[i], earlier=runs.get(i)) for i in todo], potentials
        )
        for i, run in zip(todo, new, strict=True):
            runs[i] = run.model_copy(update={"member": member})
        return [runs[i] for i in range(len(planned))]
