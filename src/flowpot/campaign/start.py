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
    joined_frames,
)
from flowpot.campaign.state import CampaignState
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
    begun
        Outputs of other jobs that the loop waits for.
    """

    maker: "ActiveLearningMaker"
    state: CampaignState
    jobs: dict[str, Job] = field(default_factory=dict)
    begun: dict[str, OutputReference] = field(default_factory=dict)

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
            pending.append(dataset)
        at_hand = [_artifact(each) for each in pending if not is_reference(each)]
        self._take_in(
            pending=[each for each in pending if is_reference(each)] or None,
            dataset=None if labels else _reference_or(joined_frames, dataset),
            committee=_reference_or(committee_of, committee),
            explored=_reference_or(explored_frames, explored),
        )
        known = [self.state.pending] if self.state.pending else []
        if everything := [*at_hand, *known]:
            one = everything[0] if len(everything) == 1 else everything
            self.state = replace(self.state, pending=one)

    def _from_structures(self, structures: Any) -> Any:
        augmentation = self.maker.augmentation
        if augmentation is None:
            return structures
        seed = derive_seed(self.maker.seed, "augmentation")
        job = augmentation.make(structures, seed=seed)
        self.jobs["augmentation"] = job
        return Pointer.to(job.output.dataset)

    def _take_in(self, **given: Any) -> None:
        """
        Put what the user gave into the store once, and point to it.

        A committee of another job is there: its small numbers make the loop wait for
        it. The rest a job reads from where it is.
        """
        given = {name: each for name, each in given.items() if each is not None}
        places: dict[str, Any] = {}
        if isinstance(given.get("committee"), OutputReference):
            places["committee"] = given.pop("committee")
            self.begun["committee"] = places["committee"]
        if given:
            self.jobs["inputs"] = take_in(given, self.maker.seed)
            places |= {n: getattr(self.jobs["inputs"].output, n) for n in given}
        point_to = {name: Pointer.to(place) for name, place in places.items()}
        self.state = replace(
            self.state,
            pending=point_to.get("pending"),
            committee=point_to.get("committee"),
            explored=point_to.get("explored"),
            trained="committee" in point_to,
        )
        if "dataset" in point_to:
            self.state = self.state.with_(shards=point_to["dataset"])

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        """Small numbers of what comes before the loop, by stage."""
        outputs = {stage: job.output for stage, job in self.jobs.items()}
        return {
            stage: {
                "seconds": output.seconds,
                "failure": output.failure,
                "job": output.uuid,
            }
            for stage, output in (outputs | self.begun).items()
        }


def take_in(given: Mapping[str, Any], seed: int) -> Job:
    """Return the job "campaign inputs"."""
    job = _take_in(given, seed)
    job.name = "campaign inputs"
    return job


@stage_job(CampaignInputs)
def _take_in(given: Mapping[str, Any], seed: int) -> CampaignInputs:
    """Bring what the user gave into the form in which the stages read it."""
    convert: dict[str, Callable[[Any], Any]] = {
        "pending": joined_frames,
        "dataset": partial(first_shard, seed=seed),
        "committee": committee_of,
        "explored": explored_frames,
    }
    return CampaignInputs(**{name: convert[name](each) for name, each in given.items()})


def _artifact(frames: Any) -> Any:
    """Frames in a form that a job can carry to another machine."""
    return frames if isinstance(frames, Pointer) else joined_frames(frames)


def is_reference(given: Any) -> bool:
    """Whether it is another job's output, or has one in it."""
    items = given if isinstance(given, list | tuple) else [given]
    return any(isinstance(item, OutputReference) for item in items)


def _reference_or(convert: Callable[[Any], Any], given: Any) -> Any:
    """Convert what is at hand now, so that a mistake shows before any job runs."""
    is_there = given is not None and not is_reference(given)
    return convert(given) if is_there else given


def state_of(campaign: Any) -> Any:
    """
    Return the state that a campaign ended in, or a reference to it.

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
