"""Where a campaign begins: structures, frames, a committee, or another campaign."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jobflow import Job, OutputReference
from monty.json import MontyDecoder

from flowpot.campaign.inputs import (
    CampaignInputs,
    committee_of,
    explored_frames,
    first_shard,
)
from flowpot.campaign.state import CampaignState
from flowpot.dataset import Dataset
from flowpot.jobs import Pointer, stage_job
from flowpot.randomness import derive_seed

if TYPE_CHECKING:
    from flowpot.campaign.makers import ActiveLearningMaker


@dataclass
class Start:
    """
    The jobs that come before the loop, and the state that it starts from.

    Attributes
    ----------
    maker
        The campaign.
    state
        Grows as :meth:`enter` takes in what the user gave.
    jobs
        By stage.
    """

    maker: "ActiveLearningMaker"
    state: CampaignState
    jobs: dict[str, Job] = field(default_factory=dict)

    def enter(
        self, structures: Any, dataset: Any, committee: Any, explored: Any
    ) -> None:
        """
        Take in what the user gave: see :meth:`ActiveLearningMaker.make`.

        Raises
        ------
        ValueError
            If there is nothing to start from.
        """
        if structures is None and dataset is None:
            missing = "dataset" if committee is not None else "structures, dataset"
            raise ValueError(
                f"{missing} missing: give structures to augment, or a dataset of "
                "frames (a committee alone has nothing to explore from or be "
                "calibrated on)"
            )
        pending = [] if structures is None else [self._from_structures(structures)]
        labels = self.maker.labelling is not None
        if dataset is not None and labels:
            pending.append(_portable(dataset))
        self._take_in(
            dataset=None if labels else _reference_or(_portable, dataset),
            committee=_reference_or(committee_of, committee),
            explored=_reference_or(explored_frames, explored),
        )
        if pending:
            one = pending[0] if len(pending) == 1 else pending
            self.state = replace(self.state, pending=one)

    def _from_structures(self, structures: Any) -> Any:
        augmentation = self.maker.augmentation
        if augmentation is None:
            return _portable(structures)
        seed = derive_seed(self.maker.seed, "augmentation")
        job = augmentation.make(structures, seed=seed)
        self.jobs["augmentation"] = job
        return Pointer.to(job.output.dataset)

    def _take_in(self, **given: Any) -> None:
        """Put what is at hand into the store once, and point to it."""
        given = {name: each for name, each in given.items() if each is not None}
        # Frames of another job still need their sets; the rest is fit as it is.
        elsewhere = {
            name: each
            for name, each in given.items()
            if isinstance(each, OutputReference) and name != "dataset"
        }
        if at_hand := {n: each for n, each in given.items() if n not in elsewhere}:
            self.jobs["inputs"] = take_in(at_hand, self.maker.seed)
            output = self.jobs["inputs"].output
            elsewhere |= {name: getattr(output, name) for name in at_hand}
        point_to = {name: Pointer.to(each) for name, each in elsewhere.items()}
        self.state = replace(
            self.state,
            shards=[point_to[name] for name in ("dataset",) if name in point_to],
            committee=point_to.get("committee"),
            explored=point_to.get("explored"),
            trained="committee" in point_to,
        )


def take_in(given: Mapping[str, Any], seed: int) -> Job:
    """Give the job "campaign inputs"."""
    job = _take_in(given, seed)
    job.name = "campaign inputs"
    return job


@stage_job(CampaignInputs)
def _take_in(given: Mapping[str, Any], seed: int) -> CampaignInputs:
    """Bring frames of other jobs into the form in which the stages read them."""
    convert = {
        "dataset": partial(first_shard, seed=seed),
        "committee": committee_of,
        "explored": explored_frames,
    }
    return CampaignInputs(**{name: convert[name](each) for name, each in given.items()})


def _portable(frames: Any) -> Any:
    """Frames in a form that a job can carry to another machine."""
    if isinstance(frames, OutputReference):
        return Pointer.to(frames)
    return Dataset.load(frames).to_artifact("dataset.h5")


def _reference_or(convert: Callable[[Any], Any], given: Any) -> Any:
    """Convert what is at hand now, so that a mistake shows before any job runs."""
    is_there = given is not None and not isinstance(given, OutputReference)
    return convert(given) if is_there else given


def state_of(campaign: Any) -> Any:
    """
    Give the state that a campaign ended in, or a reference to it.

    Parameters
    ----------
    campaign
        CampaignDoc (or its dictionary), Campaign, or a reference to the former.

    Raises
    ------
    TypeError
        If it is none of these.
    """
    if isinstance(campaign, OutputReference):
        return campaign.state
    document = getattr(campaign, "doc", campaign)
    is_dict = isinstance(document, Mapping)
    state = document.get("state") if is_dict else getattr(document, "state", None)
    state = MontyDecoder().process_decoded(state)
    if not isinstance(state, CampaignState):
        raise TypeError(
            f"campaign is a {type(campaign).__name__} without a state to go on from: "
            "give the CampaignDoc of a campaign that has ended, or a Campaign"
        )
    return state
