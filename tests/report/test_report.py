"""The table, the figures and the progress say what the documents say."""

import io

import numpy as np
import pandas as pd
import pytest
from jobflow import Flow, Response, job
from rich.console import Console

from flowpot.campaign import CampaignDoc, IterationDoc
from flowpot.dataset import Dataset
from flowpot.evaluation import (
    PROPERTIES,
    CommitteePrediction,
    FreshError,
    calibrate,
)
from flowpot.report import (
    ProgressLog,
    campaign_table,
    plot_cost,
    plot_growth,
    plot_halts,
    plot_learning,
    plot_parity,
    plot_rmse,
    save_figures,
)
from flowpot.report.figures import COLOURS, colour_of, hatch_of, marker_of
from flowpot.report.frame_sections import sample_frames
from flowpot.report.map import plot_map, principal_components, rings_in_words
from flowpot.report.table import origin_table


@pytest.fixture
def evidence():
    error = np.linspace(0.01, 0.3, 40)
    return {
        f"{kind}_{name}": factor * error
        for kind, factor in (("error", 1), ("disagreement", 0.5))
        for name in ("energy", "forces", "stress")
    }


@pytest.fixture
def doc(evidence):
    fits = calibrate(
        {"forces": evidence["disagreement_forces"]},
        {"forces": evidence["error_forces"]},
        {"forces": 0.1},
    )
    fits["forces"].origin = "40 held-out frames"
    turns = [
        IterationDoc(
            iteration=i,
            n_labelled=40,
            n_failed=2,
            n_dataset=40 * i,
            metrics={"train": {"forces": 0.1 / i}, "test": {"forces": 0.3 / i}},
            calibration=fits,
            n_explored=200,
            n_over=17,
            n_wrecked=1,
            n_selected=12,
            n_audit=5,
            halted={"volume": 3},
            seconds={"labelling": 123.4, "training": 56.0},
        )
        for i in (1, 2)
    ]
    return CampaignDoc(
        name="silicon",
        uuid="u",
        seed=0,
        stop_kind="max_iterations",
        stop_reason="max_iterations: 2 of 2",
        iterations=turns,
    )


def test_errors_by_origin_are_those_of_the_last_committee():
    errors = pd.DataFrame(
        [
            {"iteration": 1, "origin": "augmented", "set": "train", "n_frames": 9},
            {"iteration": 2, "origin": "augmented", "set": "train", "n_frames": 40}
            | {"energy": 0.003, "forces": 0.12},
            {"iteration": 2, "origin": "explored 1", "set": "audit", "n_frames": 30}
            | {"energy": 0.25, "forces": 1.234},
        ],
        columns=["iteration", "origin", "set", "n_frames", *PROPERTIES],
    )
    header, rows = origin_table(errors)
    assert header[:3] == ["origin", "frames", "energy (meV/atom)"]
    nothing = "- / - / - / -"
    assert rows == [
        ["augmented", "40 / - / - / -", "3 / - / - / -", "120 / - / - / -", nothing],
        [
            *("explored 1", "- / - / - / 30", "- / - / - / 250", "- / - / - / 1234"),
            nothing,
        ],
    ]
    assert origin_table(errors[:0])[1] == []


def test_the_table_has_a_column_an_iteration_and_the_numbers(doc):
    stream = io.StringIO()
    Console(file=stream, width=160).print(campaign_table(doc.name, doc.iterations))
    said = stream.getvalue()
    assert "40 (2)" in said
    assert "100 / - / 300" in said  # meV/A, train / val / test
    assert "50 / - / 150" in said
    assert "0.50 [0.50, 0.50]" in said
    assert "40 held-out frames" in said
    assert "12 + 5" in said
    assert "123" in said


def test_a_stage_that_was_left_out_is_a_dash(doc):
    doc.iterations[0] = IterationDoc(iteration=1, n_labelled=3, n_failed=0)
    stream = io.StringIO()
    Console(file=stream, width=160).print(campaign_table(doc.name, doc.iterations))
    assert "3 (0)" in stream.getvalue()
    assert " - " in stream.getvalue()


