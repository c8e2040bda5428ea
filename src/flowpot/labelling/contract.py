"""Whether a static Maker does what a labelling stage relies on."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from jobflow import Job, JobStore, Maker, OnMissing, run_locally
from jobflow.core.reference import find_and_resolve_references
from maggma.stores import MemoryStore
from monty.json import MontyDecoder, MontyEncoder
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.closeness import accepted_distance
from flowpot.dataset.io.static_documents import UnknownStressError
from flowpot.labelling.batches import label_batch
from flowpot.labelling.collection import Collected, collect_outputs
from flowpot.labelling.label_jobs import LabelJobs
from flowpot.labelling.labels import FrameLabel
from flowpot.labelling.static_makers import (
    ChecksMachine,
    CountsKPoints,
    CountsPlaneWaves,
    FailsSoftly,
    LabelsInFolder,
    LimitsDistances,
    Refinable,
    kpoint_counts,
    min_distance_of,
    refined_copy,
)
from flowpot.plugins import promised

_hold = partial(promised, "the Maker")

_STEP = 0.01  # A, of the displacement; and the strain, of the finite differences
_ALIKE = (2e-4, 1e-3)  # eV, and eV/A: how far two labels of one frame may differ
_SLOPE = 0.1  # share of a slope, by which finite differences may differ from it
_FLATTEST = (0.05, 1e-3)  # eV/A and eV/A^3: norms from which on a slope tells anything


def check_static_maker(
    maker: Maker,
    frame: Atoms,
    *,
    failing: Maker | None = None,
    gradients: bool = False,
    stress_convention: str | None = None,
) -> None:
    """
    Test a static Maker, in temporary folders: for the tests of whoever writes one.

    It labels the frame twice, the second time with its atoms in reverse order, and runs
    every optional hook that the Maker has (see
    :mod:`flowpot.labelling.static_makers`).

    Parameters
    ----------
    maker
        Its calculations should be quick: precision is not tested.
    frame
        A periodic frame of at least two atoms, away from its minimum and without
        symmetry.
    failing
        The same Maker with settings at which every calculation fails. None: failures
        are not tested.
    gradients
        Whether forces and stress are compared with finite differences of the energy,
        which takes four more labels. This finds wrong units and signs, and forces in
        another order of atoms. The energy must be smooth: plane waves need a cutoff at
        which the stress is converged.
    stress_convention
        What the stress of the document means, where its class does not say it: see
        :class:`flowpot.LabellingMaker`.

    Raises
    ------
    AssertionError
        Naming the promise that is not kept.
    ValueError
        If the frame is not fit for the test.
    """
    if not frame.pbc.all() or len(frame) < 2:  # noqa: PLR2004 - an order needs two
        raise ValueError("the test needs a periodic frame of at least two atoms")
    label = _label(maker, frame, stress_convention)
    stored = MontyDecoder().decode(MontyEncoder().encode(maker))
    mirrored = _label(stored, frame[::-1], stress_convention)
    _hold(
        np.isclose(mirrored.energy, label.energy, rtol=0, atol=_ALIKE[0]),
        "the energy is the same after the Maker was written down and read back, and "
        "with atoms in another order",
    )
    _hold(
        np.allclose(mirrored.forces[::-1], label.forces, rtol=0, atol=_ALIKE[1]),
        "forces are in the order in which the atoms were sent",
    )
    _check_hooks(maker, frame, label, stress_convention)
    if gradients:
        _check_gradients(maker, frame, label, stress_convention)
    if failing is not None:
        output, collected = _collected(failing, frame, stress_convention)
        _hold(not collected.labels, "a calculation that fails gives no label")
        if isinstance(failing, FailsSoftly):
            _hold(
                output.get("state") == "failed" and bool(output.get("errors")),
                "a Maker that fails softly returns a document with state 'failed' and "
                "errors",
            )


def _check_gradients(
    maker: Maker, frame: Atoms, label: FrameLabel, convention: str | None
) -> None:
    """Move the atoms along the forces, strain the cell along the stress."""
    energies: dict[str, list[float]] = {"forces": [], "stress": []}
    for sign in (1, -1):
        moved, strained = frame.copy(), frame.copy()
        moved.positions += sign * _STEP * _unit(label.forces)
        strain: NDArray[np.float64] = sign * _STEP * _unit(label.stress)
        strained.set_cell(frame.cell @ (np.eye(3) + strain), scale_atoms=True)
        for name, atoms in (("forces", moved), ("stress", strained)):
            energies[name].append(_label(maker, atoms, convention).energy)
    slopes = {name: (up - down) / (2 * _STEP) for name, (up, down) in energies.items()}
    _compare(
        "forces are the negative gradient of the energy, atom by atom",
        float(np.linalg.norm(label.forces)),
        -slopes["forces"],
        (_FLATTEST[0], "eV/A"),
    )
    _compare(
        "the stress is the derivative of the energy by the strain, in the unit and of "
        "the sign that the document's class stands for",
        float(np.linalg.norm(label.stress)),
        slopes["stress"] / frame.get_volume(),
        (_FLATTEST[1], "eV/A^3"),
    )


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values divided by their norm."""
    norm = np.linalg.norm(values)
    return values / norm if norm else np.zeros_like(values)


