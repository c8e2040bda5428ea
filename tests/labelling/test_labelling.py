"""The labelling stage, from frames to a shard, with pw.x."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from jobflow import run_locally
from numpy.testing import assert_allclose

from flowpot.dataset import Artifact, Dataset
from flowpot.labelling import (
    EspressoStaticMaker,
    LabellingDoc,
    LabellingError,
    LabellingMaker,
)
from flowpot.labelling.collection import check_success
from flowpot.labelling.document import LabelFailure
from flowpot.labelling.frames import GeometryProblem
from flowpot.labelling.planning import plan_labels


@pytest.fixture
def frames() -> Dataset:
    """Four rattled cells, and an atom."""
    atoms = []
    for seed in range(4):
        atoms.append(bulk("Si", "diamond", a=5.43))
        atoms[-1].rattle(0.05, seed=seed)
    atoms.append(Atoms("Si", cell=[6.0] * 3, pbc=False))
    return Dataset.from_atoms(atoms).with_info(
        config_type=["distorted"] * 4 + ["isolated_atom"], parent="abc"
    )


def no_problem(atoms) -> None:
    """Find no fault with a frame."""


def label(maker: LabellingMaker, frames, store, **options) -> LabellingDoc:
    """Run the stage and read its document back from the store."""
    flow = maker.make(frames, **options)
    run_locally(flow, store=store, create_folders=True, ensure_success=True)
    return LabellingDoc.model_validate(store.get_output(flow.output.uuid, load=True))


@pytest.mark.qe
def test_two_at_a_time_equal_one_at_a_time(frames, cheap, jobstore, clean_dir):
    serial = label(LabellingMaker(static_maker=cheap), frames, jobstore, seed=1)
    maker = LabellingMaker(static_maker=cheap, batch_size=3, parallel=2)
    batched = label(maker, frames, jobstore, seed=1)
    assert serial.n_labelled == batched.n_labelled == 5
    one, two = Dataset.load(serial), Dataset.load(batched)
    assert (one.fingerprints == frames.fingerprints).all()
    assert_allclose(one.energy, two.energy, rtol=0, atol=0)
    assert_allclose(one.forces, two.forces, rtol=0, atol=0)
    assert_allclose(one.stress, two.stress, rtol=0, atol=0)
    assert (one.info["split"] == two.info["split"]).all()
    assert one.info["split"][4] == "train"  # isolated atoms always train
    assert one.info["parent"].tolist() == ["abc"] * 5
    assert np.isnan(one.stress[4]).all()
    assert isinstance(serial.dataset, Artifact)
    assert serial.seconds > 0
    assert serial.versions["quantum-espresso"].startswith("6.7")


@pytest.fixture
def hopeless(cheap) -> EspressoStaticMaker:
    """An SCF that no remedy helps."""
    electrons = {"electron_maxstep": 1, "conv_thr": 1e-14}
    system = cheap.user_settings["SYSTEM"]
    return replace(cheap, user_settings={"SYSTEM": system, "ELECTRONS": electrons})


@pytest.mark.qe
@pytest.mark.parametrize("batch", [1, 3])
def test_frames_that_fail_are_recorded(frames, hopeless, jobstore, clean_dir, batch):
    """One frame has atoms too close, the others do not converge; the stage ends."""
    atoms = frames.to_atoms()[:3]
    atoms[0].positions[1] = atoms[0].positions[0] + [0.1, 0, 0]
    dataset = Dataset.from_atoms(atoms)
    maker = LabellingMaker(
        static_maker=hopeless, batch_size=batch, min_success_fraction=0.0
    )
    document = label(maker, dataset, jobstore)
    assert (document.n_labelled, document.n_failed) == (0, 3)
    too_close, unconverged, _ = document.failures
    assert (too_close.stage, unconverged.stage) == ("geometry", "engine")
    assert "apart" in too_close.reason
    assert too_close.folder is None
    assert "SCF not converged in" in unconverged.reason
    assert unconverged.fingerprint == dataset.fingerprints[1]
    folder = Path(unconverged.folder.split(":")[1])
    assert (folder / "pw.out.gz").is_file()


@pytest.mark.qe
def test_a_species_that_the_machine_lacks(frames, cheap, jobstore, clean_dir):
    """Its job fails; the frames of the others still become a shard."""
    dataset = Dataset.concatenate(
        [frames[:2], Dataset.from_atoms([bulk("Al", "fcc", a=4.05)])]
    )
    flow = LabellingMaker(static_maker=cheap, min_success_fraction=0.5).make(dataset)
    run_locally(flow, store=jobstore, create_folders=True)
    output = jobstore.get_output(flow.output.uuid, load=True)
    document = LabellingDoc.model_validate(output)
    assert document.n_labelled == 2
    assert "pseudopotential for Al" in document.failures[0].reason


def test_a_stage_that_fails_gives_no_shard(
    frames, cheap, jobstore, clean_dir, monkeypatch, caplog
):
    monkeypatch.setenv("FLOWPOT_PW_CMD", "no-such-pw.x")
    flow = LabellingMaker(static_maker=cheap).make(frames[:2])
    run_locally(flow, store=jobstore, create_folders=True)
    assert "only 0 of 2 frames were labelled, fewer than" in caplog.text
    assert "apt install quantum-espresso" in caplog.text
    outputs = [d["output"] for d in jobstore.query({}, load=False)]
    assert all((output or {}).get("dataset") is None for output in outputs)


def test_success_is_counted_over_what_was_sent():
    def failures(stage, n):
        return [LabelFailure(fingerprint="a", reason="why", stage=stage)] * n

    check_success(10, failures("engine", 2), 0.8)
    check_success(10, failures("geometry", 9) + failures("engine", 1), 0.8)
    check_success(0, [], 0.8)
    with pytest.raises(LabellingError, match=r"only 7 of 10 .*reason \(3 x\): why"):
        check_success(10, failures("engine", 3), 0.8)


def test_labelled_frames_pass_and_known_ones_are_dropped(frames, jobstore, clean_dir):
    labelled = frames.with_labels(
        energy=np.arange(5.0), forces=np.zeros((9, 3)), stress=np.zeros((5, 3, 3))
    )
    known = labelled[:2].with_info(split=["train", "val"])
    document = label(
        LabellingMaker(), labelled, jobstore, existing=[known.to_artifact()]
    )
    assert document.n_duplicates == 2
    assert document.n_labelled == 3
    assert document.n_computed == 0
    assert Dataset.load(document).energy.tolist() == [2, 3, 4]


def test_a_plan_sends_each_new_frame_once(frames):
    twice = Dataset.concatenate([frames, frames[1:3]])
    plan = plan_labels(twice, frames[:0], no_problem)
    assert (len(plan.frames), plan.n_duplicates) == (5, 2)
    assert plan.to_label.tolist() == [0, 1, 2, 3, 4]

    problem = GeometryProblem("content", "one atom")
    plan = plan_labels(
        frames, frames[:0], lambda atoms: problem if len(atoms) == 1 else None
    )
    assert plan.to_label.tolist() == [0, 1, 2, 3]
    assert plan.failures[0].reason == "content: one atom"
    assert plan.failures[0].config_type == "isolated_atom"


def test_the_limit_never_leaves_out_isolated_atoms(frames):
    plans = [
        plan_labels(frames, frames[:0], no_problem, max_labels=2, seed=seed)
        for seed in range(20)
    ]
    assert all(4 in plan.to_label for plan in plans)
    assert all(plan.n_postponed == 3 for plan in plans)
    assert {int(plan.to_label[0]) for plan in plans} == {0, 1, 2, 3}


def test_the_limit_leaves_out_what_no_evaluation_has_drawn(frames):
    """A drawn frame without a label would count as a failed one of its audit."""
    for kinds in (["audit", "selected"], ["pilot"] * 2, ["closing"] * 2):
        given = frames.with_info(selection=[None, kinds[0], None, kinds[1], None])
        for seed in range(10):
            plan = plan_labels(given, given[:0], no_problem, max_labels=4, seed=seed)
            assert {1, 3, 4} < set(plan.to_label.tolist())
            plan = plan_labels(given, given[:0], no_problem, max_labels=3, seed=seed)
            assert plan.to_label.tolist() == [1, 3, 4]


def test_each_refusal_is_counted_and_reported(emt, jobstore, clean_dir):
    """By the maker's limits; the other frames are labelled, up to max_labels."""
    regular = [bulk("Cu", cubic=True) for _ in range(3)]
    for seed, atoms in enumerate(regular):
        atoms.rattle(0.05, seed=seed)
    blown = bulk("Cu", a=9.0)
    near = bulk("Cu", cubic=True)
    near.positions[1] = near.positions[0] + [0.4, 0, 0]
    tight = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], cell=[12, 12, 4], pbc=False)
    lost = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], cell=[200] * 3, pbc=False)
    frames = Dataset.from_atoms([*regular, blown, near, tight, lost])
    maker = LabellingMaker(static_maker=emt, volume_per_atom=(5.0, 40.0), max_labels=2)
    document = label(maker, frames, jobstore)
    assert document.n_refused == {"volume": 1, "distance": 1, "vacuum": 2}
    assert (document.n_computed, document.n_postponed) == (2, 1)
    assert document.n_failed == 4
    reasons = {failure.fingerprint: failure.reason for failure in document.failures}
    assert reasons[frames.fingerprints[5]] == "vacuum: 2.50 A is outside [5, 60]"


