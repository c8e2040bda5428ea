"""Choose the workers of jobflow-remote for the jobs of a campaign."""

from collections.abc import Iterable, Sequence
from typing import Any

from flowpot.jobs import JobName
from flowpot.validation import nearest


def parse_workers(texts: Sequence[str], maker: Any) -> list[tuple[str, str]]:
    """
    Read ``--worker`` options.

    Parameters
    ----------
    texts
        ``WORKER``, or ``NAME=WORKER`` for the jobs that have NAME in their names.
    maker
        The campaign.

    Returns
    -------
    list of (str, str)
        A part of the names of jobs, "" for all other jobs, and their worker.

    Raises
    ------
    ValueError
        For a name that no job of the campaign has, with the nearest.
    """
    known = sorted(set(_job_names(maker)))
    pairs = []
    for text in texts:
        name, _, worker = text.rpartition("=")
        if name and not any(name in job for job in known):
            raise ValueError(
                f"--worker is {text!r}, and no job of the campaign is called {name!r}"
                f"{nearest(name, known)}: its jobs are {', '.join(known)}"
            )
        pairs.append((name, worker))
    return pairs


def check_workers(pairs: Sequence[tuple[str, str]], known: Iterable[str]) -> None:
    """
    Refuse workers that the project does not have.

    Parameters
    ----------
    pairs
        As :func:`parse_workers` returns them.
    known
        The project's workers.

    Raises
    ------
    ValueError
        For a worker that is none of them, with the nearest.
    """
    known = sorted(known)
    for _, worker in pairs:
        if worker not in known:
            raise ValueError(
                f"--worker names {worker!r}{nearest(worker, known)}: the project's "
                f"workers are {', '.join(known)}"
            )


def _job_names(maker: Any) -> Iterable[str]:
    """Yield the names of the jobs that a campaign may have."""
    yield from (JobName.INPUTS, JobName.LOOP, JobName.RECORD)
    if maker.augmentation is not None:
        yield maker.augmentation.name
    if maker.labelling is not None:
        yield from (JobName.PLAN_LABELS, JobName.COLLECT_LABELS)
        yield maker.labelling.static_maker.name
    if maker.training is not None:
        trainer = maker.training.trainer
        trainers = trainer if isinstance(trainer, list) else [trainer]
        yield from (JobName.COLLECT_COMMITTEE, *(each.name for each in trainers))
    if maker.exploration is not None:
        yield from (JobName.PLAN_MD, JobName.COLLECT_FRAMES)
        yield maker.exploration.md_maker.name
    if maker.evaluation is not None:
        yield maker.evaluation.name
