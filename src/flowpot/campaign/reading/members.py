"""Members of a committee, without their models."""

from collections.abc import Mapping
from typing import Any

from flowpot.campaign.reading.documents import CampaignDocuments


def read_member(
    documents: CampaignDocuments, member: Mapping[str, Any], *fields: str
) -> dict[str, Any]:
    """
    Read some fields of a member's PotentialDoc.

    Parameters
    ----------
    documents
        The campaign's.
    member
        As a stored CommitteeDoc has it: a reference, or the PotentialDoc itself.
    *fields
        Of the PotentialDoc.

    Returns
    -------
    dict
        These, as far as they are there, and ``job``, which trained it.
    """
    job = member.get("uuid")
    if job is not None:
        steps = [step for _, step in member.get("attributes", [])]
        # A projection goes through all elements of a list: it takes no index.
        path = ".".join(str(step) for step in steps if not isinstance(step, int))
        prefix = f"output.{path}." if path else "output."
        found = documents.find({"uuid": job}, *(prefix + name for name in fields))
        inside: Any = found[0]["output"] if found else {}
        for step in steps if found else ():
            inside = inside[step]
        member = inside
    return {**{name: member[name] for name in fields if name in member}, "job": job}
