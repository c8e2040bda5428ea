"""The contract of generators: kept by all of flowpot's, and broken on purpose."""

from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import ClassVar

import numpy as np
import pytest
from ase.build import bulk, mx2

from flowpot.augmentation import (
    Alloys,
    Batch,
    Clusters,
    Dimers,
    Distortions,
    ParentGenerator,
    RandomStructures,
    Slabs,
    Strains,
    ThermalDisplacements,
    Vacancies,
    dataset_of,
    generators,
)
from flowpot.augmentation.contract import check_generator

STRUCTURES = [
    bulk("FeO", "rocksalt", a=4.3, cubic=True),
    mx2("MoS2", a=3.18, vacuum=7.5),
]
GENERATORS = [
    (Distortions(n_frames=6), {"n_frames": 12}),
    (Strains(n_frames=3), {"n_frames": 6}),
    (Vacancies(n_frames=2, n_vacancies=2), {"n_frames": 4, "draws": False}),
    (Vacancies(n_frames=3, fraction=0.1), {"n_frames": 6}),
    (Clusters(n_frames=4), {"n_frames": 4}),
    (Dimers(n_points=3), {"n_frames": 30, "draws": False}),
    (Slabs(((1, 0, 0),), 4.0, 60, 4.0), {"n_frames": 1, "draws": False}),
    (Alloys(("Fe", "Co"), ("O", "S"), n_frames=4), {"n_frames": 4}),
    (ThermalDisplacements((100.0,), n_frames=2), {"n_frames": 4}),
]


@pytest.mark.parametrize(("generator", "options"), GENERATORS)
def test_contract(generator, options):
    check_generator(generator, STRUCTURES, **options)


def test_contract_of_random_structures():
    pytest.importorskip("pyxtal")
    check_generator(RandomStructures(n_frames=2, max_atoms=3), STRUCTURES, n_frames=2)


def test_every_generator_is_tested():
    tested = {type(generator) for generator, _ in GENERATORS} | {RandomStructures}
    assert tested == set(generators().values())


@dataclass(frozen=True)
class Rattled(ParentGenerator):
    """Displaces every atom by the same small length; what else it does is a fault."""

    fault: str = ""

    kind: ClassVar[str] = "rattled"

    def from_parent(self, parent, inputs, rng):
        if len(parent.cell) == 1 and self.fault != "silent":
            return Batch(dataset_of([], self.kind), notes=("one atom cannot move",))
        atoms = parent.supercell if self.fault == "input" else parent.supercell.copy()
        n = 0 if len(parent.cell) == 1 or self.fault == "no frames" else 1
        moves = rng.normal(size=(len(atoms), 3))
        if self.fault == "unseeded":
            moves = np.random.default_rng().normal(size=(len(atoms), 3))
        if self.fault == "seedless":
            moves = np.ones((len(atoms), 3))
        if self.fault == "others":
            moves *= len(inputs.parents)
        atoms.positions += moves * (2.0 if self.fault == "close" else 0.01)
        if self.fault == "moments":
            atoms.set_initial_magnetic_moments(None)
        if self.fault == "charge":
            atoms.info.pop("charge", None)
        if self.fault == "spin":
            atoms.info["spin"] = 2
        if self.fault == "pbc":
            atoms.pbc = True
        frames = dataset_of([atoms] * n, self.kind)
        return Batch(frames)


@dataclass(frozen=True)
class Rootless(Rattled):
    """Leaves out the generator's own bookkeeping."""

    def generate(self, inputs):
        for batch in super().generate(inputs):
            dropped = {"nameless": "config_type", "orphan": "parent"}.get(self.fault)
            frames = batch.frames
            if dropped and len(frames):
                frames = frames.with_info(**{dropped: None})
            source = () if self.fault == "sourceless" else batch.source
            yield replace(batch, frames=frames, source=source)


@dataclass(frozen=True)
class Twin(Rattled):
    """Has the kind, and so the random numbers, of another generator."""

    kind: ClassVar[str] = "distorted"


@dataclass(frozen=True)
class Forgetful(Rattled):
    """Forgets its parameter when it is stored."""

    def as_dict(self):
        return super().as_dict() | {"fault": ""}


BROKEN = {
    "the inputs stay as they are": Rattled("input"),
    "it makes frames of these structures": Rattled("no frames"),
    "the same seed gives the same frames": Rattled("unseeded"),
    "another seed gives other frames": Rattled("seedless"),
    "depend on no other input": Rattled("others"),
    "no two atoms are too close": Rattled("close"),
    "atoms have the moments": Rattled("moments"),
    "have their parent's charge": Rattled("charge"),
    "others have none": Rattled("spin"),
    "no open direction becomes periodic": Rattled("pbc"),
    "a note says why": Rattled("silent"),
    "frames have a config_type": Rootless("nameless"),
    "frames name their parent": Rootless("orphan"),
    "a source begins with the kind": Rootless("sourceless"),
    "no other generator has its kind": Twin(),
    "written down and read back": Forgetful("forgotten"),
}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_broken_promise_is_named(promise):
    with pytest.raises(AssertionError, match=promise):
        check_generator(BROKEN[promise], STRUCTURES)


def test_what_is_not_broken_keeps_the_contract():
    check_generator(Rattled(), STRUCTURES, n_frames=2)
    with pytest.raises(AssertionError, match="it makes 3 frames, not 2"):
        check_generator(Rattled(), STRUCTURES, n_frames=3)


def test_generators_of_other_packages_are_found_by_entry_points(monkeypatch):
    point = EntryPoint("rattled", f"{__name__}:Rattled", "flowpot.generators")
    monkeypatch.setattr(EntryPoint, "load", lambda _: Rattled)
    monkeypatch.setattr("flowpot.plugins.entry_points", lambda **_: [point])
    assert generators()["Rattled"] is Rattled
    monkeypatch.setattr(EntryPoint, "load", lambda _: dict)
    with pytest.raises(TypeError, match="subclass of flowpot"):
        generators()
