"""What jobs cost: by completed ones in a store, and by a rough model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from jobflow import JobStore
from numpy.typing import NDArray

from flowpot.campaign.local.stores import store_at
from flowpot.campaign.roles import query_roles
from flowpot.dataset import Dataset
from flowpot.jobs import JobName
from flowpot.labelling.static_makers import kpoint_counts, plane_wave_counts

_HOUR = 3600.0
_MOST = 2000  # documents of a kind that are read: enough for a median
BASIS = "by a rough model, within a factor of five or so; completed jobs tell better"
_NOBLE = np.array([0, 2, 10, 18, 36, 54, 86])
_F_SHELL, _FULL_F = 14, (71, 103)  # electrons of f, and from where on they are core
# 738 labels by pw.x (silicon of 1 to 16 atoms, molecules, slabs, SiC; 20 to 46 Ry): 90
# in 100 took 0.5 to 3.6 times as long as this. A band of N plane waves costs about N
# times the number of bands; what does not depend on the k-points goes by N, too. The
# unit of N is that of distorted silicon of 32 electrons at 24 Ry.
_LABEL, _ELECTRONS, _POWER = 0.64, 32.0, 1.3  # core-seconds a k-point
_WAVES, _SETTING_UP = 2145.0, 1.4  # core-seconds a label
# Where the engine does not tell: k-points times A^3, plane waves a A^3 (30 Ry), and the
# volume of an atom without a cell.
_KPOINTS, _DENSITY, _ROOM = 4000.0, 19.0, 1000.0
# 32 cells of 8 atoms took 11 s for 40 epochs with 16x0e; a frame of 32 atoms takes
# 0.35 s with 128x0e + 128x1o, whose training is about three times that.
_TRAINING, _CHANNELS, _SCALING = 1.1e-3, 16.0, 1.13
_EVALUATION = 1 / 3  # of an atom in a training step
_STEP = 0.015  # core-seconds of a step of LAMMPS, whatever the atoms
_CHANNELS_ELSE, _EPOCHS_ELSE = 128.0, 300.0
_IRREP = re.compile(r"(\d+)x(\d+)[eo]")


@dataclass(frozen=True)
class Costs:
    """
    Median costs of completed jobs; None where there is no job of the kind.

    Attributes
    ----------
    label
        Core-seconds of a label per atom and k-point.
    label_by_atom
        Core-seconds of a label per atom, for engines and batches whose documents do
        not state the k-points.
    member
        Seconds to train a member, per frame.
    step
        Seconds of a step of molecular dynamics.
    basis
        How many jobs the medians are of, in words.
    """

    label: float | None = None
    label_by_atom: float | None = None
    member: float | None = None
    step: float | None = None
    basis: str = BASIS

    @classmethod
    def from_store(cls, store: JobStore | str | Path | None) -> Self:
        """Read the completed jobs of a JobStore, of any campaign."""
        if store is None:
            return cls()
        store = store_at(store)
        store.connect()
        labels = list(_labels(store))
        trainings = [
            output["seconds"]
            / len(output["members"])
            / sum(output["n_frames"].values())
            for output in _outputs(
                store, JobName.COLLECT_COMMITTEE, "members", "n_frames"
            )
        ]
        steps = [
            output["md_seconds"] / output["n_steps"]
            for output in _outputs(
                store, JobName.COLLECT_FRAMES, "md_seconds", "n_steps"
            )
        ]
        return cls(
            label=_median([s / atoms / k for s, atoms, k in labels if k]),
            label_by_atom=_median([s / atoms for s, atoms, _ in labels]),
            member=_median(trainings),
            step=_median(steps),
            basis=f"by {len(labels)} labels, {len(trainings)} committees and "
            f"{len(steps)} explorations completed in the store; where there are none, "
            f"{BASIS}",
        )

    def labels(self, n_atoms: np.ndarray, n_kpoints: np.ndarray | None) -> float | None:
        """Estimate the core-hours of labels."""
        if len(n_atoms) == 0:
            return 0.0
        if n_kpoints is not None and self.label is not None:
            return float((n_atoms * n_kpoints).sum()) * self.label / _HOUR
        return _hours(self.label_by_atom, float(n_atoms.sum()))

    def training(self, n_frames: int, size: int) -> float | None:
        """Estimate the hours of a committee's training, summed over members."""
        return _hours(self.member, n_frames * size)

    def dynamics(self, n_steps: int) -> float | None:
        """Estimate the hours of molecular dynamics, summed over trajectories."""
        return _hours(self.step, n_steps)


def _labels(store: JobStore) -> Iterator[tuple[float, int, int | None]]:
    """Yield core-seconds, atoms and k-points (None: not known) of each label."""
    fields = ("output.run", "output.nsites", "output.runs")
    for document in _documents(store, JobName.QE_STATIC, *fields):
        output = document["output"]
        for run in output.get("runs") or []:
            atoms = (run.get("frame") or {}).get("n_atoms")
            if run["state"] == "successful" and atoms:
                yield run["seconds"], atoms, None
        run = output.get("run") or {}
        if run.get("core_seconds") and output.get("nsites"):
            yield run["core_seconds"], output["nsites"], run.get("n_kpoints")