def _compare(
    promise: str, norm: float, slope: float, smallest: tuple[float, str]
) -> None:
    """Compare the norm of forces or stress with the slope of the energy along them."""
    least, unit = smallest
    if max(norm, abs(slope)) < least:
        raise ValueError(
            f"forces or stress of {norm:.3g} {unit} are too small to compare with "
            "finite differences: use a frame further from its minimum"
        )
    kept = np.isclose(slope, norm, rtol=_SLOPE)
    _hold(kept, f"{promise} (norm {norm:.4g}, by the energy {slope:.4g} {unit})")


def _check_hooks(
    maker: Maker, frame: Atoms, label: FrameLabel, convention: str | None
) -> None:
    """Call each hook that the Maker has."""
    if isinstance(maker, ChecksMachine):
        with tempfile.TemporaryDirectory(prefix="flowpot-label-") as folder:
            maker.preflight(sorted(set(frame.get_chemical_symbols())), folder)
    if isinstance(maker, CountsKPoints):
        counts = kpoint_counts(maker, Dataset.from_atoms([frame]))
        _hold(counts is not None and counts[0] >= 1, "it needs at least one k-point")
    if isinstance(maker, CountsPlaneWaves):
        _hold(maker.n_plane_waves(frame) >= 1, "it needs at least one plane wave")
    if isinstance(maker, LimitsDistances):
        close = frame.copy()
        close.positions[1] = close.positions[0] + [0.05, 0.0, 0.0]
        _, collected = _collected(maker, close, None)
        _hold(not collected.labels, "a frame with two atoms in one place is refused")
    if isinstance(maker, Refinable):
        refined = refined_copy(maker)
        _hold(
            refined.as_dict() | {"name": maker.name} != maker.as_dict(),
            "a refined copy has other settings than the Maker itself",
        )
        _label(refined, frame, convention)
    if isinstance(maker, LabelsInFolder):
        _check_batch(maker, frame, label)


def _check_batch(maker: LabelsInFolder, frame: Atoms, label: FrameLabel) -> None:
    """Label two frames at once."""
    cwd = Path.cwd()
    files = set(cwd.iterdir())
    with tempfile.TemporaryDirectory(prefix="flowpot-label-") as folder:
        frames = Dataset.from_atoms([frame, frame[::-1]], labels=False)
        batch = label_batch(maker, frames, Path(folder), parallel=2)
    reasons = [reason for run in batch.runs for reason in run.errors]
    _hold(batch.n_labelled == len(frames), f"it labels in a folder ({reasons})")
    _hold(
        Path.cwd() == cwd and set(cwd.iterdir()) == files,
        "in a folder it leaves the process's current folder alone",
    )
    energies = Dataset.load(batch.dataset).energy
    _hold(
        np.allclose(energies, label.energy, rtol=0, atol=_ALIKE[0]),
        "a label made in a folder is that of a job",
    )


def _label(maker: Maker, frame: Atoms, convention: str | None) -> FrameLabel:
    """Label a frame that can be labelled."""
    output, collected = _collected(maker, frame, convention)
    reasons = "; ".join(failure.reason for failure in collected.failures)
    _hold(not collected.failures, f"a frame that is in order is labelled ({reasons})")
    _hold(isinstance(output["folder"], str), "its document has `dir_name`, as text")
    label = collected.labels[0]
    _hold(bool(np.isfinite(label.stress).all()), "the label of a crystal has a stress")
    return label


def _collected(
    maker: Maker, frame: Atoms, convention: str | None
) -> tuple[dict[str, Any], Collected]:
    """Run the job of one frame, and read its document, as a labelling stage does."""
    limit = max(accepted_distance(None), min_distance_of(maker) or 0.0)
    frames = Dataset.from_atoms([frame], labels=False)
    try:
        jobs, references = LabelJobs(maker, 1, 1, limit, convention).make(frames, [0])
    except UnknownStressError as error:
        raise AssertionError(f"the Maker does not keep its promise: {error}") from error
    except ValueError:  # refused before any job
        return {}, Collected()
    [job] = jobs
    if isinstance(job, Job):
        _hold(job.name == maker.name, "its job has its name, by which workers are set")
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    with tempfile.TemporaryDirectory(prefix="flowpot-label-") as folder:
        run_locally(job, store=store, log=False, create_folders=True, root_dir=folder)
        try:
            [output] = find_and_resolve_references(
                references, store, on_missing=OnMissing.NONE
            )
        except (KeyError, AttributeError) as error:
            raise AssertionError(
                "the Maker does not keep its promise: its document has every field "
                f"that a labelling stage reads ({error})"
            ) from error
        return output, collect_outputs(frames, [output], convention)
