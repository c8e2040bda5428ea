"""Batched molecular dynamics as a job."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.storage import replacing
from flowpot.documents import package_versions
from flowpot.exploration.batched.dynamics import Dynamics, Watch
from flowpot.exploration.batched.replica import Replica
from flowpot.exploration.document import MDDoc
from flowpot.exploration.engine import MDMaker
from flowpot.exploration.members import stage_member
from flowpot.exploration.preparation import Committee, Planned
from flowpot.exploration.sampling import described, sampled_frames
from flowpot.jobs import JobName
from flowpot.run_cache import RunCache
from flowpot.settings import get_settings
from flowpot.validation import device, positive, whole

CHECKPOINT_FILE = "checkpoint.npz"

_FOLDER = "batch"
_PLAN_FILE, _STARTS_FILE = "plan.json", "starts.h5"


@dataclass
class BatchedMDMaker(MDMaker):
    """
    Run many trajectories side by side in one process, evaluated together.

    For small cells this is several times as fast as LAMMPS runs one after the other; on
    a GPU large batches are the fastest. The equations of motion are Langevin's
    (BAOAB) and, with a barostat, stochastic cell rescaling. The trajectories of a job
    are independent: each is the same as in a job of its own.

    The parameters that every engine has are those of
    :class:`flowpot.exploration.engine.MDMaker`.

    Parameters
    ----------
    device
        Device of the potentials: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` ...
    skin
        Skin of the neighbour lists (A): see `flowpot.potentials.verlet.VerletList`.
    batch_size
        Largest number of atoms that are evaluated at once; a larger cell is evaluated
        alone. None: a fast one for the device.
    bulk_modulus
        Rough bulk modulus of the material (GPa). If it is right, pressures relax within
        the barostat's damping time; faster in a harder material, slower in a softer.

    Examples
    --------
    >>> maker = BatchedMDMaker(temperature=600, n_steps=1000, sample_interval=50)
    >>> maker.name
    'batched md'
    """

    name: str = JobName.BATCHED_MD.value
    device: str = "auto"
    skin: float = 1.0
    batch_size: int | None = None
    bulk_modulus: float = 100.0

    def __post_init__(self) -> None:
        """Check the fields, before anything starts."""
        super().__post_init__()
        device(device=self.device)
        positive(skin=self.skin, bulk_modulus=self.bulk_modulus)
        whole(1, batch_size=self.batch_size)

    def runs_to_share(self, n_runs: int) -> int:
        """Return how many trajectories should share a job: by default all of them."""
        if get_settings().MD_WORKERS is not None:
            return super().runs_to_share(n_runs)
        return n_runs

    def simulate(self, planned: Sequence[Planned], committee: Committee) -> list[MDDoc]:
        """Run trajectories in the current folder; see :meth:`MDMaker.simulate`."""
        cache = self.cache or get_settings().MD_CACHE
        models = Path(cache or "").expanduser().absolute() / "models"
        members = [stage_member(member, models) for member in committee.members]
        folder = Path(_FOLDER).absolute()
        self._write_plan(folder, planned, members, committee)
        dynamics = self._dynamics(folder, members, committee)
        if cache is None:
            replicas = dynamics.run(_replicas(planned, folder))
        else:
            with RunCache(cache) as run_cache:
                run_cache.adopt(folder)
                replicas = dynamics.run(_replicas(planned, folder))
                for run in run_cache.runs:
                    run_cache.release(run)
        return [_document(replica, folder) for replica in replicas]

    def _dynamics(
        self, folder: Path, members: list[dict[str, Any]], committee: Committee
    ) -> Dynamics:
        # It imports torch, which a worker that only plans does not need.
        from flowpot.exploration.batched.forces import forces_of  # noqa: PLC0415

        calibration: dict[str, Any] = {}
        if committee.calibration:
            from flowpot.evaluation.calibration import Calibration  # noqa: PLC0415

            calibration = {
                name: Calibration(**fit) for name, fit in committee.calibration.items()
            }
        return Dynamics(
            forces_of(
                members, committee.driving, self.skin, self.batch_size, self.device
            ),
            self.output(),
            self.limits,
            Watch(self.check_interval, calibration, self.upper_factor),
            self.bulk_modulus,
            self.walltime,
            lambda replicas: _save(folder, replicas),
        )

    def _write_plan(
        self,
        folder: Path,
        planned: Sequence[Planned],
        members: list[dict[str, Any]],
        committee: Committee,
    ) -> None:
        """Write all that the trajectories depend on: the cache finds them by it."""
        folder.mkdir()
        starts = Dataset.from_atoms([run.start for run in planned], labels=False)
        starts.write(folder / _STARTS_FILE)
        checkpoints = [run.earlier and run.earlier.checkpoint for run in planned]
        plan = {
            "maker": self.as_dict(),
            "conditions": [asdict(run.conditions) for run in planned],
            "members": members,
            "driving": committee.driving,
            "calibration": dict(committee.calibration),
            "earlier": [checkpoint and checkpoint.sha256 for checkpoint in checkpoints],
        }
        (folder / _PLAN_FILE).write_text(json.dumps(plan, sort_keys=True, default=str))


def _file(i: int) -> str:
    return f"replica-{i:03d}.npz"


def _replicas(planned: Sequence[Planned], folder: Path) -> list[Replica]:
    return [_replica(run, folder / _file(i)) for i, run in enumerate(planned)]


def _replica(planned: Planned, file: Path) -> Replica:
    """Start a trajectory, or go on from the file of a killed or an earlier job."""
    content = file.read_bytes() if file.exists() else None
    if content is None and planned.earlier and planned.earlier.checkpoint:
        content = planned.earlier.checkpoint.read_bytes()
    if content is None:
        return Replica.begin(planned.start, planned.conditions, planned.parent)
    replica = Replica.from_bytes(content, planned.start, planned.parent)
    if replica.outcome is not None and replica.outcome.out_of_time:
        replica.outcome = None
    return replica


def _save(folder: Path, replicas: Sequence[Replica]) -> None:
    """Write the file of each replica; an interruption leaves no part of a file."""
    for i, replica in enumerate(replicas):
        with replacing(folder / _file(i)) as temporary:
            temporary.write_bytes(replica.to_bytes())


def _document(replica: Replica, folder: Path) -> MDDoc:
    outcome = replica.outcome
    if outcome is None:
        raise RuntimeError("a replica has no outcome: the batch ended before it")
    frames = sampled_frames(
        replica.sampled(), replica.conditions, outcome, replica.parent
    )
    document = described(
        *(frames, replica.start, replica.conditions, outcome, replica.parent),
        thermo=replica.columns(),
        disagreement=replica.disagreement(),
    )
    checkpoint = None
    if outcome.out_of_time:
        checkpoint = Artifact.from_bytes(CHECKPOINT_FILE, replica.to_bytes())
    return document.model_copy(
        update={
            "engine": "batched",
            "attempts": replica.attempt + 1,
            "seconds": replica.seconds,
            "folder": str(folder),
            "checkpoint": checkpoint,
            "versions": package_versions("torch"),
        }
    )
