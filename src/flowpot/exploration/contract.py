"""Test that an engine of molecular dynamics keeps what exploration relies on."""

import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from monty.json import MontyDecoder, MontyEncoder

from flowpot.dataset import Dataset
from flowpot.dataset.sets import EXPLORED
from flowpot.exploration.conditions import Conditions
from flowpot.exploration.document import MDBatchDoc, MDDoc
from flowpot.exploration.engine import MDMaker
from flowpot.exploration.sanity import SanityLimits
from flowpot.plugins import promised

_hold = partial(promised, "the engine")

_STEPS, _INTERVAL = 20, 5


def check_engine(engine: MDMaker, frame: Atoms, committee: Any) -> None:
    """
    Test an engine, by running it in temporary folders.

    Whoever writes an engine calls this in a test.

    Parameters
    ----------
    engine
        The engine. Its settings are used, apart from the length of the run, the
        sampling, the limits and the walltime.
    frame
        A periodic frame of a few atoms, not in its energy minimum, and physical.
    committee
        Potential that drives it: see :meth:`MDMaker.make`.

    Raises
    ------
    AssertionError
        If a promise is not kept; the message names it.
    """
    engine = replace(engine, n_steps=_STEPS, sample_interval=_INTERVAL)
    again = MontyDecoder().decode(MontyEncoder().encode(engine))
    kept = type(again) is type(engine) and _fields(again) == _fields(engine)
    _hold(kept, "it is the same after it was serialised and read back")
    own = engine.conditions().n_steps
    _hold(own == _STEPS, "its conditions have its number of steps")
    given = engine.conditions((10, 20), 3.0, 7)
    values = (given.temperature, given.pressure, given.seed)
    wanted = ((10.0, 20.0), (3.0, 3.0), 7)
    _hold(values == wanted, "its conditions are those that it is given")
    _hold(engine.runs_to_share(20) >= 1, "a job has at least one trajectory")
    frames = Dataset.from_atoms([frame, frame])
    conditions = [engine.conditions((300, 600), 1.0, seed) for seed in (1, 2)]
    runs = _run(engine, frames, conditions, committee)
    _check_runs(runs, frames)
    repeated = _run(engine, frames, conditions, committee)
    for run, repeat in zip(runs, repeated, strict=True):
        _hold(_equal(run, repeat), "the same seed gives the same trajectory")
    _hold(not _equal(*runs), "another seed gives another trajectory")
    strict = replace(engine, limits=SanityLimits(temperature=1e-3))
    [run] = _run(strict, frames[:1], conditions[:1], committee)
    _hold(run.state == "halted", "a run beyond its limits is halted")
    _hold(run.reason == "temperature", "a halt names the limit")
    _hold(run.dataset is None, "nothing is sampled of an unphysical run")
    impossible = {"calculator": "no.such.thing"}
    [run] = _run(engine, frames[:1], conditions[:1], impossible)
    is_failed = run.state == "failed"
    _hold(is_failed, "a run that is impossible is recorded, and does not raise")
    _hold(bool(run.reason), "a failure has a reason")
    _check_going_on(engine, frames[:1], conditions[:1], committee)


def _fields(engine: MDMaker) -> str:
    """Return all fields as JSON, which has no tuples: a tuple equals its list."""
    return MontyEncoder().encode(asdict(engine))


def _check_runs(runs: Sequence[MDDoc], frames: Dataset) -> None:
    _hold(len(runs) == len(frames), "each start has a document")
    steps = list(range(_INTERVAL, _STEPS + 1, _INTERVAL))
    for run, parent in zip(runs, frames.fingerprints, strict=True):
        state = f"{run.state}: {run.reason}"
        _hold(run.state == "done", f"a run within its limits is done, not {state}")
        _hold(run.n_steps == _STEPS, "all steps are counted")
        _hold(run.parent == parent, "its parent is the frame that it began with")
        info = Dataset.load(run.dataset).info
        _hold(info["md_step"].tolist() == steps, "frames are those of the steps")
        kinds = set(info["config_type"])
        _hold(kinds == {EXPLORED}, f"frames are of the kind {EXPLORED}")
        _hold(not info["candidate"].any(), "no candidates without a halt")
        kelvin = info["temperature"].tolist()
        wanted = [300 + 300 * step / _STEPS for step in steps]
        _hold(np.allclose(kelvin, wanted), "frames have the ramp's temperature")
        columns = {"step", "temperature (K)", "potential energy (eV)"}
        _hold(columns <= set(run.thermo), f"its log has the columns {sorted(columns)}")
    _hold(len({run.trajectory for run in runs}) == len(runs), "names are distinct")


def _check_going_on(
    engine: MDMaker, frames: Dataset, conditions: Sequence[Conditions], committee: Any
) -> None:
    short = replace(engine, walltime=1e-6)
    [run] = _run(short, frames, conditions, committee)
    _hold(run.state in ("done", "out of time"), "it stops when its time is up")
    if run.state == "done":
        return
    _hold(run.unfinished, "a run that is out of time can go on")
    stopped = MDBatchDoc(runs=[run])
    [resumed] = _run(engine, frames, conditions, committee, resume=stopped)
    ended = (resumed.state, resumed.n_steps)
    _hold(ended == ("done", _STEPS), "it goes on to its end")
    steps = Dataset.load(resumed.dataset).info["md_step"].tolist()
    wanted = list(range(_INTERVAL, _STEPS + 1, _INTERVAL))
    _hold(steps == wanted, "its frames are those of an uninterrupted run")


def _run(
    engine: MDMaker,
    frames: Dataset,
    conditions: Sequence[Conditions],
    committee: Any,
    resume: MDBatchDoc | None = None,
) -> list[MDDoc]:
    """Run trajectories as their job would, in a new temporary folder."""
    job = engine.make_several(frames, conditions, committee)
    temporary = tempfile.TemporaryDirectory(prefix="flowpot-engine-")
    with temporary as folder, contextlib.chdir(Path(folder)):
        undecorated = getattr(job.function, "original", job.function)
        function = undecorated.__get__(job.maker)
        batch = function(*job.function_args, **job.function_kwargs, resume=resume)
    runs: list[MDDoc] = batch.runs
    return runs


def _equal(run: MDDoc, other: MDDoc) -> bool:
    first, second = Dataset.load(run.dataset), Dataset.load(other.dataset)
    return bool(np.allclose(first.positions, second.positions, atol=1e-8))
