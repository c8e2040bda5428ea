"""
Committees whose law of error is known, for the real judge, audit and decide.

A frame is two atoms; its number is written in its cell, and a table has its spread and
its error in each generation. Energies and stresses are zero, so that a prediction is
its error; forces are large, and say nothing of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from error_laws import LAWS, Law
from flowpot.campaign import IterationDoc, Limits, decide
from flowpot.dataset import Dataset
from flowpot.evaluation import (
    Criteria,
    Judgement,
    SelectionRules,
    Uncertainty,
    judge,
    spread_over,
)
from flowpot.potentials import Potential, Prediction

_MOST = 20_000  # frames of a campaign
_FIRST, _STEP = 10.0, 1e-3  # A: the cell of frame 0, and by what others are longer
SHARE = 0.1
LIMITS = Limits(
    max_iterations=8, max_labels=None, max_bad_share=SHARE, max_over_share=0.05
)


@dataclass
class World:
    """
    Spread and true error of all frames of one campaign.

    Attributes
    ----------
    law
        Law of the errors.
    seed
        Seed of the random draws.
    scale
        Scale of spread and error in the first generation.
    blind
        Factor on the errors of frames from beyond, which the spread does not see.
    """

    law: Law
    seed: int = 0
    scale: float = 0.05
    blind: float = 1.0
    beyond: np.ndarray = field(default_factory=lambda: np.zeros(_MOST, dtype=bool))
    n_frames: int = 0

    def explore(self, n: int, *, beyond: float = 0.0) -> Dataset:
        """Make n new frames, a share of them from beyond."""
        number = np.arange(self.n_frames, self.n_frames + n)
        rng = np.random.default_rng([self.seed, self.n_frames, 1])
        self.beyond[number] = rng.random(n) < beyond
        self.n_frames += n
        cell = np.zeros((n, 3, 3))
        cell[:] = _FIRST * np.eye(3)
        cell[:, 0, 0] += number * _STEP
        positions = np.tile([[0.0, 0, 0], [5.0, 5, 5]], (n, 1))
        return Dataset(
            numbers=np.full(2 * n, 14),
            positions=positions,
            cell=cell,
            pbc=np.ones((n, 3), dtype=bool),
            offsets=np.arange(0, 2 * n + 1, 2),
            energy=np.full(n, np.nan),
            forces=np.full((2 * n, 3), np.nan),
            stress=np.full((n, 3, 3), np.nan),
            info={},
        ).with_info(config_type=np.full(n, "md", dtype=object))

    def table(self, generation: int) -> tuple[np.ndarray, np.ndarray]:
        """Return spread and error of every frame, as this generation has them."""
        rng = np.random.default_rng([self.seed, generation, 2])
        spread = rng.lognormal(0, self.law.width, _MOST)
        error = self.law.error(rng, spread)
        scale = self.scale / (1 + generation) ** 0.5
        return scale * spread, scale * error * np.where(self.beyond, self.blind, 1.0)

    def committee(self, generation: int, members: int = 2) -> list["Member"]:
        """Make a committee whose spread and error are those of the table."""
        signs = (-1.0, 1.0) if members == 2 else (0.0,)
        return [Member(self, generation, sign) for sign in signs]


def number_of(cell: np.ndarray) -> np.ndarray:
    """Read the numbers of frames."""
    return np.rint((cell[:, 0, 0] - _FIRST) / _STEP).astype(int)


_FORCES = 20 * np.random.default_rng(5).lognormal(0, 0.5, _MOST)


def forces_of(numbers: np.ndarray) -> np.ndarray:
    """Return the true forces of frames, two atoms each."""
    return np.repeat(_FORCES[numbers], 2)[:, None] * np.ones(3)


class Member(Potential):
    """A potential that errs as a table says, and deviates from the mean by a sign."""

    backend = "table"
    device = "cpu"
    species = ("Si",)
    cutoff = 3.0
    graph_key = "table"

    def __init__(self, world: World, generation: int, sign: float) -> None:
        self.spread, self.error = world.table(generation)
        self.sign, self.broken = sign, False

    def build_graph(self, geometry):
        return number_of(geometry.cell)

    def evaluate_graph(self, graph):
        shift = self.error[graph] + self.sign * self.spread[graph]
        if self.broken:
            shift = np.full(len(graph), np.nan)
        return Prediction(
            energy=2 * shift,
            forces=forces_of(graph) + np.repeat(shift, 2)[:, None],
            stress=shift[:, None, None] * np.ones((3, 3)),
        )

    def describe_graph(self, graph):
        raise NotImplementedError("a table has no features")


class Twin(Uncertainty):
    """An uncertainty that is the spread, within a few per cent."""

    def measure_atoms(self, potentials, dataset):
        numbers = number_of(dataset.cell)
        noise = np.random.default_rng(0).normal(0, 0.03, _MOST)[numbers]
        return {"twin": np.repeat(potentials[0].spread[numbers] * np.exp(noise), 2)}


def label(frames: Dataset) -> Dataset:
    """Return every frame with its label."""
    n = len(frames)
    split = frames.info.get("split", np.full(n, None, dtype=object))
    return frames.with_labels(
        energy=np.zeros(n),
        forces=forces_of(number_of(frames.cell)),
        stress=np.zeros((n, 3, 3)),
    ).with_info(split=np.array([each or "train" for each in split], dtype=object))


def true_error(world: World, generation: int, frames: Dataset) -> np.ndarray:
    """Return the errors of frames."""
    return world.table(generation)[1][number_of(frames.cell)]


def seen(world: World, generation: int, frames: Dataset) -> dict[str, np.ndarray]:
    """Return the uncertainties of frames, as a committee has them."""
    return spread_over(
        world.committee(generation), frames, uncertainties=[Twin()]
    ).disagreement


@dataclass(frozen=True)
class Iteration:
    """One iteration of a simulated campaign, as it ended."""

    generation: int
    explored: Dataset
    judgement: Judgement
    converged: bool
    bad_share: float
    """True share of bad frames among those that are accepted."""


def campaign(
    world: World,
    tolerance: float,
    *,
    shift: float = 0.0,
    n_explored: int = 150,
    max_iterations: int = 6,
    energy_tolerance: float | None = None,
    **options,
) -> Iterator[Iteration]:
    """
    Run the loop with the real judge and decide.

    Parameters
    ----------
    world
        The true errors.
    tolerance
        Acceptable error of the forces, eV/A.
    shift
        Share of the explored frames from beyond, from the third iteration on.
    n_explored
        Frames of each iteration.
    max_iterations
        Iterations after which it ends at the latest.
    energy_tolerance
        Of the energy, if that has one, eV/atom.
    **options
        Fields of the criteria.

    Yields
    ------
    Iteration
        As each one ends.
    """
    labelled = label(
        world.explore(20).with_info(
            config_type=np.full(20, "distorted", dtype=object),
            split=np.array(["train", "val"] * 10, dtype=object),
        )
    )
    rules = SelectionRules(max_selected=30, audit_min=5, audit_max=20)
    others = [Twin()] if world.law is LAWS["collinear"] else []
    options = {"rules": rules, "uncertainties": others} | options
    energy = {"energy": energy_tolerance} if energy_tolerance else {}
    criteria = Criteria({"forces": tolerance, **energy}, **options)
    limits = replace(LIMITS, needs_closing=criteria.closing_audit > 0)
    predictions: list[Dataset] = []
    for number in range(max_iterations):
        explored = world.explore(n_explored, beyond=shift if number > 1 else 0.0)
        members = world.committee(number)
        for _ in range(3):
            judgement = judge(
                members,
                labelled,
                explored,
                criteria,
                predictions=predictions,
                seed=world.seed + number,
                iteration=number + 1,
            )
            predictions.append(judgement.predictions)
            if not judgement.n_pilot:
                break
            labelled = Dataset.concatenate([labelled, label(judgement.chosen)])
        last = IterationDoc(
            iteration=number + 1,
            audit=judgement.audit,
            n_explored=judgement.n_explored,
            n_over=judgement.selection.n_over,
            n_selected=len(judgement.selection.selected),
            n_audit=len(judgement.selection.audit),
        )
        stop = decide(last, limits)
        converged = stop is not None and stop.kind == "converged"
        yield Iteration(
            number,
            explored,
            judgement,
            converged,
            accepted_bad(world, number, explored, judgement, tolerance),
        )
        if converged:
            return
        labelled = Dataset.concatenate([labelled, label(judgement.chosen)])


def accepted_bad(
    world: World,
    generation: int,
    explored: Dataset,
    judgement: Judgement,
    tolerance: float,
) -> float:
    """Return the true share of bad frames among those that are accepted."""
    fit = judgement.calibration["forces"]
    error = true_error(world, generation, explored)
    accepted = fit.excess(seen(world, generation, explored), "forces") <= 1
    return float((error[accepted] > tolerance).mean()) if accepted.any() else 0.0
