"""Whether a kind of frames does what augmentation relies on."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from ase import Atoms
from monty.json import MontyDecoder, MontyEncoder

from flowpot.augmentation.augment import augment
from flowpot.augmentation.generator import (
    Batch,
    Generator,
    ParentGenerator,
    generators,
)
from flowpot.augmentation.inputs import Inputs, prepare_inputs
from flowpot.dataset import Dataset
from flowpot.dataset.geometry.neighbours import closest_contact
from flowpot.plugins import promised

_hold = partial(promised, "the generator")

_DEMANDING = 0.9
"""Shortest distance for a second run, in sums of covalent radii: hard to keep."""
_ROUNDING = 0.01
"""Differences between moments (Bohr magnetons) that do not count."""


def check_generator(
    generator: Generator,
    structures: Any,
    *,
    n_frames: int | None = None,
    draws: bool = True,
) -> None:
    """
    Test a generator; to be called by the tests of its author.

    Parameters
    ----------
    generator
        The generator, with parameters for a few frames.
    structures
        Small structures that frames can be made of, in anything that `Dataset.load`
        takes. Their moments, charges and multiplicities are replaced.
    n_frames
        Number of frames that are made of these structures, if it is known.
    draws
        Whether frames depend on the seed.

    Raises
    ------
    AssertionError
        Naming the promise that is not kept.
    """
    decoded = _check_class(generator)
    plain = list(Dataset.load(structures))
    inputs = prepare_inputs(_magnetic(plain), seed=1)
    before = _parents(inputs).to_bytes()
    made = list(generator.generate(inputs))
    _hold(_parents(inputs).to_bytes() == before, "the inputs stay as they are")
    _check_batches(generator, made, inputs)
    frames = _joined(made)
    n = len(frames)
    _hold(n > 0, "it makes frames of these structures")
    _hold(n_frames in (None, n), f"it makes {n_frames} frames, not {n}")
    again = _joined(decoded.generate(inputs))
    _hold(_same(frames, again), "the same seed gives the same frames")
    if draws:
        other = _joined(generator.generate(prepare_inputs(_magnetic(plain), seed=2)))
        _hold(not _same(frames, other), "another seed gives other frames")
    charged = prepare_inputs(_magnetic(plain, charge=1, spin=3), seed=1)
    _check_batches(generator, list(generator.generate(charged)), charged)
    # A distance that is hard to keep is kept, or refused.
    contact = min(closest_contact(atoms) for atoms in plain)
    shortest = min(0.95 * contact, _DEMANDING)
    demanding = prepare_inputs(_magnetic(plain), seed=1, min_distance=shortest)
    batches = None
    with suppress(ValueError):  # a kind of frames that cannot keep it may refuse
        batches = list(generator.generate(demanding))
    if batches is not None:
        _check_batches(generator, batches, demanding)
    if isinstance(generator, ParentGenerator):
        more = prepare_inputs([*_magnetic(plain), Atoms("He")], seed=1)
        *others, last = generator.generate(more)
        independent = _same(_joined(others), frames)
        _hold(independent, "frames of an input depend on no other input")
        is_noted = len(last.frames) > 0 or bool(last.notes)
        _hold(is_noted, "a note says why no frames are made of an input")
    whole = augment(_magnetic(plain), [generator], seed=1)
    _hold(whole.counts.get("input", 0) > 0, "its frames can be joined with others")


def _check_class(generator: Generator) -> Generator:
    """Check what does not depend on the inputs; return a copy that was serialised."""
    kind = getattr(generator, "kind", None)
    _hold(isinstance(kind, str) and bool(kind), "it has a kind")
    others = [other for other in generators().values() if other is not type(generator)]
    is_free = kind not in {other.kind for other in others}
    _hold(is_free, "no other generator has its kind")
    decoded: Generator = MontyDecoder().decode(MontyEncoder().encode(generator))
    # As JSON, which has no tuples: a tuple equals its list.
    before, after = (MontyEncoder().encode(vars(copy)) for copy in (generator, decoded))
    kept = type(decoded) is type(generator) and before == after
    _hold(kept, "it is the same after it was written down and read back")
    return decoded


def _check_batches(
    generator: Generator, batches: Sequence[Batch], inputs: Inputs
) -> None:
    """Check each frame against the input that it is made of."""
    parents = {parent.fingerprint: parent.supercell for parent in inputs.parents}
    for batch in batches:
        _hold(isinstance(batch, Batch), "it gives batches")
        _hold(batch.source[:1] == (generator.kind,), "a source begins with the kind")
        frames = batch.frames
        if not len(frames):
            continue
        _hold(not len(frames.labelled), "frames are unlabelled")
        kinds = frames.info.get("config_type", [None])
        _hold(all(isinstance(kind, str) for kind in kinds), "frames have a config_type")
        if isinstance(generator, ParentGenerator):
            _hold("parent" in frames.info, "frames name their parent")
        for frame in frames:
            name = frame.info.get("parent")
            _hold(name is None or name in parents, "a parent is an input's fingerprint")
            _check_frame(frame, parents.get(name), inputs)


def _check_frame(frame: Atoms, parent: Atoms | None, inputs: Inputs) -> None:
    """Check the geometry of a frame, and what it inherits."""
    geometry = np.vstack([frame.positions, frame.cell])
    _hold(bool(np.isfinite(geometry).all()), "positions and cells are finite")
    contact = closest_contact(frame, within=inputs.min_distance)
    _hold(contact >= inputs.min_distance, "no two atoms are too close")
    moments = np.abs(frame.get_initial_magnetic_moments())
    if parent is None:
        sizes, charge, spin = dict(inputs.moments), None, None
    else:
        stays_open = bool((frame.pbc <= parent.pbc).all())
        _hold(stays_open, "no open direction becomes periodic")
        sizes = dict(zip(parent.symbols, _moments(parent), strict=True))
        charge = parent.info.get("charge")
        same = np.array_equal(np.sort(frame.numbers), np.sort(parent.numbers))
        spin = parent.info.get("spin") if same else None
    expected = [
        sizes.get(symbol, moment)
        for symbol, moment in zip(frame.symbols, moments, strict=True)
    ]
    close = np.allclose(moments, expected, atol=_ROUNDING)
    _hold(close, "atoms have the moments that their element has in the parent")
    _hold(frame.info.get("charge") == charge, "frames have their parent's charge")
    _hold(
        frame.info.get("spin") == spin,
        "frames of the parent's atoms have its multiplicity, others have none",
    )


def _magnetic(structures: Sequence[Atoms], **info: float) -> list[Atoms]:
    """Return copies in which each element has a moment of its own."""
    copies = []
    for given in structures:
        atoms = Atoms(given.numbers, given.positions, cell=given.cell, pbc=given.pbc)
        atoms.set_initial_magnetic_moments(_moments(atoms))
        atoms.info.update(info)
        copies.append(atoms)
    return copies


def _moments(atoms: Atoms) -> Any:
    return 0.5 + atoms.numbers / 100


def _parents(inputs: Inputs) -> Dataset:
    """Return what generators may read and must not change."""
    return Dataset.from_atoms(
        [
            atoms
            for parent in inputs.parents
            for atoms in (parent.cell, parent.supercell)
        ]
    )


def _joined(batches: Any) -> Dataset:
    return Dataset.concatenate([b.frames for b in batches if len(b.frames)])


def _same(one: Dataset, other: Dataset) -> bool:
    """Tell whether frames are the same, to the last bit."""
    columns = ("numbers", "offsets", "positions", "cell", "pbc")
    return all(np.array_equal(getattr(one, c), getattr(other, c)) for c in columns)
