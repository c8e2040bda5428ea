"""Many labels: no job refers to all of them, and the shard is the same."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from jobflow import Maker, run_locally
from monty.json import MontyEncoder
from numpy.testing import assert_allclose

from flowpot.dataset import Dataset
from flowpot.jobs import JobName, stage_job
from flowpot.labelling import LabellingDoc, LabellingMaker, parts

ALLOWED = 100_000
"""Bytes of a document."""


def coppers(n: int, *, repeat: int = 1) -> Dataset:
    """Rattled copper cells of 4 atoms, and between them some that no engine may see."""
    rng = np.random.default_rng(0)
    cell = Dataset.from_atoms([bulk("Cu", cubic=True) * (repeat, 1, 1)])
    frames = Dataset.concatenate([cell] * n)
    frames = replace(
        frames, positions=frames.positions + rng.normal(0, 0.05, frames.positions.shape)
    )
    positions = frames.positions.copy()
    for frame in range(5, n, 11):
        start = frames.offsets[frame]
        positions[start + 1] = positions[start] + [0.1, 0, 0]
    return replace(frames, positions=positions)


def sizes(jobs) -> dict[str, int]:
    """The largest job of each name, as it is stored."""
    largest: dict[str, int] = {}
    for job in jobs:
        size = len(MontyEncoder().encode(job))
        largest[job.name] = max(size, largest.get(job.name, 0))
    return largest


def label(maker, frames, store) -> LabellingDoc:
    flow = maker.make(frames, seed=3)
    run_locally(flow, store=store, create_folders=True, ensure_success=True)
    return LabellingDoc.model_validate(store.get_output(flow.output.uuid, load=True))


def test_the_shard_does_not_depend_on_the_parts(emt, jobstore, clean_dir, monkeypatch):
    """Three levels of parts, with frames refused, labelled before, and too forceful."""
    frames = coppers(40)
    known = frames.with_labels(
        energy=np.arange(40.0), forces=np.zeros((160, 3)), stress=np.zeros((40, 3, 3))
    )
    frames = Dataset.concatenate([frames[:20], known[20:23], frames[23:]])
    maker = LabellingMaker(static_maker=emt, max_force=1.5)
    monkeypatch.setattr(parts, "LABELS_PER_PART", 100)
    whole = label(maker, frames, jobstore)
    assert not list(jobstore.query({"name": JobName.COLLECT_LABELS_PART}))

    monkeypatch.setattr(parts, "LABELS_PER_PART", 4)
    monkeypatch.setattr(parts, "PARTS_PER_PART", 2)
    divided = label(maker, frames, jobstore)
    assert len(list(jobstore.query({"name": JobName.COLLECT_LABELS_PART}))) > 10
    one, two = Dataset.load(whole), Dataset.load(divided)
    assert whole.n_failed == divided.n_failed > 4
    for name, value in one.fields.items():
        if name != "info":
            assert_allclose(two.fields[name], value, rtol=0, atol=0)
    assert one.info.keys() == two.info.keys()
    assert (one.info["split"] == two.info["split"]).all()

    def reasons(document):
        return sorted(
            (failure.fingerprint, failure.reason) for failure in document.failures
        )

    assert reasons(whole) == reasons(divided)
    same = {"n_labelled", "n_computed", "n_sent", "n_refused", "n_corrected", "splits"}
    assert whole.model_dump(include=same) == divided.model_dump(include=same)
    atoms = two[0]
    expected = atoms.copy()
    expected.calc = EMT()
    assert_allclose(atoms.get_forces(), expected.get_forces(), atol=1e-9)


@pytest.mark.parametrize(
    "n", [100, 1000, pytest.param(100_000, marks=pytest.mark.slow)]
)
def test_no_job_grows_with_the_number_of_labels(emt, jobstore, n):
    plan = LabellingMaker(static_maker=emt).make(coppers(n)).jobs[0]
    jobs = plan.run(jobstore).replace.jobs
    largest = sizes(jobs)
    assert max(largest.values()) < ALLOWED, largest
    assert largest.keys() == {emt.name, JobName.COLLECT_LABELS_PART, "collect labels"}
    read = [job for job in jobs if job.name == JobName.COLLECT_LABELS_PART]
    assert len(read) < n / 10


def test_large_frames_make_small_parts(emt, jobstore):
    """Their positions are in the jobs, where artifacts are inline."""
    plan = LabellingMaker(static_maker=emt).make(coppers(24, repeat=40)).jobs[0]
    assert max(sizes(plan.run(jobstore).replace.jobs).values()) < ALLOWED


def test_where_artifacts_have_a_place_only_jobs_count(tmp_path, monkeypatch):
    frames = coppers(24, repeat=40)
    assert parts.weights_of(frames, []).sum() > 1
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", str(tmp_path))
    assert parts.weights_of(frames, []).sum() == 0


@pytest.mark.parametrize(
    "batches", [[], [[0]], [[3, 7], [8]], [[i, i + 1] for i in range(0, 98, 2)]]
)
def test_a_division_leaves_nothing_out(batches):
    weights = np.full(100, 0.03)
    divided = parts.divide(batches, weights)
    jobs = [job for one, _ in divided for job in range(len(batches))[one]]
    frames = [frame for _, one in divided for frame in range(100)[one]]
    assert jobs == list(range(len(batches)))
    assert frames == list(range(100))
    for own_jobs, own_frames in divided:
        for batch in batches[own_jobs]:
            assert set(batch) <= set(range(100)[own_frames])


def test_failures_beyond_those_shown_are_kept(emt, jobstore, clean_dir, monkeypatch):
    monkeypatch.setattr(parts, "MOST_SHOWN", 2)
    document = label(LabellingMaker(static_maker=emt), coppers(50), jobstore)
    assert len(document.failures) == 2 < document.n_failed
    kept = parts.failures_from_artifact(document.failed_frames)
    assert len(kept) == document.n_failed
    assert kept[:2] == document.failures


@dataclass
class OftenKilled(Maker):
    """Leaves no output for a third of the frames, the first time."""

    name: str = "label"
    marks: str = ""

    @stage_job()
    def make(self, structure, prev_dir=None):
        del prev_dir
        atoms = structure.to_ase_atoms()
        number = round(abs(atoms.positions.sum()) * 1e6)
        mark = Path(self.marks) / str(number)
        if number % 3 == 0 and not mark.exists():
            mark.touch()
            raise SystemError("killed")
        atoms.calc = EMT()
        output = {"energy": atoms.get_potential_energy(), "stress": None}
        output["forces"] = atoms.get_forces().tolist()
        return {"output": output, "dir_name": "here"}


def test_what_was_lost_in_a_part_is_sent_again(jobstore, clean_dir):
    marks = clean_dir / "marks"
    marks.mkdir()
    maker = LabellingMaker(static_maker=OftenKilled(marks=str(marks)))
    flow = maker.make(coppers(30))
    run_locally(flow, store=jobstore, create_folders=True)
    output = jobstore.get_output(flow.output.uuid, load=True)
    document = LabellingDoc.model_validate(output)
    assert document.n_sent == document.n_computed == 27
    assert document.n_failed == 3
    assert len(list(marks.iterdir())) > 3
