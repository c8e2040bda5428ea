"""Test that an uncertainty keeps what evaluation relies on."""

import copy
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from monty.json import MontyDecoder, MontyEncoder

from flowpot.dataset import Dataset
from flowpot.dataset.labels import DECIDING
from flowpot.evaluation.predicted import HAS_STRESS, MAGNITUDES
from flowpot.evaluation.streaming import spread_over
from flowpot.evaluation.uncertainty.base import PerFrame, Uncertainty
from flowpot.evaluation.uncertainty.spread import CommitteeSpread
from flowpot.plugins import promised
from flowpot.potentials import Potential, Prediction

_hold = partial(promised, "the uncertainty")

_PRECISION = 1e-3  # relative: models may compute in single precision


def check_uncertainty(
    uncertainty: type[Uncertainty] | Uncertainty,
    potentials: Sequence[Potential],
    training: Dataset,
    frames: Dataset,
) -> None:
    """
    Test an uncertainty.

    Whoever writes an uncertainty calls this in a test.

    Parameters
    ----------
    uncertainty
        The class, which is fitted here; or an uncertainty, which is taken as it is.
    potentials
        Members of a committee that it can be measured with.
    training
        Frames to fit it to.
    frames
        Two or more frames that differ, of several atoms each, which the potentials can
        predict.

    Raises
    ------
    AssertionError
        If a promise is not kept; the message names it.
    """
    if not isinstance(uncertainty, Uncertainty):
        uncertainty = uncertainty.fit(potentials, training.without_labels())
    measured = uncertainty.measure(potentials, frames)
    atoms = uncertainty.measure_atoms(potentials, frames)
    _check_numbers(measured, len(frames), "frame")
    _check_numbers(atoms, len(frames.numbers), "atom")
    _check_names(uncertainty, measured, atoms)
    _check_frames(uncertainty, potentials, frames, measured)
    _check_atoms(uncertainty, potentials, frames, measured, atoms)
    streamed = spread_over(
        potentials, frames, uncertainties=[uncertainty], atoms_at_once=1
    ).disagreement
    found = {name: streamed[name] for name in measured if name in streamed}
    _hold(_equal(found, measured), "numbers do not depend on chunks")
    _check_broken_member(uncertainty, potentials, frames)
    kind = type(uncertainty)
    again = kind.from_bytes(uncertainty.to_bytes()).measure(potentials, frames)
    _hold(_equal(again, measured), "to_bytes and from_bytes keep it")
    decoded = MontyDecoder().decode(MontyEncoder().encode(uncertainty))
    _hold(isinstance(decoded, kind), "JSON keeps its class")
    again = decoded.measure(potentials, frames)
    _hold(_equal(again, measured), "JSON keeps it")


def _check_numbers(numbers: PerFrame, n: int, what: str) -> None:
    _hold(bool(numbers), f"there are numbers of each {what}")
    for name, values in numbers.items():
        _hold(
            isinstance(values, np.ndarray) and values.dtype.kind == "f",
            f"{name} is an array of floats",
        )
        _hold(values.shape == (n,), f"{name} has one number for each {what}")
        _hold(not (values < 0).any(), f"{name} is not negative")
        _hold(bool(np.isfinite(values).all()), f"{name} is finite for these frames")


def _check_names(
    uncertainty: Uncertainty, measured: Mapping[str, object], atoms: PerFrame
) -> None:
    if isinstance(uncertainty, CommitteeSpread):  # whose names are the properties'
        return
    reserved = {*DECIDING, HAS_STRESS, *MAGNITUDES} & measured.keys()
    _hold(not reserved, "no name is one that the committee's predictions have")
    known = {*atoms, *(f"{name}_rms" for name in atoms)}
    _hold(
        measured.keys() <= known,
        "what is measured of frames is measured of atoms, under the same name or "
        "without _rms",
    )


def _check_frames(
    uncertainty: Uncertainty,
    potentials: Sequence[Potential],
    frames: Dataset,
    measured: PerFrame,
) -> None:
    rng = np.random.default_rng(0)
    labelled = frames.with_labels(
        energy=rng.normal(size=len(frames)),
        forces=rng.normal(size=frames.positions.shape),
        stress=np.ones((len(frames), 3, 3)),
    )
    again = uncertainty.measure(potentials, labelled)
    _hold(_equal(again, measured), "labels are not read")
    backwards = np.arange(len(frames))[::-1]
    again = uncertainty.measure(potentials, frames[backwards])
    reordered = {name: values[backwards] for name, values in measured.items()}
    _hold(_equal(again, reordered), "the order of the frames does not matter")
    alone = [uncertainty.measure(potentials, frames[[i]]) for i in range(len(frames))]
    shared = set.intersection(*(set(part) for part in alone))
    joined = {name: np.concatenate([part[name] for part in alone]) for name in shared}
    _hold(_equal(joined, measured), "a frame is measured without the others")
    _hold(
        any(np.ptp(values) > 0 for values in measured.values()),
        "frames that differ are told apart",
    )


def _check_atoms(
    uncertainty: Uncertainty,
    potentials: Sequence[Potential],
    frames: Dataset,
    measured: PerFrame,
    atoms: PerFrame,
) -> None:
    lists = list(frames)
    orders = [np.arange(len(frame))[::-1] for frame in lists]
    mirrored = Dataset.from_atoms(
        [frame[order] for frame, order in zip(lists, orders, strict=True)],
        labels=False,
    )
    again = uncertainty.measure(potentials, mirrored)
    _hold(_equal(again, measured), "the order of the atoms does not matter to frames")
    shifts = zip(frames.offsets, orders, strict=False)
    rows = np.concatenate([start + order for start, order in shifts])
    again = uncertainty.measure_atoms(potentials, mirrored)
    reordered = {name: values[rows] for name, values in atoms.items()}
    _hold(_equal(again, reordered), "numbers of atoms follow the order of the atoms")


def _check_broken_member(
    uncertainty: Uncertainty, potentials: Sequence[Potential], frames: Dataset
) -> None:
    """Measure with a first member whose predictions are NaN."""
    first = potentials[0]

    def evaluate_graph(graph: object) -> Prediction:
        found = first.evaluate_graph(graph)
        arrays = (found.energy, found.forces, found.stress)
        return Prediction(*(np.full_like(values, np.nan) for values in arrays))

    broken = copy.copy(first)
    broken.evaluate_graph = evaluate_graph  # type: ignore[method-assign]
    members = [broken, *potentials[1:]]
    try:
        streamed = spread_over(members, frames, uncertainties=[uncertainty])
    except Exception as error:
        raise AssertionError(
            "the uncertainty does not keep its promise: it bears predictions that are "
            f"NaN (it raised {error!r})"
        ) from error
    names = uncertainty.measure(potentials, frames)
    _hold(
        all(np.isnan(streamed.disagreement[name]).all() for name in names),
        "it is NaN where a prediction is",
    )


def _equal(one: PerFrame, other: PerFrame) -> bool:
    """Whether two measurements have the same names and, nearly, the same numbers."""
    if one.keys() != other.keys():
        return False
    return all(
        one[name].shape == other[name].shape
        and np.allclose(
            one[name],
            other[name],
            rtol=_PRECISION,
            atol=_PRECISION * float(np.abs(other[name]).max(initial=0.0)),
        )
        for name in other
    )
