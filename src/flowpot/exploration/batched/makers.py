"""Batched molecular dynamics as a job."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
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
from flowpot.run_cache import RunCache
from flowpot.settings import get_settings
from flowpot.validation import positive, text, whole

CHECKPOINT_FILE = "checkpoint.npz"

_FOLDER = "batch"
_PLAN_FILE, _STARTS_FILE = "plan.json", "starts.h5"


@dataclass
class BatchedMDMaker(MDMaker):
    """
    Run many trajectories side by side in one process, evaluated together.

    For small cells it is several times as fast as one LAMMPS after the other, and on a
    GPU the larger the batch, the better. The equations of motion are Langevin's
    (BAOAB) and, with a barostat, stochastic cell rescaling. Trajectories of a job are
    independent of each other: each is what it would be alone.

    The parameters that every engine has are those of
    :class:`flowpot.exploration.engine.MDMaker`.

    Parameters
    ----------
    device
        Of the potentials: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` ...
    skin
        Of the neighbour lists (A): see `flowpot.potentials.verlet.VerletList`.
    batch_size
        Atoms that are evaluated at once, at most (a larger cell is alone). None: what
        is fast on the device.
    bulk_modulus
        GPa, roughly that of the material: pressures relax within the barostat's
        damping time for it, faster in what is harder, more slowly in what is softer.

    Examples
    --------
    >>> maker = BatchedMDMaker(temperature=600, n_steps=1000, sample_interval=50)
    >>> maker.name
    'batched md'
    """

    name: str = "batched md"
    device: str = "auto"
    skin: float = 1.0
    batch_size: int | None = None
    bulk_modulus: float = 100.0

    def __post_init__(self) -> None:
        """Check the fields, before anything starts."""
        super().__post_init__()
        text(device=self.device)
        positive(skin=self.skin, bulk_modulus=self.bulk_modulus)
        whole(1, batch_size=self.batch_size)

    def runs_to_share(self, n_runs: int) -> int:
        """Say how many trajectories should share a job: all, unless told otherwise."""
        if get_settings().MD_WORKERS is not None:
            return super().runs_to_share(n_runs)
        return n_runs

    def simulate(self, planned: Sequence[Planned], committee: Committee) -> list[MDDoc]:
        """Run trajectories in the current folder; see :meth:`MDMaker.simulate`."""
        cache = self.cache or get_settings().MD_CACHE
        models = Path(cache or "").expanduser().absolute() / "models"
        members = [stage_member(each, models) for each in committee.members]
        with ExitStack() as stack:
            folder = Path(_FOLDER).absolute()
            self._write_plan(folder, planned, members, committee)
            kept = None
            if cache is not None:
                kept = stack.enter_context(RunCache(cache))
                kept.adopt(folder)
            replicas = [
                _replica(each, folder / _file(i)) for i, each in enumerate(planned)
            ]
            done = self._dynamics(folder, members, committee).run(replicas)
            for run in kept.runs if kept is not None else []:
                kept.release(run)  # type: ignore[union-attr]
        return [_document(replica, folder) for replica in done]

    def _dynamics(
        self, folder: Path, members: list[dict[str, Any]], committee: Committee
    ) -> Dynamics:
        # These import torch, which a worker that only plans does without.
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
        """Write what decides the trajectories: by it they are found again."""
        folder.mkdir()
        starts = Dataset.from_atoms([each.start for each in planned], labels=False)
        starts.write(folder / _STARTS_FILE)
        earlier = [each.earlier and each.earlier.checkpoint for each in planned]
        plan = {
            "maker": self.as_dict(),
            "conditions": [asdict(each.conditions) for each in planned],
            "members": members,
            "driving": committee.driving,
            "calibration": dict(committee.calibration),
            "earlier": [each and each.sha256 for each in earlier],
        }
        (folder / _PLAN_FILE).write_text(json.dumps(plan, sort_keys=True, default=str))


def _file(i: int) -> str:
    return f"replica-{i:03d}.npz"


def _replica(planned: Planned, file: Path) -> Replica:
    """Take a trajectory up from where a killed job, or an earlier one, has left it."""
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
    """Write each replica, whole or not at all."""
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
