"""The Maker that trains a committee."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

from jobflow import Flow, Job, Maker, OutputReference, Response

from flowpot.documents import recorded
from flowpot.jobs import Pointer, Spare, deciding_job
from flowpot.randomness import derive_seed
from flowpot.training.committee import committee_document
from flowpot.training.document import CommitteeDoc, PotentialDoc
from flowpot.training.makers import MACETrainingMaker, TrainingMaker
from flowpot.training.warm_start import predecessor
from flowpot.validation import boolean, instance, text, whole
from flowpot.validation import seed as check_seed


@dataclass
class CommitteeTrainingMaker(Maker):
    """
    Train a committee: members that differ by their seeds.

    Parameters
    ----------
    name
        Name of the flow.
    trainer
        Trains the members; of several the members take turns, which makes a mixed
        committee.
    size
        How many members. One will do, at a fraction of the cost: its errors are told
        by how far atoms are from those that it has learned.
    min_size
        How few will do where trainings fail; no more than `size`. Of one, one.
    members_per_job
        How many a job trains side by side, sharing its cores. Small models use no
        more than one core: a machine that runs one job at a time trains as many as
        it has cores. Several trainers: 1.
    bagging
        Whether each member is trained on a bootstrap sample of the training set: the
        members then differ by more than their weights. Validation and test sets and
        isolated atoms are the same for all.

    Examples
    --------
    >>> maker = CommitteeTrainingMaker(trainer=MACETrainingMaker.small(), size=3)
    >>> [job.name for job in maker.make("frames.xyz")]
    ['mace train', 'mace train', 'mace train', 'collect committee']
    """

    name: str = "train committee"
    trainer: TrainingMaker | list[TrainingMaker] = field(
        default_factory=MACETrainingMaker
    )
    size: int = 4
    min_size: int = 2
    members_per_job: int = 1
    bagging: bool = False

    def __post_init__(self) -> None:
        """Refuse committees that cannot be trained."""
        text(name=self.name)
        trainers = self.trainer if isinstance(self.trainer, list) else [self.trainer]
        for each in trainers:
            instance(TrainingMaker, trainer=each)
        whole(1, size=self.size, min_size=self.min_size)
        whole(1, members_per_job=self.members_per_job)
        boolean(bagging=self.bagging)
        if self.min_size > self.size > 1:
            raise ValueError(
                f"size is {self.size} and min_size {self.min_size}: give a min_size "
                "that is no larger than size"
            )
        if not trainers or (self.members_per_job > 1 and len(trainers) > 1):
            raise ValueError(
                f"members_per_job is {self.members_per_job} with {len(trainers)} "
                "trainers: give one trainer, or members_per_job=1 with several"
            )

    def make(self, dataset: Any, previous: Any = None, seed: int = 0) -> Flow:
        """
        Train a committee; the flow's output is a CommitteeDoc.

        Parameters
        ----------
        dataset
            As in `TrainingMaker.make`.
        previous
            The CommitteeDoc of the last iteration, or a reference to it: each member
            goes on from its own predecessor, where the trainer has `warm_start`.
        seed
            The members' seeds are derived from it.
        """
        trainers = self.trainer if isinstance(self.trainer, list) else [self.trainer]
        check_seed(seed=seed)
        seeds = [derive_seed(seed, "member", i) for i in range(self.size)]
        jobs, members = [], []
        for first in range(0, self.size, self.members_per_job):
            trainer = trainers[first % len(trainers)]
            trainer = replace(
                trainer, raise_on_failure=False, bagging=self.bagging or trainer.bagging
            )
            ranks = list(range(first, min(first + self.members_per_job, self.size)))
            old = _predecessors(previous, ranks) if trainer.warm_start else None
            if self.members_per_job == 1:
                job = trainer.make(dataset, old, seeds[first], first)
                members.append(job.output)
            else:
                chosen = [seeds[i] for i in ranks]
                job = trainer.make_members(dataset, old, chosen, ranks)
                members += [job.output.members[i] for i in range(len(ranks))]
            jobs.append(job)
        collect = collect_committee(
            members,
            [Pointer.to(each) for each in members],
            dataset,
            min(self.min_size, self.size),
        )
        Spare.give(jobs, collect)
        return Flow([*jobs, collect], output=collect.output, name=self.name)


@deciding_job
@recorded(CommitteeDoc)
def _collect_committee(
    members: Sequence[PotentialDoc | None],
    addresses: Sequence[Pointer],
    dataset: Any,
    min_size: int,
    spare: Spare | None = None,
) -> dict[str, Any] | Response:
    """
    Judge a committee's mean, and list its members.

    The output holds references to the members' documents, so that their models are
    not stored twice. Trainings that ended without an answer are sent once more, if
    they had what to train on.
    """
    lost = [i for i, member in enumerate(members) if member is None]
    shards = dataset if isinstance(dataset, list) else [dataset]
    if lost and spare is not None and all(shard is not None for shard in shards):
        per_job = ceil(len(members) / len(spare.jobs))
        return spare.send(sorted({i // per_job for i in lost}), CommitteeDoc)
    jobs = [each.uuid for each in addresses]
    found, kept = committee_document(members, dataset, min_size, jobs)
    references = [addresses[i].reference for i in kept]
    return {**found, "members": references, "ranks": kept}


def collect_committee(*args: Any) -> Job:
    """Return the job "collect committee"."""
    job = _collect_committee(*args)
    job.name = "collect committee"
    return job


def _predecessors(previous: Any, ranks: Sequence[int]) -> Any:
    """Return the part of a committee that members need; a reference is small."""
    if previous is None or isinstance(previous, OutputReference):
        return previous
    members = [predecessor(previous, rank) for rank in ranks]
    return {"members": members, "ranks": list(ranks)}
