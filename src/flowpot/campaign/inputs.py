"""What users start a campaign with, in the form in which it travels."""

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from flowpot.dataset import Artifact, Dataset, assign_splits
from flowpot.documents import StageDoc
from flowpot.potentials import load_potential
from flowpot.randomness import derive_seed
from flowpot.training.document import CommitteeDoc, PotentialDoc


class CampaignInputs(StageDoc):
    """What the user gave, once in the store: the loop hands on pointers to it."""

    pending: Artifact | None = Field(None, description="frames to be labelled")
    dataset: Artifact | None = Field(None, description="frames, with sets")
    committee: CommitteeDoc | None = None
    explored: Artifact | None = Field(None, description="frames to be judged")


def joined_frames(frames: Any) -> Artifact:
    """Join whatever ``Dataset.load`` takes."""
    return Dataset.load(frames).to_artifact("frames.h5")


def first_shard(dataset: Any, seed: int) -> Artifact:
    """
    Make the first shard of a campaign that labels nothing.

    Parameters
    ----------
    dataset
        Whatever ``Dataset.load`` takes. The labelled frames, each with its set (those
        that have one keep it); where none is labelled, all, to explore from.
    seed
        Of the campaign.
    """
    frames = Dataset.load(dataset)
    if len(frames.labelled):
        frames = assign_splits(frames.labelled, seed=derive_seed(seed, "split"))
    return frames.to_artifact("dataset.h5")


def explored_frames(explored: Any) -> Artifact:
    """Return frames to be judged; those of no stated kind count as explored ones."""
    frames = Dataset.load(explored).without_labels()
    kinds = frames.info.get("config_type", np.full(len(frames), None, dtype=object))
    named = np.array([kind or "md" for kind in kinds], dtype=object)
    return frames.with_info(config_type=named).to_artifact("explored.h5")


def committee_of(committee: Any) -> CommitteeDoc:
    """
    Make a CommitteeDoc of what stands for a committee.

    Parameters
    ----------
    committee
        A CommitteeDoc, or a list of PotentialDocs, model Artifacts and paths of model
        files; either as what they are in a JobStore.
    """
    if isinstance(committee, dict) and "members" in committee:
        return CommitteeDoc.model_validate(committee)
    if isinstance(committee, CommitteeDoc):
        return committee
    members = committee if isinstance(committee, list | tuple) else [committee]
    documents = [_potential_document(member) for member in members]
    return CommitteeDoc(
        members=documents, member_metrics=[each.metrics for each in documents]
    )


def _potential_document(member: Any) -> PotentialDoc:
    if isinstance(member, dict) and "backend" in member:
        return PotentialDoc.model_validate(member)
    if isinstance(member, PotentialDoc):
        return member
    if isinstance(member, str | Path):
        member = Artifact.from_file(member)
    model = Artifact.from_document(member)
    potential = load_potential(model)
    return PotentialDoc(
        model=model,
        backend=potential.backend,
        species=list(potential.species),
        cutoff=potential.cutoff,
    )