@pytest.mark.qe
def test_large_forces_are_reported_and_kept_out(frames, cheap, jobstore, clean_dir):
    maker = LabellingMaker(static_maker=cheap, max_force=1e-3)
    document = label(maker, frames[3:], jobstore)
    assert document.n_labelled == 1
    assert document.failures[0].stage == "max_force"
    assert "over max_force 0.001 eV/A" in document.failures[0].reason


def test_options_are_checked_when_the_maker_is_made():
    with pytest.raises(ValueError, match="batch_size is 0"):
        LabellingMaker(batch_size=0)
    with pytest.raises(ValueError, match="parallel=4 frames at a time need"):
        LabellingMaker(batch_size=2, parallel=4)
    with pytest.raises(ValueError, match=r"vacuum is \(9, 5\): use a smaller"):
        LabellingMaker(vacuum=(9, 5))
    with pytest.raises(ValueError, match=r"min_success_fraction is 1\.5"):
        LabellingMaker(min_success_fraction=1.5)


def test_workers_of_static_jobs_are_their_own(frames, cheap, jobstore):
    """Without it the plan's worker would replace the one chosen for `qe static`."""
    plan = LabellingMaker(static_maker=cheap).make(frames).jobs[0]
    assert plan.config.pass_manager_config is False
    jobs = plan.run(jobstore).replace.jobs
    assert [job.name for job in jobs][:6] == ["qe static"] * 5 + ["collect labels"]