def test_rmse_is_drawn_against_iteration(doc):
    forces = plot_rmse(doc.iterations).axes[1]
    lines = {line.get_label(): line.get_xydata().tolist() for line in forces.lines}
    assert lines["train"] == [[1, 100], [2, 50]]
    assert lines["test"] == [[1, 300], [2, 150]]
    assert lines["val"] == []


def test_the_members_are_a_band(doc):
    members = {i: [{"test": {"forces": e / i}} for e in (0.2, 0.5)] for i in (1, 2)}
    forces = plot_rmse(doc.iterations, members).axes[1]
    (band,) = forces.collections
    corners = {(round(x), round(y)) for x, y in band.get_paths()[0].vertices}
    assert corners == {(1, 200), (1, 500), (2, 100), (2, 250)}


def test_learning_is_drawn_against_labels_and_core_hours(doc):
    for number, iteration in enumerate(doc.iterations, 1):
        high = None if number == 1 else 0.3
        fresh = FreshError(value=0.2 / number, interval=(0.05, high), n=9 * number)
        iteration.fresh_error = {"forces": fresh}
        iteration.n_sent_total = 42 * number
    figure = plot_learning(doc.iterations, {1: 3600.0, 2: 7200.0})
    labels, hours = figure.axes[1], figure.axes[4]
    assert labels.lines[0].get_xydata().tolist() == [[42, 200], [84, 100]]
    training = 56 / 3600
    expected = [1 + training, 3 + 2 * training]
    assert hours.lines[0].get_xdata().tolist() == pytest.approx(expected)
    assert labels.lines[1].get_xydata().tolist() == [[42, 200]]  # no upper end
    assert [text.get_text() for text in labels.texts] == ["n = 9", "n = 18"]
    said = labels.get_legend().get_texts()
    assert [text.get_text() for text in said] == ["tolerance 100"]


def test_growth_counts_what_each_iteration_has_added(silicon):
    frames = Dataset.from_atoms([silicon] * 6).with_info(
        config_type=["strained", "strained", "md", "md", "md", "md"],
        iteration=np.array([np.nan, np.nan, 1, 1, 1, 2]),
    )
    (axis,) = plot_growth(frames).axes
    bars = {c.get_label(): [bar.get_height() for bar in c] for c in axis.containers}
    assert bars == {"md": [0, 3, 4], "strained": [2, 2, 2]}


def test_frames_of_pilots_and_closing_audits_count_at_once(silicon):
    """They are labelled in the iteration that explores them."""
    frames = Dataset.from_atoms([silicon] * 6).with_info(
        config_type=["strained", "md", "md", "md", "md", "md"],
        iteration=np.array([np.nan, 1, 1, 1, 2, 2]),
        selection=[None, "pilot", "selected", "audit", "closing", "closing"],
    )
    (axis,) = plot_growth(frames).axes
    assert [text.get_text() for text in axis.texts] == ["2", "6"]


def test_growth_is_what_the_iterations_state(silicon):
    """Also where an iteration has labelled nothing, and the next one all."""
    frames = Dataset.from_atoms([silicon] * 6).with_info(
        config_type=["given", "given", "md", "md", "md", "md"],
        iteration=np.array([np.nan, np.nan, 1, 1, 1, 3]),
    )
    stated = zip((1, 2, 3), (2, 2, 5), strict=True)
    iterations = [IterationDoc(iteration=i, n_dataset=n) for i, n in stated]
    (axis,) = plot_growth(frames[:5], iterations).axes
    assert [text.get_text() for text in axis.texts] == ["2", "2", "5"]
    bars = {c.get_label(): [bar.get_height() for bar in c] for c in axis.containers}
    assert bars == {"md": [0, 0, 3], "given": [2, 2, 2]}
    (begun,) = plot_growth(frames, iterations).axes
    assert [text.get_text() for text in begun.texts] == ["2", "2", "5", "6"]


