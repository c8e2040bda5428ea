"""The campaign: the loop over the stages, and reading it back from a store."""

from flowpot.campaign.document import CampaignDoc, IterationDoc
from flowpot.campaign.local import ResumableRun
from flowpot.campaign.loop import LoopMaker
from flowpot.campaign.makers import ActiveLearningMaker
from flowpot.campaign.plan import DryRun, dry_run
from flowpot.campaign.reading import Campaign, ensure_indexes
from flowpot.campaign.stopping import Limits, Stop, decide
from flowpot.campaign.stores import embedded_store

__all__ = [
    "ActiveLearningMaker",
    "Campaign",
    "CampaignDoc",
    "DryRun",
    "IterationDoc",
    "Limits",
    "LoopMaker",
    "ResumableRun",
    "Stop",
    "decide",
    "dry_run",
    "embedded_store",
    "ensure_indexes",
]
