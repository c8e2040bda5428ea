"""Read a campaign back from the store that it is, or was, run on."""

from flowpot.campaign.reading.campaign import Campaign
from flowpot.campaign.reading.find import ensure_indexes
from flowpot.campaign.reading.provenance import Provenance
from flowpot.campaign.reading.status import CampaignStatus, StageStatus

__all__ = [
    "Campaign",
    "CampaignStatus",
    "Provenance",
    "StageStatus",
    "ensure_indexes",
]