def test_a_name_that_begins_with_an_underscore_is_in_the_legend(silicon):
    frames = Dataset.from_atoms([silicon] * 2).with_info(config_type=["_mine", "md"])
    (axis,) = plot_growth(frames).axes
    said = [text.get_text().strip() for text in axis.get_legend().get_texts()]
    assert sorted(said) == ["_mine", "md"]


def test_a_frame_of_each_set_is_drawn_whatever_its_size(silicon):
    splits = np.array(["train", "train", "test", "val"], dtype=object)
    frames = Dataset.from_atoms([silicon] * 4).with_info(split=splits)
    few = sample_frames(frames, 3)
    assert sorted(few.info["split"]) == ["test", "train", "val"]
    assert len(sample_frames(frames, 3 * 16)) == 4


def test_halts_are_counted_among_the_trajectories(doc):
    (axis,) = plot_halts(doc.iterations, {1: 20, 2: 20}).axes
    bars = {c.get_label(): [bar.get_height() for bar in c] for c in axis.containers}
    assert bars == {"ran to the end": [17, 17], "volume": [3, 3]}


def test_the_cost_is_in_hours(doc):
    total = plot_cost(doc.iterations).axes[1]
    assert [bar.get_width() for bar in total.containers[0]] == pytest.approx(
        [2 * 123.4 / 3600, 2 * 56 / 3600]
    )


def test_there_is_room_above_bars_whose_top_is_empty(doc):
    """The highest has nothing of the last stage."""
    first, second = doc.iterations[:2]
    iterations = [
        first.model_copy(update={"seconds": {"training": 1e5, "validation": 0.0}}),
        second.model_copy(update={"seconds": {"training": 1e3, "validation": 60.0}}),
    ]
    for figure in (plot_cost(iterations), plot_halts(iterations, {1: 9, 2: 9})):
        axis = figure.axes[0]
        tops = [bar.get_y() + bar.get_height() for c in axis.containers for bar in c]
        low, high = axis.get_ylim()
        assert low == 0
        assert high > 1.03 * max(tops)


def test_principal_components_are_the_directions_of_largest_variance():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(200, 3)) * [5.0, 2.0, 0.1]
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    found, shares = principal_components(scores @ turn.T + 7.0)
    for i in (0, 1):
        assert abs(np.corrcoef(found[:, i], scores[:, i])[0, 1]) > 0.99
    assert shares == pytest.approx([25 / 29, 4 / 29], abs=0.05)


