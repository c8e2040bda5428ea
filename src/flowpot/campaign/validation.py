"""Properties that decide whether a campaign has converged, calculated and judged."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from flowpot.campaign.stages import CampaignStages
from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.sets import TRAIN
from flowpot.documents import StageDoc, field_of, recorded
from flowpot.jobs import deciding_job
from flowpot.labelling import LabellingMaker
from flowpot.properties import ValidationDoc, ValidationMaker
from flowpot.properties.options import AUDITABLE, calculation_of
from flowpot.properties.standing import PropertyStanding, standings


class PropertiesDoc(StageDoc):
    """Properties against their tolerances, and the frames to be labelled next."""

    properties: list[PropertyStanding] = Field(description="one a quantity and crystal")
    validation_notes: list[str] = Field(
        default_factory=list, description="what does not hold for one quantity alone"
    )
    n_reference: int = Field(
        0, description="reference calculations, those that failed included"
    )
    n_distorted: int = Field(
        0, description="distorted cells of what is not known well enough"
    )
    dataset: Artifact | None = Field(
        None, description="these, after the frames that the evaluation has chosen"
    )


def audited_by_labels(campaign: CampaignStages) -> tuple[str, ...]:
    """
    Return the properties that the labelling stage checks.

    It checks what has a tolerance, or what the validator names of it, unless this has a
    reference Maker of its own; another package's labelling stage takes no other frames
    than the loop's.
    """
    validator = campaign.validator
    if (
        not isinstance(validator, ValidationMaker)
        or validator.reference_maker is not None
        or not isinstance(campaign.labelling, LabellingMaker)
    ):
        return ()
    named = validator.reference_properties
    asked = _deciding(campaign)
    return asked if named is None else tuple(kind for kind in asked if kind in named)


def validator_of(campaign: CampaignStages, n_sent: int) -> Any:
    """
    Return the validator, with the campaign's labels as its reference.

    Parameters
    ----------
    campaign
        The campaign's stages and limits.
    n_sent
        Frames that were sent to the labelling engine so far: the reference calculations
        keep the campaign's budget.
    """
    validator, labelling = campaign.validator, campaign.labelling
    audited = audited_by_labels(campaign)
    if not audited:
        return validator
    assert validator is not None and labelling is not None  # noqa: PT018 - for mypy
    limits = [labelling.max_labels]
    if campaign.max_labels is not None:
        limits.append(max(campaign.max_labels - n_sent, 0))
    reference = replace(
        labelling,
        max_labels=min((n for n in limits if n is not None), default=None),
        min_success_fraction=0.0,
        noise_frames=0,
    )
    return replace(validator, reference_maker=reference, reference_properties=audited)


def expected_references(campaign: CampaignStages) -> tuple[str, ...]:
    """Return the deciding properties that are calculated by others than the members."""
    validator = campaign.validator
    if getattr(validator, "reference_maker", None) is None:
        return audited_by_labels(campaign)
    referenced = getattr(validator, "referenced", ("eos",))
    return tuple(kind for kind in _deciding(campaign) if kind in referenced)


def _deciding(campaign: CampaignStages) -> tuple[str, ...]:
    """Return what labels can give of the properties that have a tolerance."""
    asked = {calculation_of(name) for name in campaign.property_tolerance or {}}
    return tuple(kind for kind in AUDITABLE if kind in asked)


@deciding_job
@recorded(PropertiesDoc)
def judge_properties(
    validation: Any,
    tolerance: dict[str, float],
    pending: Any = None,
    *,
    audited: Sequence[str] | bool = (),
    same_labels: bool = False,
) -> PropertiesDoc | dict[str, Any]:
    """
    Compare the properties with their tolerances, and choose what is to be labelled.

    Parameters
    ----------
    validation
        ValidationDoc, or what a failed validation has left.
    tolerance
        Relative tolerances by the names of quantities.
    pending
        Frames that the evaluation has chosen: they are labelled in any case.
    audited
        See :func:`standings`.
    same_labels
        Whether these are labels as the campaign's own, which need not be made again.
    """
    if field_of(validation, "seconds") is None:
        nothing = dict.fromkeys(PropertiesDoc.model_fields)
        return {**nothing, "failure": field_of(validation, "failure")}
    document = ValidationDoc.model_validate(validation)
    found = standings(document, tolerance, audited=audited)
    judged = PropertiesDoc(
        properties=found,
        validation_notes=document.notes,
        n_reference=document.n_sent,
        seconds=document.seconds,
        versions=document.versions,
    )
    cells = distorted_cells(document, found, same_labels=same_labels)
    if len(cells):
        chosen = [] if pending is None else [Dataset.load(pending)]
        everything = Dataset.concatenate([*chosen, cells])
        judged.n_distorted = len(cells)
        judged.dataset = everything.to_artifact("chosen.h5")
    return judged


def distorted_cells(
    document: ValidationDoc,
    properties: Sequence[PropertyStanding],
    *,
    same_labels: bool = False,
) -> Dataset:
    """
    Return the cells that quantities which are not known well enough come from.

    Parameters
    ----------
    document
        The validation.
    properties
        Its quantities.
    same_labels
        Whether cells keep the labels of the reference calculations.

    Returns
    -------
    Dataset
        Frames of the training set: a property is learned from all of its cells.
    """
    if document.dataset is None:
        return Dataset.concatenate([])
    frames = Dataset.load(document.dataset)
    wanted = {
        (each.crystal, each.calculation) for each in properties if each.is_learnable
    }
    columns = zip(frames.column("crystal"), frames.column("property"), strict=True)
    frames = frames[np.array([pair in wanted for pair in columns], dtype=bool)]
    if same_labels and document.labelled is not None:
        labelled = Dataset.load(document.labelled)
        known = labelled[np.isin(labelled.fingerprints, frames.fingerprints)]
        frames = Dataset.concatenate([known, frames]).deduplicate()
    return frames.with_info(split=[TRAIN] * len(frames))
