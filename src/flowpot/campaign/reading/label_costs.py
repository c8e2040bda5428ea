"""What the labels of a campaign have cost, by the documents of their jobs."""

from dataclasses import dataclass, field

from flowpot.campaign.reading.documents import CampaignDocuments, iteration_of

_READ = (
    *("metadata.iteration", "output.run.core_seconds", "output.runs.state"),
    *("output.runs.core_seconds", "output.state"),
)


@dataclass
class LabelCosts:
    """
    Cost of a campaign's labels, failed ones included.

    Attributes
    ----------
    n_computed
        Labels that the campaign's engine gave.
    core_seconds
        Core-seconds (wall time x processes) of the calculations of each iteration, as
        the engine states them. Iterations with a calculation that does not state them
        are left out.
    """

    n_computed: int = 0
    core_seconds: dict[int, float] = field(default_factory=dict)


def label_costs_in(documents: CampaignDocuments) -> LabelCosts:
    """Add up the core-seconds that label jobs state, of batches frame by frame."""
    costs = LabelCosts()
    unstated = set()
    for document in documents.find({"metadata.stage": "labelling"}, *_READ):
        output = document.get("output") or {}
        if "state" in output:  # of one frame
            runs = [output.get("run") or {}]
        else:
            runs = output.get("runs") or []
        iteration = iteration_of(document)
        for run in runs:
            if run.get("core_seconds") is None:
                unstated.add(iteration)
            else:
                before = costs.core_seconds.get(iteration, 0.0)
                costs.core_seconds[iteration] = before + run["core_seconds"]
    for iteration in unstated:
        costs.core_seconds.pop(iteration, None)
    for document in documents.of_stage("labelling"):
        costs.n_computed += document["output"].get("n_computed") or 0
    return costs
