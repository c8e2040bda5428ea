"""Training one potential, or several side by side."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flowpot.dataset import Artifact, Dataset
from flowpot.documents import package_versions
from flowpot.potentials import Potential, load_potential
from flowpot.randomness import derive_seed
from flowpot.training import metrics
from flowpot.training.backend import (
    DivergedError,
    KilledError,
    Run,
    Trained,
    Training,
    TrainingError,
)
from flowpot.training.document import Attempt, PotentialDoc
from flowpot.training.program import Program, run_programs
from flowpot.training.sets import SETS, TrainingSets

_RETRIES = 2
_LEARNING_RATE_FACTOR = 0.3
_EXPLODED = 3.0
"""Force error on the validation set, in units of the forces themselves."""


@dataclass
class _Member:
    """A potential in training: its last run, how the ones before ended, its model."""

    run: Run
    attempts: list[Attempt]
    ended: bool = False
    document: PotentialDoc | None = None


def train_members(
    training: Training,
    sets: TrainingSets,
    seeds: Sequence[int],
    starts: Sequence[Artifact | None],
    folder: Path,
) -> list[PotentialDoc]:
    """
    Train potentials on the same sets, side by side.

    A training that was killed goes on from its checkpoint; one that diverged starts
    again with another seed and a smaller learning rate. Both at most twice.

    Parameters
    ----------
    training
        The package and its options.
    sets
        The frames.
    seeds, starts
        Of each potential: its seed, and the model whose weights it starts from.
    folder
        Where each potential gets a folder.

    Returns
    -------
    list of PotentialDoc
        One per seed; `failure` says why one has no model, and `seconds` is its share
        of the time.
    """
    begun = time.perf_counter()
    training.check()
    members = [
        _Member(Run(_new_folder(folder / f"member-{i}"), seed, start=start), [])
        for i, (seed, start) in enumerate(zip(seeds, starts, strict=True))
    ]
    while waiting := [member for member in members if not member.ended]:
        programs = [training.prepare(sets, member.run) for member in waiting]
        statuses = run_programs(programs)
        for member, program, status in zip(waiting, programs, statuses, strict=True):
            _judge(training, sets, member, program, status)
    share = (time.perf_counter() - begun) / len(members)
    return [_finish(training, member, share) for member in members]


def _judge(
    training: Training,
    sets: TrainingSets,
    member: _Member,
    program: Program,
    status: int,
) -> None:
    """Take the model that a run left, or decide on the next run."""
    run, failure = member.run, None
    member.ended = True
    try:
        member.document = _document(training, sets, run, program, status)
    except TrainingError as error:
        failure = str(error)
        again = _next_run(run, error, len(member.attempts) + 1)
        if again and len(member.attempts) < _RETRIES:
            member.run, member.ended = again, False
    member.attempts.append(
        Attempt(
            seed=run.seed, learning_rate_scale=run.learning_rate_scale, failure=failure
        )
    )


def _next_run(run: Run, error: TrainingError, attempt: int) -> Run | None:
    """Say how to try again after a failure; None: it would fail again."""
    if isinstance(error, KilledError):
        return replace(run, resume=True)
    if isinstance(error, DivergedError):
        return replace(
            run,
            folder=_new_folder(
                run.folder.with_name(f"{run.folder.name}-retry-{attempt}")
            ),
            seed=derive_seed(run.seed, "retry", attempt),
            learning_rate_scale=run.learning_rate_scale * _LEARNING_RATE_FACTOR,
            resume=False,
        )
    return None


def _new_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _document(
    training: Training, sets: TrainingSets, run: Run, program: Program, status: int
) -> PotentialDoc:
    """Judge what a run left."""
    if status != 0:
        kind = KilledError if status < 0 else TrainingError
        raise kind(
            f"{Path(program.command[0]).name} ended with status {status} in "
            f"{run.folder}; its log ends:\n{program.log_tail}"
        )
    trained = training.read(run)
    model = Artifact.from_file(trained.model)
    potential = load_potential(model, training.device)
    rmse, mae = _errors(potential, sets)
    _check_sane(rmse, trained, sets.val)
    return PotentialDoc(
        seconds=0.0,
        model=model,
        checkpoint=_artifact(trained.checkpoint),
        backend=training.backend,
        metrics=rmse,
        mae=mae,
        n_frames={name: len(getattr(sets, name)) for name in SETS},
        loss_curve=trained.loss_curve,
        calculator_kwargs={"model": model, "device": training.device},
        species=list(potential.species),
        cutoff=potential.cutoff,
        e0s=potential.reference_energies,
        hyperparameters=trained.hyperparameters,
        seed=run.seed,
        device=potential.device,
        versions=package_versions(*training.packages),
    )


def _artifact(path: Path | None) -> Artifact | None:
    return Artifact.from_file(path) if path else None


def _errors(
    potential: Potential, sets: TrainingSets
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    rmse, mae = {}, {}
    for name in SETS:
        frames = getattr(sets, name)
        prediction = potential.evaluate(frames)
        rmse[name] = metrics.rmse(prediction, frames)
        mae[name] = metrics.mae(prediction, frames)
    return rmse, mae


def _check_sane(
    rmse: dict[str, dict[str, float]], trained: Trained, val: Dataset
) -> None:
    """Refuse a model whose training diverged."""
    losses = trained.loss_curve["val"][-1:]
    error = rmse["val"]["forces"]
    if not np.isfinite([error, rmse["val"]["energy"], *losses]).all():
        raise DivergedError("the training diverged: its loss or its errors are NaN")
    spread = float(np.sqrt(np.mean(val.forces**2)))
    if spread > 0 and error > _EXPLODED * spread:
        raise DivergedError(
            "the training diverged: its force error on the validation set is "
            f"{error:.3g} eV/A, where the forces themselves are {spread:.3g} eV/A"
        )


def _finish(training: Training, member: _Member, seconds: float) -> PotentialDoc:
    """Complete the document of a potential, or say why there is none."""
    found = member.document or PotentialDoc(
        seconds=0.0,
        backend=training.backend,
        seed=member.attempts[0].seed,
        failure=member.attempts[-1].failure,
        versions=package_versions(*training.packages),
    )
    return found.model_copy(update={"attempts": member.attempts, "seconds": seconds})
