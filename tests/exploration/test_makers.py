"""The Makers, through jobflow, on real LAMMPS."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from jobflow import Flow, run_locally
from monty.json import MontyDecoder, MontyEncoder

from flowpot.dataset import Dataset
from flowpot.exploration import (
    ExplorationChange,
    ExplorationDoc,
    ExplorationMaker,
    LammpsMDMaker,
    MDDoc,
)
from flowpot.jobs import stage_job
from flowpot.training.document import CommitteeDoc


def run(flow, store):
    return run_locally(flow, store=store, create_folders=True, ensure_success=True)


def output(flow, store):
    return flow.output.resolve(store)


def exploration(**fields):
    md = LammpsMDMaker(n_steps=30, sample_interval=10, **fields.pop("md", {}))
    fields = {"runs_per_job": 3, "n_starts": 3, "temperatures": (100, 600)} | fields
    return ExplorationMaker(md_maker=md, **fields)


def test_one_trajectory(clean_dir, jobstore, emt):
    maker = LammpsMDMaker(n_steps=40, sample_interval=10, temperature=500)
    job = maker.make(bulk("Cu", cubic=True), emt, pressure=2, seed=5)
    assert job.name == "lammps md"
    run(job, jobstore)
    document = output(job, jobstore)
    assert isinstance(document, MDDoc)
    assert (document.state, document.halted, document.n_steps) == ("done", None, 40)
    assert (document.ensemble, document.seed) == ("npt", 5)
    assert document.temperature == (500, 500)
    assert document.pressure == (2, 2)
    frames = Dataset.load(document)
    assert frames.info["md_step"].tolist() == [10, 20, 30, 40]
    assert len(set(document.thermo)) == 14
    assert "pressure (kbar)" in document.thermo


def test_a_frame_that_cannot_run_is_refused_before_anything_starts():
    with pytest.raises(ValueError, match="temperature is"):
        LammpsMDMaker(temperature=-3)
    with pytest.raises(ValueError, match="sample at least once"):
        LammpsMDMaker(n_steps=10, sample_interval=20)
    with pytest.raises(ValueError, match=r"did you mean 'npt'.*use one of"):
        LammpsMDMaker(ensemble="nph")
    with pytest.raises(ValueError, match="engine is 'gpu'"):
        LammpsMDMaker(engine="gpu")


def test_exploration(clean_dir, jobstore, emt, start_frames):
    flow = exploration(runs_per_job=2, md={"processes": 2}).make(
        [emt, emt], start_frames, seed=4, iteration=3
    )
    run(flow, jobstore)
    document = output(flow, jobstore)
    assert isinstance(document, ExplorationDoc)
    assert (document.n_runs, document.n_failed, document.halted) == (3, 0, {})
    assert document.n_frames == document.n_sampled == 9
    assert document.n_steps == 90
    frames = Dataset.load(document)
    assert len(set(frames.info["trajectory"])) == 3
    assert set(frames.info["parent"]) == set(start_frames.fingerprints[:3])
    assert set(frames.info["iteration"]) == {3}
    names = [doc["name"] for doc in jobstore.query(properties=["name"])]
    assert Counter(names) == {"plan md": 1, "lammps md": 2, "collect frames": 1}


def test_the_same_seed_explores_the_same(clean_dir, jobstore, emt, start_frames):
    found = []
    for seed in (1, 1, 2):
        flow = exploration().make(emt, start_frames[:2], seed=seed)
        run(flow, jobstore)
        found.append(Dataset.load(output(flow, jobstore)))
    np.testing.assert_array_equal(found[0].positions, found[1].positions)
    assert set(found[0].fingerprints).isdisjoint(found[2].fingerprints)


def test_the_engine_s_own_conditions_and_ramps(clean_dir, jobstore, emt, start_frames):
    """None is the engine's; a pair is a ramp; a start has several runs."""
    flow = exploration(
        md={"temperature": (200, 400)},
        temperatures=None,
        pressures=[(1, 2)],
        runs_per_start=2,
        n_starts=1,
    ).make(emt, start_frames[:1])
    run(flow, jobstore)
    found = Dataset.load(output(flow, jobstore))
    assert len(set(found.info["trajectory"])) == 2
    last = found.info["md_step"] == 30
    assert set(found.info["temperature"][last]) == {400.0}
    assert set(found.info["pressure"][last]) == {2.0}


