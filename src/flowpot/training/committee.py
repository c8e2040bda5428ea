"""Train a committee, and measure the errors of its mean prediction."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobflow import Flow, Job, Maker, OutputReference, Response

from flowpot.dataset.sets import AUDIT
from flowpot.documents import reason_of, recorded
from flowpot.jobs import JobName, Pointer, RetrySpec, deciding_job
from flowpot.potentials import Prediction, evaluate_members, load_potential
from flowpot.randomness import derive_seed
from flowpot.training.backend import TrainingError
from flowpot.training.document import CommitteeDoc, PotentialDoc, predecessor
from flowpot.training.makers import MACETrainingMaker, TrainingMaker
from flowpot.training.metrics import errors_by_origin, errors_of_sets
from flowpot.training.sets import TrainingSets
from flowpot.validation import boolean, instance, several, text, whole
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
        Maker that trains the members. Of a list of them, each trains a member in turn,
        which makes a mixed committee.
    size
        Number of members. A single member costs a fraction: its errors are estimated
        from the distance of atoms to those that it was trained on.
    min_size
        Number of members that is enough where trainings fail; at most `size`, unless
        that is 1.
    members_per_job
        Number of members that a job trains side by side, sharing its cores and getting
        its GPUs in turn. Small models use no more than one core: on a machine that runs
        one job at a time, set it to the number of cores, or of GPUs. With several
        trainers: 1.
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
        for trainer in self._trainers:
            instance(TrainingMaker, trainer=trainer)
        whole(1, size=self.size, min_size=self.min_size)
        whole(1, members_per_job=self.members_per_job)
        boolean(bagging=self.bagging)
        if self.min_size > self.size > 1:
            raise ValueError(
                f"size is {self.size} and min_size {self.min_size}: give a min_size "
                "that is no larger than size"
            )
        several(trainer=self._trainers)
        n_trainers = len(self._trainers)
        if self.members_per_job > 1 and n_trainers > 1:
            raise ValueError(
                f"members_per_job is {self.members_per_job} with {n_trainers} "
                "trainers: give one trainer, or members_per_job=1 with several"
            )

    @property
    def _trainers(self) -> list[TrainingMaker]:
        return self.trainer if isinstance(self.trainer, list) else [self.trainer]

    def make(
        self, dataset: Any, previous: Any = None, seed: int = 0, pretrained: Any = None
    ) -> Flow:
        """
        Train a committee; the flow's output is a CommitteeDoc.

        Parameters
        ----------
        dataset
            Whatever `Dataset.load` takes; its info column ``split`` gives the sets.
        previous
            The CommitteeDoc of the last iteration, or a reference to it: each member
            starts from the weights of its own predecessor, where the trainer has
            `warm_start`.
        seed
            Seed that the members' seeds are derived from.
        pretrained
            A CommitteeDoc that was trained on other labels, or a reference to it: each
            member starts from the weights of its own, where it would start from fresh
            ones; a member that this committee lacks starts from fresh ones.
        """
        check_seed(seed=seed)
        seeds = [derive_seed(seed, "member", rank) for rank in range(self.size)]
        jobs, members = [], []
        for first in range(0, self.size, self.members_per_job):
            trainer = self._trainers[first % len(self._trainers)]
            trainer = replace(
                trainer, raise_on_failure=False, bagging=self.bagging or trainer.bagging
            )
            ranks = list(range(first, min(first + self.members_per_job, self.size)))
            old = previous if trainer.warm_start else None
            if old is None and pretrained is not None:
                old, trainer = pretrained, replace(trainer, warm_start=True)
            if old is not None and not isinstance(old, OutputReference):
                # The part that these members need; a reference is small as it is.
                needed = [predecessor(old, rank) for rank in ranks]
                old = {"members": needed, "ranks": ranks}
            if self.members_per_job == 1:
                job = trainer.make(dataset, old, seeds[first], first)
                members.append(job.output)
            else:
                own_seeds = [seeds[rank] for rank in ranks]
                job = trainer.make_members(dataset, old, own_seeds, ranks)
                members += [job.output.members[i] for i in range(len(ranks))]
            jobs.append(job)
        collect = collect_committee(
            members,
            [Pointer.to(member) for member in members],
            dataset,
            min(self.min_size, self.size),
        )
        RetrySpec.give(jobs, collect)
        return Flow([*jobs, collect], output=collect.output, name=self.name)


@deciding_job
@recorded(CommitteeDoc)
def _collect_committee(
    members: Sequence[PotentialDoc | None],
    addresses: Sequence[Pointer],
    dataset: Any,
    min_size: int,
    retry: RetrySpec | None = None,
) -> dict[str, Any] | Response:
    """
    Measure the errors of a committee's mean prediction, and list its members.

    The output holds references to the members' documents, so that their models are
    not stored twice. Trainings that ended without an output are sent once more, unless
    their dataset is missing as well.
    """
    lost = [rank for rank, member in enumerate(members) if member is None]
    shards = dataset if isinstance(dataset, list) else [dataset]
    if lost and retry is not None and all(shard is not None for shard in shards):
        job_of = list(dict.fromkeys(address.uuid for address in addresses))
        places = {job_of.index(addresses[rank].uuid) for rank in lost}
        return retry.send(sorted(places), CommitteeDoc)
    jobs = [address.uuid for address in addresses]
    fields, ranks = committee_document(members, dataset, min_size, jobs)
    references = [addresses[rank].reference for rank in ranks]
    return {**fields, "members": references, "ranks": ranks}


def collect_committee(*args: Any) -> Job:
    """Return the job "collect committee"."""
    job = _collect_committee(*args)
    job.name = JobName.COLLECT_COMMITTEE.value
    return job


def committee_document(
    members: Sequence[PotentialDoc | None],
    dataset: Any,
    min_size: int,
    jobs: Sequence[str] = (),
) -> tuple[dict[str, Any], list[int]]:
    """
    Measure the errors of a committee on the sets that its members were trained on.

    Parameters
    ----------
    members
        Their documents; None for a member whose job failed.
    dataset
        The dataset of the trainings.
    min_size
        Number of members with a model that is enough.
    jobs
        Uuids of the jobs that trained them, where they are known.

    Returns
    -------
    tuple
        The fields of a CommitteeDoc but its members, and the ranks of the members
        that have a model.

    Raises
    ------
    TrainingError
        Where fewer than `min_size` have one.
    """
    documents = {
        rank: member for rank, member in enumerate(members) if member and member.model
    }
    reasons = dict(enumerate(map(reason_of, jobs)))
    failures = [
        f"member {rank}: "
        f"{member.failure if member else reasons.get(rank) or 'its job failed'}"
        for rank, member in enumerate(members)
        if rank not in documents
    ]
    if len(documents) < min_size:
        raise TrainingError(
            f"{len(documents)} of {len(members)} members have a model, and min_size "
            f"is {min_size}:\n" + "\n".join(failures)
        )
    potentials = [load_potential(document) for document in documents.values()]
    sets = TrainingSets.load(dataset)
    frames = sets.by_name | ({AUDIT: sets.audit} if len(sets.audit) else {})
    predictions = {}
    for name, part in frames.items():
        by_member = evaluate_members(potentials, part)
        arrays = (by_member.energy, by_member.forces, by_member.stress)
        predictions[name] = Prediction(*(array.mean(axis=0) for array in arrays))
    rmse, mae = errors_of_sets(predictions, sets.by_name)
    rmse_by_origin, n_frames_by_origin = errors_by_origin(predictions, frames)
    fields = {
        "metrics": rmse,
        "mae": mae,
        "metrics_by_origin": rmse_by_origin,
        "n_frames": sets.sizes,
        "n_frames_by_origin": n_frames_by_origin,
        "member_metrics": [document.metrics for document in documents.values()],
        "failures": failures,
        "remarks": list(sets.remarks),
        "seconds": sum(document.seconds for document in documents.values()),
    }
    return fields, list(documents)
