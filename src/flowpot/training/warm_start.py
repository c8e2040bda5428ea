"""What of an earlier iteration a training starts from."""

from collections.abc import Mapping
from typing import Any

from flowpot.dataset import Artifact
from flowpot.training.backend import Training


def predecessor(previous: Any, rank: int) -> Any:
    """
    Return the PotentialDoc of a member's predecessor.

    Parameters
    ----------
    previous
        A PotentialDoc, a CommitteeDoc, either as a dict, or None.
    rank
        The member's rank in the committee.

    Returns
    -------
    PotentialDoc, dict or None
        None where the committee has lost that member, or never had it: its weights
        come from no other, lest two members be alike.
    """
    members = _field(previous, "members")
    if members is None:
        return previous
    ranks = _field(previous, "ranks") or list(range(len(members)))
    return members[ranks.index(rank)] if rank in ranks else None


def start_of(document: Any, training: Training) -> Artifact | None:
    """Return what a training can start from; None: of another package, or nothing."""
    if _field(document, "backend") != training.backend:
        return None
    found = _field(document, training.starts_from)
    return Artifact.from_document(found) if isinstance(found, dict) else found


def _field(document: Any, name: str) -> Any:
    if isinstance(document, Mapping):
        return document.get(name)
    return getattr(document, name, None)
