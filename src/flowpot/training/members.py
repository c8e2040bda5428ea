"""Train one potential, or several side by side."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from flowpot.dataset import Artifact, Dataset
from flowpot.dataset.sets import TRAIN, VAL
from flowpot.dataset.storage import sync_files, write_whole
from flowpot.documents import package_versions
from flowpot.potentials import load_potential
from flowpot.potentials.extensions import pack_extensions
from flowpot.potentials.features import FeatureStatistics
from flowpot.processes import Ended
from flowpot.randomness import derive_seed
from flowpot.run_cache import RunCache
from flowpot.training.backend import (
    DivergedError,
    KilledError,
    OutOfTimeError,
    Run,
    Trained,
    Training,
    TrainingError,
)
from flowpot.training.document import Attempt, Metrics, PotentialDoc
from flowpot.training.metrics import errors_of_sets
from flowpot.training.program import Program, run_programs
from flowpot.training.sets import TrainingSets

_RETRIES = 2  # of a training that was killed or has diverged; of another failure: 1
_LEARNING_RATE_FACTOR = 0.3
_EXPLODED = 3.0
"""Force error on the validation set, in units of the RMS force, after a divergence."""
_ENDED = "ended"
"""Name of the file that marks a run whose program has succeeded."""


@dataclass(frozen=True)
class Place:
    """
    Where and how long trainings run.

    Parameters
    ----------
    folder
        Folder of the job: each potential has a folder in it.
    cache
        Folder of a `flowpot.run_cache.RunCache`. None: trainings that are killed with
        their job are lost.
    walltime
        Seconds after which trainings are stopped, to continue in another job. None: no
        limit.
    """

    folder: Path
    cache: Path | str | None = None
    walltime: float | None = None

    def check(self) -> None:
        """Refuse a walltime after which trainings could not continue."""
        if self.walltime is not None and self.cache is None:
            raise ValueError(
                f"walltime is {self.walltime} and cache None: set cache to a folder "
                "that all workers of the trainings see, where they are kept meanwhile"
            )


@dataclass
class _Member:
    """A potential in training: its next run, the attempts so far, and its model."""

    run: Run
    sets: TrainingSets
    attempts: list[Attempt] = field(default_factory=list)
    ended: bool = False
    killed: bool = False
    epoch: int = -1
    document: PotentialDoc | None = None


def train_members(
    training: Training,
    sets: TrainingSets,
    seeds: Sequence[int],
    starts: Sequence[Artifact | None],
    place: Place,
    *,
    bagging: bool = False,
) -> list[PotentialDoc]:
    """
    Train potentials on the same sets, side by side.

    A training that was killed continues from its checkpoint, and one that diverged
    starts again with another seed and a smaller learning rate: both at most twice.
    After another failure, of its GPU for instance, it continues from its checkpoint
    once.

    Parameters
    ----------
    training
        The package and its options.
    sets
        The labelled frames.
    seeds
        Seed of each potential.
    starts
        File whose weights each potential starts from; None: fresh weights.
    place
        Where and how long.
    bagging
        Whether each potential has a training set of its own, drawn by its seed: see
        `TrainingSets.resampled`. Its errors are those on the sets as they are.

    Returns
    -------
    list of PotentialDoc
        One per seed; `failure` says why one has no model, and `seconds` is its share
        of the time.

    Raises
    ------
    OutOfTimeError
        If the walltime is up: another call with the same arguments, in any folder,
        continues the trainings.
    """
    begun, now = time.perf_counter(), time.monotonic()
    place.check()
    training.check()
    deadline = None if place.walltime is None else now + place.walltime
    members = [
        _Member(
            Run(place.folder / f"member-{i}", seed, start=start),
            sets.resampled(seed) if bagging else sets,
        )
        for i, (seed, start) in enumerate(zip(seeds, starts, strict=True))
    ]
    with ExitStack() as stack:
        cache = None
        if place.cache is not None:
            cache = stack.enter_context(RunCache(place.cache))
        while waiting := [member for member in members if not member.ended]:
            programs = [_prepare(training, member, cache) for member in waiting]
            ends = _run(programs, deadline, training.device)
            late = deadline is not None and time.monotonic() > deadline
            if late and any(end is not None and end.returncode for end in ends):
                _check_progress(training, waiting, place)
                raise OutOfTimeError(f"the walltime of {place.walltime} s is up")
            for member, end in zip(waiting, ends, strict=True):
                _take_result(training, sets, member, end)
        if cache:
            # Trainings that were killed may yet continue.
            killed = {member.run.folder for member in members if member.killed}
            for run in cache.runs:
                if run not in killed:
                    cache.release(run)
    share = (time.perf_counter() - begun) / len(members)
    return [_finish(training, member, share) for member in members]


def _prepare(training: Training, member: _Member, cache: RunCache | None) -> Program:
    """Write the input of a member's run, or find the one that an earlier job left."""
    member.run.folder.mkdir(parents=True, exist_ok=member.run.resume)
    program = training.prepare(member.sets, member.run)
    if cache and not member.run.resume and cache.adopt(member.run.folder):
        member.run = replace(member.run, resume=True)
        program = training.prepare(member.sets, member.run)
    member.epoch = training.epoch(member.run)
    return program


