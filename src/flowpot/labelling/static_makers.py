"""
What a labelling stage asks of a Maker that labels frames, and of its optional hooks.

Any Maker labels whose ``make(structure, prev_dir=None)`` returns a Job, or a Flow, that
honours atomate2's static contract: a document with ``output.energy`` (eV),
``output.forces`` (eV/A), ``output.stress``, and ``dir_name``. A Maker may do more. Each
protocol below is one such hook; for Makers without a hook the functions below say what
holds instead. :func:`flowpot.labelling.contract.check_static_maker` tests a Maker.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from jobflow import Maker
from numpy.typing import NDArray

from flowpot.dataset import Dataset


@runtime_checkable
class LabelsInFolder(Protocol):
    """
    A static Maker that can label a frame in a given folder, at once, without a job.

    Its work must not depend on the process's current folder: threads, which share that
    folder, label several frames of a batch at once. It takes frames as they are: atoms
    in their order, axes that are not periodic, charge and multiplicity.
    """

    def label_in(
        self, structure: Atoms, folder: Path | str, *, stop: Event | None = None
    ) -> Any:
        """
        Label a frame in a folder, which is made if need be.

        Parameters
        ----------
        structure
            The frame.
        folder
            Where the files go.
        stop
            Set by another thread to end the calculation early.

        Returns
        -------
        object
            The document of the static contract, with the fields of a Maker that
            :class:`FailsSoftly`, and ``run.n_scf_steps``.

        Raises
        ------
        ValueError
            If this frame cannot be labelled; other errors end the whole batch.
        """


@runtime_checkable
class ChecksMachine(Protocol):
    """A static Maker that can tell whether this machine can run its calculations."""

    def preflight(self, elements: list[str], folder: Path | str = ".") -> Any:
        """
        Check this machine, without any calculation.

        Parameters
        ----------
        elements
            Chemical symbols of the frames.
        folder
            Where the calculations will run.

        Raises
        ------
        Exception
            If something is missing, with the remedy.
        """


@runtime_checkable
class FailsSoftly(Protocol):
    """
    A static Maker that can return a document for a calculation that failed.

    With ``fail_softly=True``, which a labelling stage sets, the document of a failed
    calculation has ``state`` ``"failed"`` and ``errors``, a list of reasons. Each
    document also has the fields ``corrections`` (remedies that were applied),
    ``seconds``, ``versions`` and ``failure`` of :class:`flowpot.documents.StageDoc`. If
    its class has a field ``warnings``, a list of texts, the stage counts them.
    """

    fail_softly: bool


@runtime_checkable
class LimitsDistances(Protocol):
    """
    A static Maker that refuses frames with atoms too close to each other.

    The limit is a fraction of the sum of covalent radii, or None for the common one. A
    labelling stage sets it to its own where that is stricter.
    """

    min_distance_fraction: float | None


@runtime_checkable
class CountsKPoints(Protocol):
    """
    A static Maker that knows how many k-points a frame needs before it is labelled.

    A dry run takes the cost of a label as proportional to atoms times k-points.
    """

    def n_kpoints(self, atoms: Atoms) -> int:
        """Return the number of irreducible k-points of a frame."""


@runtime_checkable
class CountsPlaneWaves(Protocol):
    """
    A static Maker that knows how many plane waves the wavefunctions of a frame have.

    By their number a dry run knows what vacuum costs.
    """

    def n_plane_waves(self, atoms: Atoms) -> float:
        """Return the number of plane waves of a wavefunction of a frame."""


@runtime_checkable
class Doubtful(Protocol):
    """
    A static Maker that knows where its settings make labels worse than they look.

    A dry run says it.
    """

    def doubts(self, elements: Iterable[str]) -> list[str]:
        """Return what is to be doubted of labels of these elements, with remedies."""


@runtime_checkable
class Refinable(Protocol):
    """
    A static Maker that can be converged further, to measure the noise of its labels.

    A labelling stage with ``noise_frames`` labels some frames by both.
    """

    name: str

    def refined(self) -> Maker:
        """Return a copy of the Maker whose labels are closer to convergence."""


def refined_copy(maker: Any) -> Maker:
    """
    Return the refined copy of a Maker that is :class:`Refinable`.

    Its name is the Maker's with ``", refined"`` behind it: what chooses workers by a
    part of the name reaches its jobs too.
    """
    return replace(maker.refined(), name=f"{maker.name}, refined")


def check_refinable(maker: Any, noise_frames: int) -> None:
    """
    Refuse to measure the noise of labels of a Maker that cannot be refined.

    Raises
    ------
    ValueError
        With the remedy.
    """
    if noise_frames and not isinstance(maker, Refinable):
        raise ValueError(
            f"noise_frames={noise_frames} needs a Maker with `refined()`, which "
            f"returns a copy that is converged further, and {type(maker).__name__} "
            "lacks it: add the method, or set noise_frames to 0"
        )


def for_stage(maker: Any, min_distance: float) -> Any:
    """
    Return a Maker as a labelling stage uses it.

    Parameters
    ----------
    maker
        The static Maker.
    min_distance
        Shortest distance of two atoms that the stage accepts, as a fraction of the
        sum of their covalent radii.
    """
    changes: dict[str, Any] = {}
    if isinstance(maker, FailsSoftly):
        changes["fail_softly"] = True
    if isinstance(maker, LimitsDistances):  # or it would refuse what the stage sends
        changes["min_distance_fraction"] = min_distance
    return replace(maker, **changes) if changes else maker


def min_distance_of(maker: Any) -> float | None:
    """Return the limit of distances that a Maker itself sets, None without one."""
    return maker.min_distance_fraction if isinstance(maker, LimitsDistances) else None


def kpoint_counts(maker: Any, frames: Dataset) -> NDArray[np.int64] | None:
    """Count the k-points of each frame, shape (n,); None if the Maker cannot tell."""
    if not isinstance(maker, CountsKPoints):
        return None
    return np.array([maker.n_kpoints(atoms) for atoms in frames], dtype=np.int64)


def plane_wave_counts(maker: Any, frames: Dataset) -> NDArray[np.float64] | None:
    """Count the plane waves of frames, shape (n,); None if the Maker cannot tell."""
    if not isinstance(maker, CountsPlaneWaves):
        return None
    return np.array([maker.n_plane_waves(atoms) for atoms in frames])


def doubts_of(maker: Any, frames: Dataset) -> list[str]:
    """Return what a Maker doubts of its labels of frames; none if it cannot tell."""
    if not isinstance(maker, Doubtful) or not len(frames):
        return []
    return maker.doubts([chemical_symbols[n] for n in np.unique(frames.numbers)])


def is_foreign(maker: Maker) -> bool:
    """
    Whether a Maker takes frames as other packages' Makers do.

    Those know periodic structures only, and may sort the atoms.
    """
    return not isinstance(maker, LabelsInFolder)
