"""What jobs have cost so far, to estimate what further ones will."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from jobflow import JobStore

from flowpot.campaign.rough_costs import BASIS
from flowpot.jobs import JobName

_HOUR = 3600.0
_MOST = 2000  # documents of a kind that are read: enough for a median


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
    def from_store(cls, store: JobStore | None) -> Self:
        """Read the completed jobs of a JobStore, of any campaign."""
        if store is None:
            return cls()
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


def _outputs(store: JobStore, name: str, *fields: str) -> Iterator[Mapping[str, Any]]:
    """Yield outputs of jobs of a name, where no field is missing or zero."""
    wanted = ("seconds", *fields)
    for document in _documents(store, name, *(f"output.{f}" for f in wanted)):
        if all(document["output"].get(field) for field in fields):
            yield document["output"]


def _documents(store: JobStore, name: str, *fields: str) -> Iterator[Mapping[str, Any]]:
    documents = store.query(
        {"name": str(name)}, properties=list(fields), load=False, limit=_MOST
    )
    return (document for document in documents if document.get("output"))


def _median(rates: list[float]) -> float | None:
    return float(np.median(rates)) if rates else None


def _hours(rate: float | None, amount: float) -> float | None:
    return None if rate is None else rate * amount / _HOUR