def test_parity_draws_every_set_per_atom(silicon, tmp_path):
    frames = Dataset.from_atoms([silicon] * 3).with_info(
        split=np.array(["train", "val", "test"], object)
    )
    labelled = frames.with_labels(
        energy=np.full(3, -8.0), forces=np.zeros((24, 3)), stress=np.zeros((3, 3, 3))
    )
    prediction = CommitteePrediction(
        energy=np.full((2, 3), -16.0),
        forces=np.ones((2, 24, 3)),
        stress=np.zeros((2, 3, 3, 3)),
    )
    figure = plot_parity(labelled, prediction)
    energy, forces = figure.axes[:2]
    assert energy.lines[0].get_xydata().tolist() == [[-1.0, -2.0]]
    assert len(forces.lines[0].get_xydata()) == 24
    texts = [text.get_text() for text in energy.get_legend().get_texts()]
    assert texts[0] == "train: RMSE 1000, MAE 1000, n 1"
    assert len(texts) == 3  # nothing is said of a set without frames
    (path,) = save_figures({"parity": figure}, tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_energies_are_those_above_isolated_atoms(silicon):
    atoms = [silicon, silicon]
    frames = Dataset.from_atoms(atoms).with_info(split=np.array(["train"] * 2, object))
    labelled = frames.with_labels(
        energy=np.array([-8.0, -16.0]),
        forces=np.zeros((16, 3)),
        stress=np.full((2, 3, 3), np.nan),
    )
    prediction = CommitteePrediction(
        energy=np.array([[-7.0, -15.0]]),
        forces=np.zeros((1, 16, 3)),
        stress=np.full((1, 2, 3, 3), np.nan),
    )
    energy, _, stress, *_ = plot_parity(labelled, prediction, {"Si": -0.5}).axes
    assert energy.get_xlabel() == "E \u2212 E0, label (eV/atom)"
    assert energy.lines[0].get_xydata().tolist() == [[-0.5, -0.375], [-1.5, -1.375]]
    assert stress.get_legend() is None
    other = plot_parity(labelled, prediction, {"Ge": -0.5}).axes[0]
    assert other.get_xlabel() == "energy, label (eV/atom)"


def test_the_map_tells_the_test_frames(silicon):
    frames = Dataset.from_atoms([silicon] * 4).with_info(
        split=np.array(["train", "test", "test", "train"], object),
        config_type=np.array(["md", "md", "strained", "strained"], object),
        iteration=np.array([1, 1, np.nan, np.nan]),
    )
    left, _ = plot_map(frames, np.random.default_rng(0).normal(size=(4, 3))).axes
    texts = [text.get_text() for text in left.get_legend().get_texts()]
    expected = ["augmented or given (n = 2)", "explored in 1 (n = 2)"]
    assert texts == [*expected, "test set (n = 2)"]
    assert rings_in_words(frames) == (
        "Rings: the 2 frames of the test set (1 augmented, 1 explored in 1)."
    )


def test_more_groups_than_colours_differ_in_markers_and_hatches():
    places = range(2 * len(COLOURS))
    assert len({(colour_of(i), marker_of(i)) for i in places}) == len(places)
    assert len({(colour_of(i), hatch_of(i)) for i in places}) == len(places)


def test_why_a_calibration_is_not_trusted_is_in_the_table(doc):
    fit = doc.iterations[0].calibration["forces"]
    doubtful = fit.model_copy(update={"trusted": False, "reason": "blind"})
    doc.iterations[0].calibration = {"forces": doubtful}
    stream = io.StringIO()
    Console(file=stream, width=160).print(campaign_table(doc.name, doc.iterations))
    (row,) = [r for r in stream.getvalue().splitlines() if "trusted forces" in r]
    assert "no: blind" in row
    assert "yes" in row or "no: too few" in row


@job
def step():
    return 1


def test_progress_counts_the_jobs_that_a_campaign_appends():
    stream = io.StringIO()
    log = ProgressLog(Console(file=stream, width=100))
    plan, *labels = [step() for _ in range(4)]
    plan.name = "plan labels"
    for each in labels:
        each.name = "qe static"
    for each in (plan, *labels):
        each.metadata = {"iteration": 1}
    log.watch("started", plan, None)
    log.watch("finished", plan, Response(replace=Flow(labels)))
    log.watch("reused", labels[0], Response())
    log.watch("started", labels[1], None)
    log.watch("finished", labels[1], Response())
    said = [" ".join(line.split()[1:]) for line in stream.getvalue().splitlines()]
    assert said == [
        "iteration 1 plan labels 1 of 1 ...",
        "iteration 1 plan labels 1 of 1 done",
        "iteration 1 qe static 2 of 3 ...",
        "iteration 1 qe static 2 of 3 done",
    ]


def test_progress_estimates_what_is_left_of_an_iteration(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("flowpot.report.progress.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    log = ProgressLog(Console(file=stream, width=100))

    def run(iteration, name, seconds, appended=()):
        each = step()
        each.name, each.metadata = name, {"iteration": iteration}
        log.watch("started", each, None)
        clock[0] += seconds
        replace = Flow(list(appended)) if appended else None
        log.watch("finished", each, Response(replace=replace))

    labels = [step() for _ in range(3)]
    for each in labels:
        each.name, each.metadata = "qe static", {"iteration": 2}
    run(1, "mace train", 100.0)
    run(2, "plan labels", 0.0, appended=labels)
    run(2, "qe static", 60.0)
    assert log.remaining(2) == pytest.approx(2 * 60.0 + 100.0)
    assert "about 4 min left" in stream.getvalue()
