"""A killed run loses the frames in flight, and no finished label."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from jobflow import run_locally
from numpy.testing import assert_allclose

from flowpot.dataset import Dataset
from flowpot.labelling import LabellingDoc, LabellingMaker
from flowpot.labelling.batches import label_batch

pytestmark = pytest.mark.qe


@pytest.fixture
def frames(pair) -> Dataset:
    """Six frames of one second or so."""
    atoms = []
    for seed in range(6):
        atoms.append(pair * (2, 1, 1))
        atoms[-1].rattle(0.05, seed=seed)
    return Dataset.from_atoms(atoms)


def kept(folder: Path) -> dict[Path, int]:
    """The labels in a cache, and when they were written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.json")}


@pytest.mark.parametrize("batch", [{}, {"batch_size": 6, "parallel": 2}])
def test_a_killed_stage_goes_on(frames, cheap, jobstore, clean_dir, batch):
    cache = clean_dir / "cache"
    maker = LabellingMaker(static_maker=replace(cheap, cache=str(cache)), **batch)

    def run():
        run_locally(maker.make(frames), create_folders=True)

    first = multiprocessing.get_context("fork").Process(target=run)
    first.start()
    while len(kept(cache)) < 2:
        assert first.is_alive()
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    done = kept(cache)
    assert 2 <= len(done) < 6

    flow = maker.make(frames)
    run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
    output = jobstore.get_output(flow.output.uuid, load=True)
    document = LabellingDoc.model_validate(output)
    assert document.n_labelled == 6
    after = kept(cache)
    assert len(after) == 6
    assert {path: after[path] for path in done} == done

    again = cheap.label_in(frames[0], clean_dir / "again").output
    shard = Dataset.load(document)
    assert_allclose(shard.energy[0], again.energy, atol=1e-9)
    assert_allclose(shard[0].get_forces(), np.array(again.forces), atol=1e-9)


def kill_engines_in(folder: Path, over: Event) -> None:
    """Kill each pw.x that works in a folder."""
    while not over.wait(0.02):
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                inside = (process / "cwd").resolve() == folder.resolve()
                if inside and (process / "comm").read_text() == "pw.x\n":
                    os.kill(int(process.name), signal.SIGKILL)


def test_pw_that_is_always_killed_costs_its_own_frame(frames, cheap, tmp_path):
    over = Event()
    doomed = tmp_path / f"frame_{frames.fingerprints[2][:10]}"
    with ThreadPoolExecutor() as pool:
        pool.submit(kill_engines_in, doomed, over)
        try:
            document = label_batch(cheap, frames, tmp_path, parallel=2)
        finally:
            over.set()
    good = Dataset.load(document).is_labelled
    assert good.tolist() == [True, True, False, True, True, True]
    assert "SIGKILL" in document.runs[2].errors[0]
    assert document.runs[2].corrections  # it was tried again, with less memory


def test_the_machine_may_have_a_cache_of_its_own(pair, cheap, tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWPOT_LABEL_CACHE", str(tmp_path / "machine"))
    first = cheap.label_in(pair, tmp_path / "run")
    assert len(kept(tmp_path / "machine")) == 1
    assert cheap.label_in(pair, tmp_path / "other").output == first.output
    assert not (tmp_path / "other" / "pw.out.gz").exists()

    scratch = replace(cheap, keep_scratch=True)  # asks for more than the label
    assert not scratch.label_in(pair, tmp_path / "kept").from_cache
    own = replace(cheap, cache=str(tmp_path / "own"))
    assert not own.label_in(pair, tmp_path / "run").from_cache


def test_another_calculation_is_another_label(pair, cheap, tmp_path):
    maker = replace(cheap, cache=str(tmp_path / "cache"))
    first = maker.label_in(pair, tmp_path / "run")
    second = maker.label_in(pair, tmp_path / "elsewhere")
    assert (first.from_cache, second.from_cache) == (False, True)
    assert second.output == first.output
    assert second.dir_name == first.dir_name  # where the files are

    sharper = replace(maker, user_settings={"SYSTEM": {"ecutwfc": 13.0}})
    assert not sharper.label_in(pair, tmp_path / "run").from_cache
    pair.positions[0, 0] += 1e-4
    assert not maker.label_in(pair, tmp_path / "run").from_cache
    longer = replace(maker, walltime=1000.0)
    assert longer.label_in(pair, tmp_path / "run").from_cache
