"""Prepare trajectories: the frames and conditions, and the potentials they need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms

from flowpot.dataset import Dataset
from flowpot.dataset.geometry.cells import VACUUM_MARGIN, periodic_cell
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.document import MDDoc
from flowpot.potentials import members_of


@dataclass(frozen=True)
class Planned:
    """
    A trajectory that an engine is to run.

    Attributes
    ----------
    start
        The frame to start from, with a cell vector along each axis.
    conditions
        Ensemble, temperature, pressure and length.
    parent
        Fingerprint of the frame that the start was made from.
    earlier
        Document of a job in which it ran out of time; None: it begins here.
    """

    start: Atoms
    conditions: Conditions
    parent: str
    earlier: MDDoc | None = None


@dataclass(frozen=True)
class Committee:
    """
    The potentials that an engine is given.

    Attributes
    ----------
    members
        The members that it needs, in any form that ``members.stage_member`` takes.
    driving
        Index of the member whose forces move the atoms.
    calibration
        Calibration of each property, as plain dictionaries, for checked trajectories.
    """

    members: list[Any]
    driving: int = 0
    calibration: Mapping[str, Any] = field(default_factory=dict)


def starts_of(
    frames: Dataset, conditions: Sequence[Conditions], vacuum: float
) -> list[Atoms]:
    """
    Return the frames to start from, with a cell vector along each axis.

    Parameters
    ----------
    frames
        A frame for each trajectory.
    conditions
        Conditions of each trajectory.
    vacuum
        See :func:`boxed`.

    Raises
    ------
    ValueError
        If a frame cannot be simulated, or their number is not that of the conditions.
    """
    if len(frames) != len(conditions):
        raise ValueError(
            f"{len(frames)} frames and {len(conditions)} conditions: give one frame "
            "for each trajectory"
        )
    for i, (atoms, condition) in enumerate(zip(frames, conditions, strict=True)):
        if len(atoms) < 2:  # noqa: PLR2004 - a lone atom has no temperature
            raise ValueError(
                f"frame {i} ({atoms.symbols}) has one atom, which has no internal "
                "motion: start from two atoms or more"
            )
        condition.ensemble_for(atoms.pbc)
    return [boxed(atoms, vacuum) for atoms in frames]


def needed_members(
    committee: Any, member: int, check_interval: int | None
) -> tuple[list[Any], int]:
    """
    Choose the members that a trajectory needs.

    Parameters
    ----------
    committee
        A committee or a single member, in any form that :meth:`MDMaker.make` takes.
    member
        Index of the member that drives; a single member always does.
    check_interval
        Steps between evaluations of the whole committee. None: never.

    Returns
    -------
    tuple[list, int]
        The members, and the index of the driving one among them.

    Raises
    ------
    ValueError
        If there is no such member, or only one to be checked.
    """
    members = members_of(committee)
    driving = member if len(members) > 1 else 0
    if not 0 <= driving < len(members):
        raise ValueError(
            f"member is {member} and the committee has {len(members)}: use an index "
            f"from 0 to {len(members) - 1}"
        )
    if check_interval is None:
        return [members[driving]], 0
    if len(members) == 1:
        raise ValueError(
            f"check_interval is {check_interval} and the committee has one member, "
            "which cannot disagree: give the whole committee"
        )
    return members, driving


def plain_calibration(calibration: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return calibrations, dictionaries or pydantic models, as dictionaries."""
    return {
        name: dict(fit) if isinstance(fit, Mapping) else fit.model_dump()
        for name, fit in (calibration or {}).items()
    }


def boxed(atoms: Atoms, vacuum: float) -> Atoms:
    """
    Put a frame into a box, along all axes.

    Parameters
    ----------
    atoms
        The frame; along non-periodic axes its cell vector may be missing.
    vacuum
        Gap (A) between the images along a non-periodic axis, wherever the frame's
        cell leaves clearly less.

    Returns
    -------
    ase.Atoms
        A copy, the same along periodic axes.
    """
    atoms = atoms.copy()
    atoms.cell = periodic_cell(
        atoms.positions, atoms.cell.array, atoms.pbc, vacuum - VACUUM_MARGIN
    )
    return atoms