def _run(
    programs: Sequence[Program], deadline: float | None, device: str
) -> list[Ended | None]:
    """
    Run programs, and mark the folders of those that succeed.

    The result is None for those that have succeeded in an earlier job.
    """
    left = [each for each in programs if not (each.folder / _ENDED).exists()]
    ends = dict(zip(map(id, left), run_programs(left, deadline, device), strict=True))
    for program in left:
        if ends[id(program)].returncode == 0:
            sync_files(program.folder)  # before the mark that says they are complete
            write_whole(program.folder / _ENDED, "")
    return [ends.get(id(program)) for program in programs]


def _check_progress(
    training: Training, members: Sequence[_Member], place: Place
) -> None:
    """Refuse to continue for ever: a later checkpoint of one training is required."""
    if all(training.epoch(member.run) <= member.epoch for member in members):
        raise TrainingError(
            f"walltime is {place.walltime}: too short for the training to come to a "
            "later checkpoint (MACE writes one where the validation loss has fallen): "
            "set a longer one"
        )


def _take_result(
    training: Training,
    sets: TrainingSets,
    member: _Member,
    end: Ended | None,
) -> None:
    """Read the model that a run left, or decide on the next run."""
    run, failure = member.run, None
    member.ended, member.killed = True, False
    try:
        member.document = _document(training, sets, run, end)
    except TrainingError as error:
        failure = str(error)
        member.killed = isinstance(error, KilledError)
        retries = _RETRIES if isinstance(error, KilledError | DivergedError) else 1
        if len(member.attempts) < retries:
            attempt = len(member.attempts) + 1
            member.run = replace(run, resume=True)
            if isinstance(error, DivergedError):
                member.run = replace(
                    run,
                    folder=run.folder.with_name(f"{run.folder.name}-retry-{attempt}"),
                    seed=derive_seed(run.seed, "retry", attempt),
                    learning_rate_scale=run.learning_rate_scale * _LEARNING_RATE_FACTOR,
                    resume=False,
                )
            member.ended = False
    member.attempts.append(
        Attempt(
            seed=run.seed, learning_rate_scale=run.learning_rate_scale, failure=failure
        )
    )


def _document(
    training: Training, sets: TrainingSets, run: Run, end: Ended | None
) -> PotentialDoc:
    """
    Return the document of a run's model, with its errors.

    Raises
    ------
    TrainingError
        If there is no model, or if it is that of a training that diverged.
    """
    if end is not None and end.returncode != 0:
        kind = TrainingError if end.signal is None else KilledError
        raise kind(f"{training.backend}'s training failed: {end}")
    trained = training.read(run)
    model, checkpoint = Artifact.from_file(trained.model), trained.checkpoint
    source: dict[str, Any] = {"model": model}
    if (extensions := pack_extensions(trained.model)) is not None:
        source["extensions"] = extensions
    potential = load_potential(source | {"backend": training.backend}, training.device)
    predictions = {
        name: potential.evaluate(frames) for name, frames in sets.by_name.items()
    }
    rmse, mae = errors_of_sets(predictions, sets.by_name)
    _check_converged(rmse, trained, sets.val)
    try:
        statistics = FeatureStatistics.fit(potential, sets.train)
    except NotImplementedError:  # reported where the features are needed
        features = None
    else:
        features = Artifact.from_bytes("features.npz", statistics.to_bytes())
    return PotentialDoc(
        seconds=0.0,
        model=model,
        features=features,
        checkpoint=Artifact.from_file(checkpoint) if checkpoint else None,
        backend=training.backend,
        metrics=rmse,
        mae=mae,
        n_frames=sets.sizes,
        loss_curve=trained.loss_curve,
        calculator_kwargs=source | {"device": training.device},
        species=list(potential.species),
        cutoff=potential.cutoff,
        e0s=potential.reference_energies,
        hyperparameters=trained.hyperparameters,
        seed=run.seed,
        device=potential.device,
        versions=package_versions(*training.packages),
        extensions=extensions,
    )


def _check_converged(rmse: Metrics, trained: Trained, val: Dataset) -> None:
    """Raise a DivergedError for the model of a training that diverged."""
    losses = trained.loss_curve[TRAIN][-1:]  # not every epoch need be validated
    error = rmse[VAL]["forces"]
    if not np.isfinite([error, rmse[VAL]["energy"], *losses]).all():
        raise DivergedError("the training diverged: its loss or its errors are NaN")
    spread = float(np.sqrt(np.mean(val.forces**2)))
    if spread > 0 and error > _EXPLODED * spread:
        raise DivergedError(
            "the training diverged: its force error on the validation set is "
            f"{error:.3g} eV/A, where the forces themselves are {spread:.3g} eV/A"
        )


def _finish(training: Training, member: _Member, seconds: float) -> PotentialDoc:
    """Complete the document of a potential, or say why there is none."""
    document = member.document or PotentialDoc(
        seconds=0.0,
        backend=training.backend,
        seed=member.attempts[0].seed,
        failure=member.attempts[-1].failure,
        versions=package_versions(*training.packages),
    )
    told = {"attempts": member.attempts, "remarks": list(member.sets.remarks)}
    return document.model_copy(update={**told, "seconds": seconds})
