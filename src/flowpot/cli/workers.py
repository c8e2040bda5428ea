"""Which jobs of a campaign go to which worker of jobflow-remote."""

from collections.abc import Iterable, Sequence
from typing import Any

from flowpot.validation import nearest

_OF_THE_LOOP = ("campaign inputs", "active learning", "record iteration")


def parse_workers(texts: Sequence[str], maker: Any) -> list[tuple[str, str]]:
    """
    Read ``--worker`` options: pairs of a job's name, or "" for all others, and worker.

    Parameters
    ----------
    texts
        ``WORKER``, or ``NAME=WORKER`` for the jobs that have NAME in their names.
    maker
        The campaign.

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
    """Refuse workers that the project does not have."""
    known = sorted(known)
    for _, worker in pairs:
        if worker not in known:
            raise ValueError(
                f"--worker names {worker!r}{nearest(worker, known)}: the project's "
                f"workers are {', '.join(known)}"
            )


def _job_names(maker: Any) -> Iterable[str]:
    """List the names of the jobs that a campaign may have."""
    yield from _OF_THE_LOOP
    if maker.augmentation is not None:
        yield maker.augmentation.name
    if maker.labelling is not None:
        yield from ("plan labels", "collect labels", maker.labelling.static_maker.name)
    if maker.training is not None:
        trainer = maker.training.trainer
        trainers = trainer if isinstance(trainer, list) else [trainer]
        yield from ("collect committee", *(each.name for each in trainers))
    if maker.exploration is not None:
        yield from ("plan md", "collect frames", maker.exploration.md_maker.name)
    if maker.evaluation is not None:
        yield maker.evaluation.name
