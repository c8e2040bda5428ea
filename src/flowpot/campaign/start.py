"""Where a campaign begins: structures, a dataset or a committee."""

from typing import TYPE_CHECKING, Any

from jobflow import Job, OutputReference

from flowpot.campaign.state import CampaignState
from flowpot.dataset import Dataset, assign_splits
from flowpot.jobs import Pointer
from flowpot.randomness import derive_seed

if TYPE_CHECKING:
    from flowpot.campaign.makers import ActiveLearningMaker


def starting_state(
    maker: "ActiveLearningMaker",
    uuid: str,
    structures: Any,
    dataset: Any,
    committee: Any,
) -> tuple[list[Job], CampaignState]:
    """
    Give the jobs that come before the loop, and the state that it starts from.

    Parameters
    ----------
    maker
        The campaign.
    uuid
        Of the campaign.
    structures, dataset, committee
        See :meth:`ActiveLearningMaker.make`.

    Raises
    ------
    ValueError
        If there is nothing to start from.
    """
    if structures is None and dataset is None:
        missing = "dataset" if committee is not None else "structures, dataset"
        raise ValueError(
            f"{missing} missing: give structures to augment, or a dataset of frames "
            "(a committee alone has nothing to explore from or be calibrated on)"
        )
    jobs: list[Job] = []
    pending: Any = None
    if structures is not None and maker.augmentation is not None:
        job = maker.augmentation.make(
            structures, seed=derive_seed(maker.seed, "augmentation")
        )
        job.update_metadata(
            {"campaign": maker.name, "campaign_uuid": uuid, "stage": "augmentation"}
        )
        jobs.append(job)
        pending = Pointer.to(job.output.dataset)
    elif structures is not None:
        pending = Dataset.load(structures).to_artifact("structures.h5")

    shards: list[Any] = []
    if dataset is not None:
        given = _portable(dataset)
        if maker.labelling is None:
            shards = [_with_splits(given, maker.seed)]
        elif pending is None:
            pending = given
        else:
            pending = [pending, given]
    return jobs, CampaignState(
        uuid=uuid,
        pending=pending,
        shards=shards,
        committee=_pointer(committee),
    )


def _portable(dataset: Any) -> Any:
    """Frames in a form that a job can carry to another machine."""
    if isinstance(dataset, OutputReference):
        return Pointer.to(dataset)
    return Dataset.load(dataset).to_artifact("dataset.h5")


def _with_splits(given: Any, seed: int) -> Any:
    if isinstance(given, Pointer):
        return given
    frames = assign_splits(Dataset.load(given), seed=derive_seed(seed, "split"))
    return frames.to_artifact("dataset.h5")


def _pointer(committee: Any) -> Any:
    is_reference = isinstance(committee, OutputReference)
    return Pointer.to(committee) if is_reference else committee
