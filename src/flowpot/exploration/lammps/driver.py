"""
The program that runs LAMMPS as a library.

It is started as ``python -m flowpot.exploration.lammps.driver FOLDER...`` and runs the
folders one after the other, so that a model is loaded once. A run is resumed from its
last restart file if it has one, and skipped if it has ended.
"""

import contextlib
import json
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from flowpot.exploration.lammps.cell import LammpsCell
from flowpot.exploration.lammps.library import (
    CommitteeCheck,
    ExternalForces,
    open_lammps,
)
from flowpot.exploration.lammps.pair_style import external_forces
from flowpot.exploration.lammps.run import (
    WATCH_FILE,
    Run,
    read_outcome,
    read_run,
    write_outcome,
)
from flowpot.exploration.lammps.script import (
    CALM,
    DATA_FILE,
    FIX,
    LOG_FILE,
    data_file,
    newest_restart,
    script,
    species_of,
)
from flowpot.exploration.lammps.trajectory import last_step, resumed
from flowpot.exploration.members import Calculators
from flowpot.exploration.outcome import Outcome
from flowpot.exploration.sanity import SanityCheck


def main(folders: list[Path]) -> None:
    """Run each folder; a failure is recorded and does not stop the next run."""
    calculators = Calculators()
    begun: float | None = None  # time of the first run's first step
    for folder in folders:
        previous = read_outcome(folder)
        if previous is not None and not previous.out_of_time:
            continue
        try:
            run, start = read_run(folder)
            deadline = None if begun is None else begun + (run.walltime or np.inf)
            with contextlib.chdir(folder):
                if deadline is not None and time.monotonic() > deadline:
                    outcome = Outcome(last_step(Path()), out_of_time=True)
                else:
                    outcome, started = _run(run, start, calculators, deadline)
                    begun = begun or started
        except Exception:  # noqa: BLE001 - recorded for the job
            outcome = Outcome(error=traceback.format_exc())
        write_outcome(folder, outcome)


def _run(
    run: Run, start: Atoms, calculators: Calculators, deadline: float | None
) -> tuple[Outcome, float]:
    """
    Run the current folder.

    Parameters
    ----------
    run, start
        The run, and the frame that it begins with.
    calculators
        Calculators that earlier runs have loaded.
    deadline
        ``time.monotonic()`` at which it stops. None: after its walltime.

    Returns
    -------
    tuple[Outcome, float]
        How it ended, and ``time.monotonic()`` before its first step.
    """
    restart = newest_restart(Path())
    cell = LammpsCell.of(start)
    Path(DATA_FILE).write_text(data_file(start, cell))
    commands = script(
        resumed(run.conditions, Path()) if restart else run.conditions,
        run.output,
        external_forces(species_of(start.numbers), run.dispersion),
        start,
        extra=run.extra,
        restart=restart,
    )
    Path("in.lammps").write_text("\n".join([*commands, ""]))
    calculator = calculators(run.members[run.driving])
    library = open_lammps(Path(LOG_FILE))
    try:
        forces = ExternalForces(
            library,
            cell,
            start.copy(),
            calculator,
            SanityCheck(run.limits, start),
            _committee_check(run, calculators, library),
        )
        started = time.monotonic()
        if deadline is None:
            deadline = started + (run.walltime or np.inf)
        forces.deadline = deadline
        return _execute(commands, forces), started
    finally:
        library.close()


def _execute(commands: list[str], forces: ExternalForces) -> Outcome:
    """Run commands in LAMMPS; set the callback as soon as its fix is defined."""
    started = time.monotonic()
    message = None
    for command in commands:
        forces.running = command.startswith("run ")
        try:
            forces.library.command(command)
        except Exception as error:  # noqa: BLE001 - LAMMPS raises nothing narrower
            message = str(error).strip()
        if command.startswith(f"fix {FIX} "):
            forces.attach()
        # The commands after a halt would write files of an unphysical frame.
        if message or forces.halted or forces.error:
            break
    # An error before the first step is one of the input, a later one a breakdown.
    broken = message is not None and forces.step > 0
    return Outcome(
        n_steps=forces.step,
        halted=forces.halted or ("LAMMPS error" if broken else None),
        error=forces.error or (None if broken else message),
        detail=message if broken else None,
        out_of_time=forces.out_of_time,
        seconds=time.monotonic() - started,
    )


def _committee_check(
    run: Run, calculators: Calculators, library: Any
) -> CommitteeCheck | None:
    """Return the function that evaluates the committee, None where it never is."""
    if run.check_interval is None:
        return None
    # These import the evaluation stage, which most runs do not need.
    from flowpot.evaluation.calibration import Calibration  # noqa: PLC0415
    from flowpot.exploration.watch import CommitteeWatch  # noqa: PLC0415

    watch = CommitteeWatch(
        [calculators(m) for i, m in enumerate(run.members) if i != run.driving],
        {name: Calibration(**fit) for name, fit in run.calibration.items()},
        run.upper_factor,
    )
    interval = run.check_interval
    log = Path(WATCH_FILE).absolute()

    def check(step: int, atoms: Atoms, driving: dict[str, Any]) -> str | None:
        if step % interval:
            return None
        reading = watch.read(step, atoms, driving)
        with log.open("a") as lines:
            lines.write(json.dumps(asdict(reading)) + "\n")
        if run.output.dense_interval is not None:
            library.set_internal_variable(CALM, 0.0 if reading.excess > 1 else 1.0)
        return watch.breach(reading)

    return check


if __name__ == "__main__":
    main([Path(argument).absolute() for argument in sys.argv[1:]])
