"""Where a campaign begins: structures, frames, a committee, or another campaign."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from jobflow import Job, OutputReference
from monty.json import MontyDecoder

from flowpot.campaign.inputs import (
    CampaignInputs,
    committee_of,
    explored_frames,
    first_shard,
    is_reference,
    joined_frames,
    left_out,
    validated_crystals,
)
from flowpot.campaign.roles import RESULTS
from flowpot.campaign.stages import CampaignStages
from flowpot.campaign.state import CampaignState
from flowpot.dataset import Artifact, Dataset
from flowpot.documents import field_of
from flowpot.jobs import JobName, Pointer, set_role, stage_job
from flowpot.properties import ValidationMaker
from flowpot.randomness import derive_seed


@dataclass
class Start:
    """
    The jobs that come before the loop, and the state that it starts from.

    Attributes
    ----------
    campaign
        The campaign's stages and limits.
    state
        The state so far: :meth:`enter` adds to it what the user gave.
    jobs
        The jobs, by stage.
    begun
        Outputs of other jobs that the loop waits for.
    """

    campaign: CampaignStages
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
        pending = []
        augmentation = self.campaign.augmentation
        if structures is not None and augmentation is not None:
            seed = derive_seed(self.campaign.seed, "augmentation")
            job = augmentation.make(structures, seed=seed)
            self._add("augmentation", job)
            pending.append(Pointer.to(job.output.dataset))
        elif structures is not None:
            pending.append(structures)
        labels = self.campaign.labelling is not None
        if dataset is not None and labels:
            pending.append(dataset)
        present = [
            frames if isinstance(frames, Pointer) else joined_frames(frames)
            for frames in pending
            if not is_reference(frames)
        ]
        self._take_in(
            pending=[frames for frames in pending if is_reference(frames)] or None,
            dataset=None if labels else _reference_or(joined_frames, dataset),
            committee=_reference_or(committee_of, committee),
            explored=_reference_or(explored_frames, explored),
            crystals=self._crystals(structures),
        )
        if self.state.pending:
            present.append(self.state.pending)
        if present:
            all_frames = present[0] if len(present) == 1 else present
            self.state = replace(self.state, pending=all_frames)

    def _crystals(self, structures: Any) -> Any:
        """Return the crystals to be validated, or a reference; None if none are."""
        validator = self.campaign.validator
        if validator is None or getattr(validator, "structures", None) is not None:
            return None
        is_given = structures is not None and is_reference(structures)
        found = structures if is_given else validated_crystals(structures)
        if isinstance(found, Artifact) and isinstance(validator, ValidationMaker):
            validator.crystals(found)
        return found

    def _take_in(self, **given: Any) -> None:
        """
        Put what the user gave into the store once, and point to it.

        A committee that is another job's output is in the store already; the loop waits
        for its small numbers. Other outputs are read by the job that puts them there.
        """
        given = {name: item for name, item in given.items() if item is not None}
        places: dict[str, Any] = {}
        if isinstance(given.get("committee"), OutputReference):
            places["committee"] = given.pop("committee")
            self.begun["committee"] = places["committee"]
        if given:
            job = _take_in(given, self.campaign.seed)
            job.name = JobName.INPUTS.value
            self._add("inputs", job)
            places |= {name: getattr(job.output, name) for name in given}
        point_to = {name: Pointer.to(place) for name, place in places.items()}
        self.state = replace(
            self.state,
            pending=point_to.get("pending"),
            committee=point_to.get("committee"),
            explored=point_to.get("explored"),
            crystals=point_to.get("crystals"),
            trained="committee" in point_to,
        )
        if "dataset" in point_to:
            self.state = self.state.with_(shards=point_to["dataset"])

    def _add(self, stage: str, job: Job) -> None:
        set_role(job, RESULTS[stage])
        self.jobs[stage] = job

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        """References to small numbers of what comes before the loop, by stage."""
        outputs = {stage: job.output for stage, job in self.jobs.items()}
        return {
            stage: {
                "seconds": output.seconds,
                "failure": output.failure,
                "job": output.uuid,
            }
            for stage, output in (outputs | self.begun).items()
        }


@stage_job(CampaignInputs)
def _take_in(given: Mapping[str, Any], seed: int) -> CampaignInputs:
    """Bring what the user gave into the form in which the stages read it."""
    convert: dict[str, Callable[[Any], Any]] = {
        "pending": joined_frames,
        "dataset": partial(first_shard, seed=seed),
        "committee": committee_of,
        "explored": explored_frames,
        "crystals": validated_crystals,
    }
    remarks = []
    if "dataset" in given:
        frames = Dataset.load(given["dataset"])
        given, remarks = {**given, "dataset": frames}, left_out(frames)
    taken = {name: convert[name](item) for name, item in given.items()}
    return CampaignInputs(**taken, remarks=remarks)


def _reference_or(convert: Callable[[Any], Any], given: Any) -> Any:
    """Convert what is present now, so that a mistake shows before any job runs."""
    is_present = given is not None and not is_reference(given)
    return convert(given) if is_present else given


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
    state = field_of(getattr(campaign, "doc", campaign), "state")
    state = MontyDecoder().process_decoded(state)
    if not isinstance(state, CampaignState):
        raise TypeError(
            f"campaign is a {type(campaign).__name__} without a state to go on from: "
            "give the CampaignDoc of a campaign that has ended, or a Campaign"
        )
    return state
