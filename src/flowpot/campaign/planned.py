"""A stage as a dry run plans it, and the plan of a validation."""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from flowpot.campaign.costs import Costs, dynamics_hours, labelling_cost
from flowpot.campaign.inputs import validated_crystals
from flowpot.campaign.stages import CampaignStages
from flowpot.campaign.validation import audited_by_labels
from flowpot.dataset import Dataset
from flowpot.labelling import LabellingMaker
from flowpot.properties import ValidationMaker

_RELAXATION = 20  # steps of a relaxation, roughly
_STRAINED = 24  # cells of elastic constants, where symmetry saves none
_DISPLACED = 4  # supercells of phonons, of a crystal of few symmetries


class PlannedStage(BaseModel):
    """A stage of the first iteration, as planned."""

    stage: str
    n_jobs: int = Field(description="jobs")
    n_frames: int = Field(0, description="frames made, labelled, trained on or sampled")
    n_atoms: int = Field(0, description="their atoms")
    n_kpoints: int | None = Field(None, description="irreducible, summed over frames")
    core_hours: float | None = Field(
        None, description="by completed jobs in the store, or roughly where none is"
    )
    note: str = Field("", description="what else there is to say")
    hint: str = Field("", description="what might be done better")


def planned_validation(
    campaign: CampaignStages, structures: Any, size: int, costs: Costs, driver: Any
) -> PlannedStage:
    """
    Plan the validation of an iteration that would end as converged.

    Parameters
    ----------
    campaign
        The campaign.
    structures
        What it begins with.
    size
        Members of the committee.
    costs, driver
        What jobs of its kinds have cost, and what trains the potential.

    Returns
    -------
    PlannedStage
        Its frames are the reference calculations.
    """
    validator = campaign.validator
    assert isinstance(validator, ValidationMaker)
    given = 0 if structures is None else len(Dataset.load(structures))
    own = validator.structures
    crystals = Dataset.load(validated_crystals(structures) if own is None else own)
    names = validator.crystals(crystals)
    hours = size * sum(_hours(validator, int(n), driver) for n in crystals.n_atoms)
    asked = ", ".join(validator.properties)
    said = f"where an iteration would end as converged: {asked} of {', '.join(names)}"
    notes = [f"{said} by {size} members"]
    if own is None and given > len(crystals):
        notes.append(f"{given - len(crystals)} structures are no crystals, or the same")
    planned = PlannedStage(stage="validation", n_jobs=3 + size * len(crystals))
    if audited := audited_by_labels(campaign):
        labelling = campaign.labelling
        assert isinstance(labelling, LabellingMaker)
        cells = _reference_cells(crystals, audited, validator)
        n_kpoints, labels = labelling_cost(labelling.static_maker, cells, costs)
        hours += labels
        planned.n_jobs += ceil(len(cells) / labelling.batch_size) + 3
        planned.n_frames, planned.n_atoms = len(cells), int(cells.n_atoms.sum())
        planned.n_kpoints = n_kpoints
        said = f"{len(cells)} reference calculations of {', '.join(audited)}"
        notes.append(f"{said}, which count as labels")
    planned.core_hours, planned.note = hours, "; ".join(notes)
    return planned


def _reference_cells(
    crystals: Dataset, audited: Sequence[str], validator: ValidationMaker
) -> Dataset:
    """Return cells of the size of those that are labelled, about as many as these."""
    n_small = 1 + ("eos" in audited) * validator.eos_points
    n_small += ("elastic" in audited) * _STRAINED
    cells = crystals[np.repeat(np.arange(len(crystals)), n_small)]
    if "phonons" not in audited:
        return cells
    length = validator.supercell_length
    large = [
        atoms.repeat([ceil(length / edge) for edge in atoms.cell.lengths()])
        for atoms in crystals
        for _ in range(_DISPLACED)
    ]
    return Dataset.concatenate([cells, Dataset.from_atoms(large)])


def _hours(validator: ValidationMaker, n_atoms: int, driver: Any) -> float:
    """Return the core-hours of one crystal by one member, roughly."""
    asked = validator.properties
    relaxed = ("eos" in asked) * (validator.eos_points + 1)
    relaxed += ("elastic" in asked) * (_STRAINED + 1) + ("phonons" in asked)
    hours = dynamics_hours(driver, _RELAXATION * relaxed, n_atoms)
    density = 20.0  # A^3/atom: supercells are counted by their volumes
    if "phonons" in asked:
        large = max(n_atoms, validator.supercell_length**3 / density)
        hours += dynamics_hours(driver, _DISPLACED, large)
    if "nve" in asked:
        large = max(n_atoms, validator.nve_length**3 / density)
        hours += dynamics_hours(driver, validator.nve_steps, large)
    return hours
