"""Error bars of single atoms, for committees whose law of error is known."""

import numpy as np
import pytest
from ase import Atoms

from flowpot.dataset import Dataset
from flowpot.evaluation import (
    Calibration,
    CommitteeCalculator,
    Criteria,
    Evidence,
    evaluate_committee,
    judge,
)
from flowpot.evaluation.atoms import MOST, AtomSample, uncertainty_of_atoms
from flowpot.evaluation.fitting import atom_models
from flowpot.potentials import Potential, Prediction

SIZES = (2, 8, 50)


class AtomTable(Potential):
    """
    Forces that are wrong by a vector, about which two members differ by the spread.

    Of each frame, numbered by its cell: the spread scatters between atoms, the error
    is normal about it, and a factor of the frame is common to all of its errors.
    """

    backend = "atom table"
    device = "cpu"
    species = ("Si",)
    cutoff = 3.0
    graph_key = "atom table"

    def __init__(self, sign: float) -> None:
        self.sign = sign

    def build_graph(self, geometry):
        numbers = np.rint((geometry.cell[:, 0, 0] - 20) / 1e-3).astype(int)
        return list(zip(numbers, np.diff(geometry.offsets), strict=True))

    def evaluate_graph(self, graph):
        forces = []
        for number, n in graph:
            rng = np.random.default_rng([number, 3])
            spread = 0.05 * rng.lognormal(0, 0.6, n)
            error = (
                2 * rng.lognormal(0, 0.4) * spread[:, None] * rng.normal(size=(n, 3))
            )
            forces.append(true_forces(number, n) + error + self.sign * spread[:, None])
        shape = (len(graph), 3, 3)
        return Prediction(np.zeros(len(graph)), np.concatenate(forces), np.zeros(shape))

    def describe_graph(self, graph):
        raise NotImplementedError("a table has no features")


def true_forces(number: int, n: int) -> np.ndarray:
    """Return the true forces of a frame, which say nothing of the errors."""
    rng = np.random.default_rng([number, 4])
    return 20 * rng.lognormal(0, 0.5, n)[:, None] * np.ones(3)


COMMITTEE = [AtomTable(-1.0), AtomTable(1.0)]


def frames(first: int, n: int, **info: object) -> Dataset:
    """Frames that no potential has learned, of 2 to 50 atoms."""
    made = []
    for number in range(first, first + n):
        size = SIZES[number % len(SIZES)]
        positions = np.stack(np.unravel_index(np.arange(size), (4, 4, 4)), axis=1)
        made.append(
            Atoms(
                f"Si{size}",
                positions * 4.0,
                cell=np.diag([20 + number * 1e-3, 20, 20]),
                pbc=True,
            )
        )
    found = Dataset.from_atoms(made, labels=False)
    return found.with_labels(
        energy=np.zeros(n),
        forces=np.concatenate(
            [true_forces(first + i, len(atoms)) for i, atoms in enumerate(made)]
        ),
    ).with_info(**{k: np.full(n, v, dtype=object) for k, v in info.items()})


def calibrated(first: int, n_labelled: int) -> Calibration:
    """Calibrate the forces on some labelled frames, and judge others."""
    labelled = frames(first, n_labelled, split="audit", config_type="md")
    explored = frames(500, 30, config_type="md").without_labels()
    criteria = Criteria({"forces": 0.1}, pilot_labels=0, closing_audit=0)
    return judge(COMMITTEE, labelled, explored, criteria).calibration["forces"]


@pytest.mark.parametrize("n_labelled", [24, 60])
def test_bars_of_atoms_hold(n_labelled):
    new = frames(1000, 90)
    prediction = evaluate_committee(COMMITTEE, new)
    seen = uncertainty_of_atoms(prediction, [])
    true = np.sqrt(((prediction.mean["forces"] - new.forces) ** 2).mean(axis=1))
    weights = np.repeat(1 / new.n_atoms, new.n_atoms)
    held = []
    for first in range(0, 400, 100):
        fit = calibrated(first, n_labelled)
        bars = [fit.atom_bar(seen, q) for q in (0.68, 0.95)]
        held.append([np.average(true <= bar, weights=weights) for bar in bars])
    inner, outer = np.mean(held, axis=0)
    assert 0.6 <= inner <= 0.76
    assert 0.9 <= outer <= 0.98


