"""Choose the workers of jobflow-remote for the jobs of a campaign."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flowpot.campaign.config.fields import named_classes
from flowpot.jobs import JobName
from flowpot.labelling.static_makers import Refinable, refined_copy
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


def _job_names(campaign: Any) -> Iterator[str]:
    """Yield the names of the jobs that a campaign may have."""
    # Names of Makers are the user's to choose; all others hold for each campaign.
    of_makers = {getattr(kind, "name", None) for kind in named_classes()}
    yield from (name.value for name in JobName if name.value not in of_makers)
    for maker in _engines(campaign):
        yield maker.name
        if isinstance(maker, Refinable):
            yield refined_copy(maker).name


def _engines(campaign: Any) -> Iterator[Any]:
    """Yield the Makers in a campaign whose names are those of their jobs."""
    validator, trainer = campaign.validator, getattr(campaign.training, "trainer", None)
    makers = (
        campaign.augmentation,
        getattr(campaign.labelling, "static_maker", None),
        *(trainer if isinstance(trainer, list) else [trainer]),
        getattr(campaign.exploration, "md_maker", None),
        campaign.evaluation,
        getattr(validator, "reference_maker", None),
        getattr(campaign.pretrain_with, "static_maker", campaign.pretrain_with),
    )
    yield from (maker for maker in makers if maker is not None)