def _outputs(
    store: JobStore, role: JobName, *fields: str
) -> Iterator[Mapping[str, Any]]:
    """Yield outputs of jobs of a role, where no field is missing or zero."""
    wanted = ("seconds", *fields)
    for document in _documents(store, role, *(f"output.{f}" for f in wanted)):
        if all(document["output"].get(field) for field in fields):
            yield document["output"]


def _documents(
    store: JobStore, role: JobName, *fields: str
) -> Iterator[Mapping[str, Any]]:
    documents = query_roles(
        lambda by_role, wanted: store.query(by_role, wanted, load=False, limit=_MOST),
        [role],
        *fields,
    )
    return (document for document in documents if document.get("output"))


def _median(rates: list[float]) -> float | None:
    return float(np.median(rates)) if rates else None


def _hours(rate: float | None, amount: float) -> float | None:
    return None if rate is None else rate * amount / _HOUR


def valence_electrons(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """
    Return how many electrons of atoms a pseudopotential leaves, shape (A,).

    Those beyond the noble gas before, filled shells of f excepted.

    Examples
    --------
    >>> valence_electrons(np.array([1, 6, 14, 29, 78])).tolist()
    [1, 4, 4, 11, 10]
    """
    numbers = np.asarray(numbers)
    core = _NOBLE[np.searchsorted(_NOBLE, numbers) - 1]
    filled = (numbers >= _FULL_F[0]) & (numbers <= _NOBLE[-1])
    filled |= numbers >= _FULL_F[1]
    return numbers - core - np.where(filled, _F_SHELL, 0)


def label_hours(
    frames: Dataset,
    n_kpoints: NDArray[np.int64] | None,
    n_plane_waves: NDArray[np.float64] | None = None,
) -> float:
    """
    Return the core-hours of the labels of frames, by a plane-wave code.

    Parameters
    ----------
    frames
        The n frames.
    n_kpoints
        (n,) k-points of each; None: as many as a dense mesh has.
    n_plane_waves
        (n,) plane waves of a wavefunction; None: as the volume has at 30 Ry.
    """
    if not len(frames):
        return 0.0
    of_atoms = valence_electrons(frames.numbers)
    electrons = np.add.reduceat(of_atoms, frames.offsets[:-1])
    volume = np.abs(np.linalg.det(frames.cell))
    if n_kpoints is None:
        mesh = np.ceil(_KPOINTS / np.maximum(volume, 1.0))
        n_kpoints = np.where(frames.pbc.all(axis=1), mesh, 1.0).astype(int)
    if n_plane_waves is None:
        n_plane_waves = _DENSITY * np.where(volume > 0, volume, _ROOM * frames.n_atoms)
    by_kpoint = _LABEL * (electrons / _ELECTRONS) ** _POWER
    seconds = (by_kpoint * n_kpoints + _SETTING_UP) * n_plane_waves / _WAVES
    return float(seconds.sum()) / _HOUR


def labelling_cost(
    maker: Any, frames: Dataset, costs: Costs
) -> tuple[int | None, float]:
    """
    Return the k-points of the labels of frames in all, and their core-hours.

    Parameters
    ----------
    maker
        The static Maker.
    frames
        The frames.
    costs
        What completed jobs have cost; where there are none, `label_hours` counts.
    """
    kpoints = kpoint_counts(maker, frames)
    hours = costs.labels(frames.n_atoms, kpoints)
    if hours is None:
        hours = label_hours(frames, kpoints, plane_wave_counts(maker, frames))
    return None if kpoints is None else int(kpoints.sum()), hours


def training_hours(trainers: Sequence[Any], n_atoms: int) -> float:
    """
    Return the core-hours of the trainings of a committee.

    Parameters
    ----------
    trainers
        The trainer of each member: a Maker with ``hyperparameters``.
    n_atoms
        Atoms of the training set.
    """
    seconds = 0.0
    for trainer in trainers:
        options = _options(trainer)
        epochs = options.get("max_num_epochs", _EPOCHS_ELSE)
        if isinstance(nested := options.get("training"), dict):
            epochs = nested.get("num_epochs", epochs)
        seconds += float(epochs) * n_atoms * _seconds_an_atom(trainer)
    return seconds / _HOUR


def dynamics_hours(trainer: Any, n_steps: int, n_atoms: float) -> float:
    """
    Return the core-hours of molecular dynamics.

    Parameters
    ----------
    trainer
        What trains the potential that drives it; None: not known.
    n_steps
        Steps of all trajectories together.
    n_atoms
        Mean number of atoms.
    """
    seconds = _STEP + n_atoms * _EVALUATION * _seconds_an_atom(trainer)
    return n_steps * seconds / _HOUR


def _seconds_an_atom(trainer: Any) -> float:
    """Return the core-seconds of an atom in an epoch, by the size of the model."""
    irreps = str(_options(trainer).get("hidden_irreps", ""))
    sizes = [int(n) * (2 * int(order) + 1) for n, order in _IRREP.findall(irreps)]
    channels = sum(sizes) or _CHANNELS_ELSE
    return float(_TRAINING * (channels / _CHANNELS) ** _SCALING)


def _options(trainer: Any) -> dict[str, Any]:
    given = getattr(trainer, "hyperparameters", None)
    return given if isinstance(given, dict) else {}
