"""What a campaign has cost: labels, engines' time, core-hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowpot.campaign.document import IterationDoc
from flowpot.campaign.reading import Campaign
from flowpot.campaign.record import STAGES

_HOUR = 3600.0
_LABELLING = "labelling"


@dataclass(frozen=True)
class Costs:
    """
    What a campaign has cost so far.

    Attributes
    ----------
    n_labels, n_failed
        Labels that the engine computed, and frames whose label failed.
    seconds
        Wall time of the engines (s) by stage, added up over runs side by side.
    core_hours
        Core-hours by stage.
    as_one_core
        Stages of which the documents do not state the number of processes: each
        counts as one core.
    """

    n_labels: int
    n_failed: int
    seconds: dict[str, float]
    core_hours: dict[str, float]
    as_one_core: list[str]

    @property
    def core_seconds_per_label(self) -> float | None:
        """Core-seconds of labelling, of failed labels too, over those that are good."""
        if not self.n_labels or _LABELLING not in self.core_hours:
            return None
        return _HOUR * self.core_hours[_LABELLING] / self.n_labels

    @property
    def reservation(self) -> str:
        """What to know of the core-hours; "" where documents state all of them."""
        names = ", ".join(self.as_one_core)
        return f"in {names} a process counts as one core" if names else ""


def costs_of(campaign: Campaign) -> Costs:
    """Add up what a campaign's documents state of their cost."""
    iterations, labels = campaign.iteration_docs, campaign.label_costs
    seconds: dict[str, float] = {}
    for iteration in iterations:
        for stage, value in iteration.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + value
    hours = core_hours(iterations, labels.core_seconds)
    counted = {i.iteration for i in iterations if i.seconds.get(_LABELLING)}
    is_stated = counted <= labels.core_seconds.keys()
    return Costs(
        n_labels=labels.n_computed,
        n_failed=sum(iteration.n_failed or 0 for iteration in iterations),
        seconds={stage: seconds[stage] for stage in hours},
        core_hours={stage: float(values.sum()) for stage, values in hours.items()},
        as_one_core=[s for s in hours if s != _LABELLING or not is_stated],
    )


def core_hours(
    iterations: Sequence[IterationDoc], labels: Mapping[int, float] | None = None
) -> dict[str, NDArray[np.float64]]:
    """
    Return the core-hours of each iteration, shape (n,), by stage.

    Stages that took no time are left out.

    Parameters
    ----------
    iterations
        The campaign's iterations.
    labels
        Core-seconds of the labels, by iteration. Where they are not known, and in all
        other stages, the wall time of a process counts as that of one core.
    """
    stages = dict.fromkeys([*STAGES, *(s for each in iterations for s in each.seconds)])
    hours = {}
    for stage in stages:
        seconds = [each.seconds.get(stage, 0.0) for each in iterations]
        if stage == _LABELLING and labels:
            seconds = [
                labels.get(each.iteration, wall)
                for each, wall in zip(iterations, seconds, strict=True)
            ]
        if any(seconds):
            hours[stage] = np.array(seconds) / _HOUR
    return hours
