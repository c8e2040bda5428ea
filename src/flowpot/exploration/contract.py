"""Whether an engine of molecular dynamics does what exploration relies on."""

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from monty.json import MontyDecoder, MontyEncoder

from flowpot.dataset import Dataset
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.document import MDBatchDoc, MDDoc
from flowpot.exploration.engine import MDMaker
from flowpot.exploration.sanity import SanityLimits

_STEPS, _INTERVAL = 20, 5


def check_engine(engine: MDMaker, frame: Atoms, committee: Any) -> None:
    """
    Test an engine, in a temporary folder: for the tests of whoever writes one.

    Parameters
    ----------
    engine
        Its settings are kept, apart from the length of the run, the sampling and the
        limits.
    frame
        A periodic frame of some atoms, sane and not at rest in a minimum.
    committee
        What drives it: see :meth:`MDMaker.make`.

    Raises
    ------
    AssertionError
        Naming the promise that is not kept.
    """
    engine = replace(engine, n_steps=_STEPS, sample_interval=_INTERVAL)
    again = MontyDecoder().decode(MontyEncoder().encode(engine))
    kept = type(again) is type(engine) and _fields(again) == _fields(engine)
    _hold(kept, "it is the same after it was written down and read back")
    _check_conditions(engine)
    frames = Dataset.from_atoms([frame, frame])
    conditions = [engine.conditions((300, 600), 1.0, seed) for seed in (1, 2)]
    runs = _run(engine, frames, conditions, committee)
    _check_runs(runs, frames)
    same = _run(engine, frames, conditions, committee)
    for one, other in zip(runs, same, strict=True):
        _hold(_equal(one, other), "the same seed gives the same trajectory")
    _hold(not _equal(*runs), "another seed gives another trajectory")
    _check_halts(engine, frames[:1], conditions[:1], committee)
    _check_failure(engine, frames[:1], conditions[:1])
    _check_going_on(engine, frames[:1], conditions[:1], committee)


def _fields(engine: MDMaker) -> str:
    """Write down all fields; JSON has no tuples, so that a tuple equals its list."""
    return MontyEncoder().encode(asdict(engine))


def _check_conditions(engine: MDMaker) -> None:
    own = engine.conditions()
    _hold(own.n_steps == _STEPS, "its conditions have its number of steps")
    given = engine.conditions((10, 20), 3.0, 7)
    asked = (given.temperature, given.pressure, given.seed)
    wanted = ((10.0, 20.0), (3.0, 3.0), 7)
    _hold(asked == wanted, "its conditions are those that it is given")
    _hold(engine.runs_to_share(20) >= 1, "a job has at least one trajectory")


def _check_runs(runs: Sequence[MDDoc], frames: Dataset) -> None:
    _hold(len(runs) == len(frames), "each start has a document")
    _hold([r.state for r in runs] == ["done"] * len(runs), "a sane trajectory is done")
    steps = list(range(_INTERVAL, _STEPS + 1, _INTERVAL))
    for run, parent in zip(runs, frames.fingerprints, strict=True):
        _hold(run.n_steps == _STEPS, "all steps are counted")
        _hold(run.parent == parent, "its parent is the frame that it began with")
        found = Dataset.load(run.dataset)
        _hold(found.info["md_step"].tolist() == steps, "frames are those of the steps")
        _hold(set(found.info["config_type"]) == {"md"}, "frames are of the kind md")
        _hold(not found.info["candidate"].any(), "no candidates without a halt")
        heated = found.info["temperature"].tolist()
        wanted = [300 + 300 * step / _STEPS for step in steps]
        _hold(np.allclose(heated, wanted), "frames know the ramp's temperature")
        _hold({"step", "temperature (K)"} <= set(run.thermo), "it has a log")
    _hold(len({run.trajectory for run in runs}) == len(runs), "names are distinct")


def _check_halts(
    engine: MDMaker, frames: Dataset, conditions: Sequence[Conditions], committee: Any
) -> None:
    cool = replace(engine, limits=SanityLimits(temperature=1e-3))
    [run] = _run(cool, frames, conditions, committee)
    _hold(run.state == "halted", "a run beyond its limits is halted")
    _hold(run.reason == "temperature", "a halt names the limit")
    _hold(run.dataset is None, "nothing is sampled of a wreck")


def _check_failure(
    engine: MDMaker, frames: Dataset, conditions: Sequence[Conditions]
) -> None:
    [run] = _run(engine, frames, conditions, {"calculator": "no.such.thing"})
    _hold(run.state == "failed", "what cannot run is recorded, and does not raise")
    _hold(bool(run.reason), "a failure has a reason")


def _check_going_on(
    engine: MDMaker, frames: Dataset, conditions: Sequence[Conditions], committee: Any
) -> None:
    short = replace(engine, walltime=1e-6)
    [run] = _run(short, frames, conditions, committee)
    _hold(run.state in ("done", "out of time"), "it stops when its time is up")
    if run.state == "done":
        return
    _hold(run.unfinished, "what is out of time can go on")
    left = MDBatchDoc(runs=[run])
    [rest] = _run(engine, frames, conditions, committee, resume=left)
    _hold((rest.state, rest.n_steps) == ("done", _STEPS), "it goes on to its end")
    steps = Dataset.load(rest.dataset).info["md_step"].tolist()
    wanted = list(range(_INTERVAL, _STEPS + 1, _INTERVAL))
    _hold(steps == wanted, "its frames are those of an uninterrupted run")


def _run(
    engine: MDMaker,
    frames: Dataset,
    conditions: Sequence[Conditions],
    committee: Any,
    resume: MDBatchDoc | None = None,
) -> list[MDDoc]:
    """Run as the job would, in a folder of its own."""
    job = engine.make_several(frames, conditions, committee)
    inside = tempfile.TemporaryDirectory(prefix="flowpot-engine-")
    with inside as folder, contextlib.chdir(Path(folder)):
        undecorated = getattr(job.function, "original", job.function)
        function = undecorated.__get__(job.maker)
        found = function(*job.function_args, **job.function_kwargs, resume=resume)
    runs: list[MDDoc] = found.runs
    return runs


def _equal(one: MDDoc, other: MDDoc) -> bool:
    first, second = Dataset.load(one.dataset), Dataset.load(other.dataset)
    return bool(np.allclose(first.positions, second.positions, atol=1e-8))


def _hold(kept: bool, promise: str) -> None:
    if not kept:
        raise AssertionError(f"the engine does not keep its promise: {promise}")