def test_the_calculator_has_the_bars_of_atoms():
    fit = calibrated(0, 40)
    calculator = CommitteeCalculator(COMMITTEE, {"forces": fit})
    new = frames(1000, 1)
    calculator.calculate(new.to_atoms()[0])
    prediction = evaluate_committee(COMMITTEE, new)
    seen = uncertainty_of_atoms(prediction, [])
    for suffix, q in (("", 0.68), ("_95", 0.95)):
        bars = calculator.results[f"forces_error{suffix}"]
        assert bars == pytest.approx(
            fit.atom_model.quantile({**seen, "spread": seen["forces"]}, q)
        )


def sample(n: int, per_frame: int, rng: np.random.Generator) -> AtomSample:
    """Atoms whose errors differ from frame to frame, and hardly within a frame."""
    frame = np.repeat(np.arange(n), per_frame)
    spread = rng.lognormal(-3, 0.5, len(frame))
    error = 2 * spread * rng.lognormal(0, 0.8, n)[frame] * rng.lognormal(0, 0.2)
    return AtomSample({"forces": spread}, error, frame)


def evidence_of(atoms: AtomSample, n: int) -> Evidence:
    return Evidence({}, {}, np.ones(n), "frames", atoms=atoms)


def test_atoms_of_a_frame_count_for_no_more_than_it():
    rng = np.random.default_rng(1)
    widths = []
    for per_frame in (1, 32):
        model = atom_models(evidence_of(sample(8, per_frame, rng), 8))["atom_model"]
        assert model.n == pytest.approx(8)
        new = {"spread": np.array([0.05])}
        widths.append(np.log(model.quantile(new, 0.95) / model.quantile(new, 0.5)))
    assert widths[1] > 0.6 * widths[0]


def test_a_document_does_not_grow_with_the_atoms():
    rng = np.random.default_rng(2)
    sizes = []
    for n in (20, 2000):
        model = atom_models(evidence_of(sample(n, 32, rng), n))["atom_model"]
        sizes.append(len(model.model_dump_json()))
    assert sizes[1] < 1.5 * sizes[0]
    large = frames(2, 1)
    kept = AtomSample.of(evaluate_committee(COMMITTEE, large), large, [])
    assert (len(kept), large.n_atoms[0]) == (MOST, 50)


def test_atoms_without_a_finite_prediction_or_label_are_left_out():
    atoms = AtomSample(
        {"forces": np.array([0.1, np.nan, 0.2, 0.3])},
        np.array([0.2, 0.2, np.nan, 0.5]),
        np.array([0, 0, 1, 2]),
    )
    model = atom_models(evidence_of(atoms, 3))["atom_model"]
    assert model.n == pytest.approx(1.5)
    bars = model.quantile({"spread": np.array([0.1, np.nan])}, 0.68)
    assert np.isfinite(bars).tolist() == [True, False]
    unknown = AtomSample({"forces": np.full(2, np.nan)}, np.ones(2), np.zeros(2, int))
    assert atom_models(evidence_of(unknown, 1)) == {}
    assert atom_models(Evidence({}, {}, np.ones(1), "frames")) == {}


def test_what_was_not_measured_of_some_atoms_is_nan():
    first = AtomSample({"forces": np.ones(2)}, np.ones(2), np.array([0, 1]))
    second = AtomSample({"rigidity": np.ones(1)}, np.ones(1), np.array([0]))
    joined = AtomSample.joined([(first, 2), (None, 3), (second, 1)])
    assert joined.frame.tolist() == [0, 1, 5]
    assert np.isnan(joined.uncertainty["rigidity"]).tolist() == [True, True, False]
    assert AtomSample.joined([(None, 3)]) is None


def test_documents_without_a_model_of_atoms_say_so():
    stored = calibrated(0, 30).model_dump(exclude={"atom_model", "atom_spread_model"})
    earlier = Calibration.model_validate(stored)
    with pytest.warns(UserWarning, match="no error model of single atoms"):
        calculator = CommitteeCalculator(COMMITTEE, {"forces": earlier})
    atoms = frames(1000, 1).to_atoms()[0]
    calculator.calculate(atoms)
    of_atom = {"forces": np.array([0.05]), "force_magnitude": np.array([20.0])}
    of_frame = of_atom | {"force_magnitude_rms": of_atom["force_magnitude"]}
    assert earlier.atom_bar(of_atom) == earlier.error_bar(of_frame, "forces")
    assert (calculator.results["forces_error"] > 0).all()