def test_nested_makers_can_be_updated(frames, cheap):
    flow = LabellingMaker(static_maker=cheap).make(frames)
    flow.update_maker_kwargs({"kspacing": 0.7}, name_filter="qe static")
    assert flow.jobs[0].maker.static_maker.kspacing == 0.7


@pytest.mark.qe
@pytest.mark.parametrize(
    ("stage", "engine", "batch"), [(0.3, 0.5, 1), (0.3, 0.5, 2), (None, 0.6, 1)]
)
def test_a_frame_too_close_is_the_failure_of_that_frame(
    cheap, jobstore, clean_dir, stage, engine, batch
):
    """Whichever of stage and engine is stricter, no frame ends the others' labels."""
    close = bulk("Si", "diamond", a=5.43)
    close.positions[1] = close.positions[0] + [0.45 * 2.22, 0, 0]
    frames = Dataset.from_atoms([bulk("Si", "diamond", a=5.43), close])
    maker = LabellingMaker(
        static_maker=replace(cheap, min_distance_fraction=engine),
        min_distance_fraction=stage,
        batch_size=batch,
    )
    document = label(maker, frames, jobstore)
    assert document.n_labelled == document.n_sent == 1
    assert document.n_refused == {"distance": 1}
    assert f"(limit {engine:g})" in document.failures[0].reason


def test_the_engine_inherits_the_stages_limit(cheap):
    """One knob suffices: what the stage lets pass its engine does not refuse."""
    assert cheap.min_distance_fraction is None
    for limit in (None, 0.3):
        maker = LabellingMaker(static_maker=cheap, min_distance_fraction=limit)
        jobs, _ = maker.label_jobs.make(Dataset.from_atoms([bulk("Si")]), [0])
        engine = jobs[0].function.__self__
        assert engine.min_distance_fraction == maker.min_distance == (limit or 0.5)
