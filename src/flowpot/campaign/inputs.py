"""What users start a campaign with, in the form in which it travels."""

from pathlib import Path
from typing import Any

import numpy as np
from jobflow import OutputReference
from pydantic import Field

from flowpot.dataset import Artifact, Dataset, assign_splits
from flowpot.dataset.sets import EXPLORED, is_audit, without_audits
from flowpot.documents import StageDoc
from flowpot.labelling.document import Remark
from flowpot.potentials import load_potential
from flowpot.potentials.extensions import pack_extensions
from flowpot.properties.crystals import crystals_among
from flowpot.randomness import derive_seed
from flowpot.settings import given_path
from flowpot.training.document import CommitteeDoc, PotentialDoc
from flowpot.training.sets import without_forces


class CampaignInputs(StageDoc):
    """What the user gave, stored once: the loop hands on pointers to it."""

    pending: Artifact | None = Field(None, description="frames to be labelled")
    dataset: Artifact | None = Field(None, description="frames, with sets")
    committee: CommitteeDoc | None = None
    explored: Artifact | None = Field(None, description="frames to be evaluated")
    crystals: Artifact | None = Field(None, description="crystals to be validated")
    remarks: list[Remark] = Field(
        default_factory=list, description="frames of the dataset that are left out"
    )


def is_reference(given: Any) -> bool:
    """Return whether something is another job's output, or a list with one in it."""
    items = given if isinstance(given, list | tuple) else [given]
    return any(isinstance(item, OutputReference) for item in items)


def check_not_empty(**given: Any) -> None:
    """
    Refuse what a campaign is given to start from if there is nothing in it.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    for name, items in given.items():
        if isinstance(items, list | tuple | dict | Dataset) and not len(items):
            raise ValueError(f"{name} is empty: leave it out, or give one at least")


def joined_frames(frames: Any) -> Artifact:
    """Return the frames, in anything that ``Dataset.load`` takes, as one Artifact."""
    return _new(Dataset.load(frames)).to_artifact("frames.h5")


def first_shard(dataset: Any, seed: int) -> Artifact:
    """
    Make the first shard of a campaign that labels nothing.

    Parameters
    ----------
    dataset
        Frames in anything that ``Dataset.load`` takes.
    seed
        Seed of the campaign.

    Returns
    -------
    Artifact
        The labelled frames, each with its set (those that have one keep it); where
        none is labelled, all of them, to explore from.
    """
    frames = _new(Dataset.load(dataset))
    if len(frames.labelled):
        frames = assign_splits(frames.labelled, seed=derive_seed(seed, "split"))
    return frames.to_artifact("dataset.h5")


def left_out(frames: Dataset) -> list[Remark]:
    """
    Say which frames a campaign that labels nothing does not learn, and why.

    Frames without any label go unnamed where all are: there is nothing to learn.
    """
    counts = {"an energy and no forces": without_forces(frames)}
    if n_labelled := int(frames.is_labelled.sum()):
        counts["no label"] = len(frames) - n_labelled - sum(counts.values())
    given = "frame(s) that the campaign starts from"
    why = "and labelling is None: they are left out"
    return [
        Remark(kind="warning", text=f"{given} have {what}, {why}", n_frames=n)
        for what, n in counts.items()
        if n
    ]


def _new(frames: Dataset) -> Dataset:
    """Return the frames of an earlier campaign as those of a new one."""
    if not is_audit(frames).any():
        return frames
    return frames.with_info(split=without_audits(frames))


def explored_frames(explored: Any) -> Artifact:
    """
    Return frames to be evaluated, without labels.

    Those without a ``config_type`` count as explored by molecular dynamics, ``md``.
    """
    frames = Dataset.load(explored).without_labels()
    kinds = frames.column("config_type")
    named = np.array([kind or EXPLORED for kind in kinds], dtype=object)
    return frames.with_info(config_type=named).to_artifact("explored.h5")


def validated_crystals(structures: Any) -> Artifact:
    """
    Return the crystals among the structures that a campaign begins with.

    Raises
    ------
    ValueError
        If there are none.
    """
    if structures is None:
        raise ValueError(
            "validator has no crystals: the campaign begins without structures; give "
            "them as validator.structures"
        )
    crystals = crystals_among(structures)
    if not len(crystals):
        raise ValueError(
            "validator has no crystals: none of the structures is periodic along all "
            "axes and without vacuum; give crystals as validator.structures"
        )
    return crystals.to_artifact("crystals.h5")


def committee_of(committee: Any) -> CommitteeDoc:
    """
    Return the CommitteeDoc of a committee in any of the forms that users have.

    Parameters
    ----------
    committee
        A CommitteeDoc, or a list of PotentialDocs, model Artifacts and paths of model
        files. Documents and Artifacts may be dictionaries, as stores have them.

    Raises
    ------
    ValueError
        If it is none of these.
    FileNotFoundError
        If there is no such file.
    """
    if isinstance(committee, dict) and "members" in committee:
        return CommitteeDoc.model_validate(committee)
    if isinstance(committee, CommitteeDoc):
        return committee
    members = committee if isinstance(committee, list | tuple) else [committee]
    documents = [_potential_document(member) for member in members]
    return CommitteeDoc(
        members=documents, member_metrics=[document.metrics for document in documents]
    )


def _potential_document(member: Any) -> PotentialDoc:
    if isinstance(member, dict) and "backend" in member:
        return PotentialDoc.model_validate(member)
    if isinstance(member, PotentialDoc):
        return member
    if not isinstance(member, str | Path | dict | Artifact):
        raise ValueError(  # noqa: TRY004 - one error for all wrong values
            f"committee has {member!r}: give a CommitteeDoc, or a list of "
            "PotentialDocs, model Artifacts and names of model files"
        )
    extensions = None
    if isinstance(member, str | Path):
        path = given_path(member)
        if not path.is_file():
            raise FileNotFoundError(
                f"committee has {str(member)!r}, and there is no such file"
            )
        extensions = pack_extensions(path)
        member = Artifact.from_file(path)
    model = Artifact.from_document(member)
    potential = load_potential({"model": model, "extensions": extensions})
    return PotentialDoc(
        extensions=extensions,
        model=model,
        backend=potential.backend,
        species=list(potential.species),
        cutoff=potential.cutoff,
    )
