"""The campaign: the loop over the stages, and reading it back from a store."""

from flowpot.lazy import lazy_exports

_HOME = {
    "ActiveLearningMaker": "flowpot.campaign.makers",
    "Campaign": "flowpot.campaign.reading",
    "CampaignDoc": "flowpot.campaign.document",
    "CampaignRecords": "flowpot.campaign.reading.records",
    "DryRun": "flowpot.campaign.estimate",
    "IterationDoc": "flowpot.campaign.document",
    "Limits": "flowpot.campaign.stopping",
    "LoopMaker": "flowpot.campaign.loop",
    "ResumableRun": "flowpot.campaign.local.run",
    "Stop": "flowpot.campaign.stopping",
    "decide": "flowpot.campaign.stopping",
    "dry_run": "flowpot.campaign.estimate",
    "embedded_store": "flowpot.campaign.local.stores",
    "ensure_indexes": "flowpot.campaign.reading",
}

__all__ = [  # noqa: PLE0604 - the keys are the public names
    *_HOME,
]

__getattr__, __dir__ = lazy_exports(__name__, _HOME)
