"""Judging a committee by its mean prediction."""

from collections.abc import Sequence
from typing import Any

from flowpot.documents import reason_of
from flowpot.potentials import Prediction, evaluate_members, load_potential
from flowpot.training import metrics
from flowpot.training.backend import TrainingError
from flowpot.training.document import PotentialDoc
from flowpot.training.sets import SETS, TrainingSets


def committee_document(
    members: Sequence[PotentialDoc | None],
    dataset: Any,
    min_size: int,
    jobs: Sequence[str] = (),
) -> tuple[dict[str, Any], list[int]]:
    """
    Judge a committee on the sets that its members were trained on.

    Parameters
    ----------
    members
        Their documents; None for one whose job failed.
    dataset
        As the trainings had it.
    min_size
        How few members will do.
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
    with_model = {i: each for i, each in enumerate(members) if each and each.model}
    reasons = dict(enumerate(map(reason_of, jobs)))
    failures = [
        f"member {i}: {each.failure if each else reasons.get(i) or 'its job failed'}"
        for i, each in enumerate(members)
        if i not in with_model
    ]
    if len(with_model) < min_size:
        raise TrainingError(
            f"{len(with_model)} of {len(members)} members have a model, and min_size "
            f"is {min_size}:\n" + "\n".join(failures)
        )
    documents = list(with_model.values())
    potentials = [load_potential(each, "auto") for each in documents]
    sets = TrainingSets.load(dataset)
    found: dict[str, Any] = {
        "metrics": {},
        "mae": {},
        "n_frames": {name: len(getattr(sets, name)) for name in SETS},
        "member_metrics": [each.metrics for each in documents],
        "failures": failures,
        "seconds": sum(each.seconds for each in documents),
    }
    for name in SETS:
        frames = getattr(sets, name)
        mean = _mean(evaluate_members(potentials, frames))
        found["metrics"][name] = metrics.rmse(mean, frames)
        found["mae"][name] = metrics.mae(mean, frames)
    return found, list(with_model)


def _mean(members: Prediction) -> Prediction:
    return Prediction(
        members.energy.mean(axis=0),
        members.forces.mean(axis=0),
        members.stress.mean(axis=0),
    )