def test_schedule():
    """Changes by iteration, the last for all that follow."""
    ladder = [
        ExplorationChange(temperatures=(100,), n_steps=20),
        ExplorationChange(iterations=2, temperatures=(500, 600), n_starts=7),
        ExplorationChange(n_steps=40, start_from="labelled", timestep=0.5),
    ]
    maker = exploration(schedule=ladder)
    found = [maker.at(iteration) for iteration in range(6)]
    steps = [each.md_maker.n_steps for each in found]
    assert steps == [20, 20, 30, 30, 40, 40]
    assert [each.n_starts for each in found] == [3, 3, 7, 7, 3, 3]
    assert found[2].temperatures == (500, 600)
    assert found[5].temperatures == (100, 600)
    assert (found[5].start_from, found[5].md_maker.timestep) == ("labelled", 0.5)
    with pytest.raises(ValueError, match=r"schedule\[1\]: n_starts is 0"):
        exploration(schedule=[ladder[0], ExplorationChange(n_starts=0)])
    with pytest.raises(ValueError, match=r"temperatures\[1\] is"):
        exploration(temperatures=(300, (1, 2, 3)))


def test_jobs_have_as_many_trajectories_as_workers_can_share(monkeypatch):
    maker = exploration(runs_per_job=None)
    assert maker.n_jobs(20) == 1  # 30 steps take less time than a job's start
    long = replace(maker, md_maker=replace(maker.md_maker, n_steps=10**6))
    assert long.n_jobs(20) == 20
    monkeypatch.setenv("FLOWPOT_MD_WORKERS", "3")
    assert long.n_jobs(20) == maker.n_jobs(20) == 3


def test_engine_failure_is_recorded(clean_dir, jobstore, emt):
    silicon = Dataset.from_atoms([bulk("Si")])
    flow = exploration().make(emt, silicon)
    run(flow, jobstore)
    document = output(flow, jobstore)
    assert (document.n_runs, document.n_failed, document.n_frames) == (1, 1, 0)
    assert "Si" in document.failures[0].reason


def test_a_model_s_path_is_relative_to_the_user_s_folder(clean_dir, start_frames):
    """Jobs run in folders of their own."""
    here = str(clean_dir / "si.model")
    md = exploration().md_maker
    assert here in md.make(start_frames[0], "si.model").function_args
    plan = exploration().make(["si.model"], start_frames).jobs[0]
    assert [here] in plan.function_args


def test_makers_survive_serialisation():
    maker = exploration(md={"barostat": "tri"})
    text = MontyEncoder().encode(maker)
    again = MontyDecoder().decode(text)
    assert MontyEncoder().encode(again) == text
    assert again.md_maker.conditions() == maker.md_maker.conditions()


@stage_job(CommitteeDoc)
def train(committee):
    """Stand for a training: its output is a document in the store."""
    return committee


@pytest.mark.parametrize(
    "check_interval", [pytest.param(None, marks=pytest.mark.slow), 10]
)
def test_a_committee_in_the_store(
    check_interval, clean_dir, jobstore, start_frames, random_committee
):
    """Members arrive by reference; an unchecked trajectory is given its own only."""
    training = train(random_committee)
    maker = exploration(md={"check_interval": check_interval})
    explored = maker.make(training.output, start_frames[:1], seed=1, iteration=1)
    run(Flow([training, explored]), jobstore)
    document = output(explored, jobstore)
    assert document.failures == []
    assert document.n_frames == 3
    [folder] = clean_dir.glob("job_*/run-000")
    models = list(folder.parent.glob("models/*/*.model"))
    assert len(models) == (1 if check_interval is None else 2)
    md = next(
        doc["output"] for doc in jobstore.query({"name": "lammps md"}, load=False)
    )
    steps = md["runs"][0]["disagreement"].get("step", [])
    assert steps == ([] if check_interval is None else [0, 10, 20, 30])
