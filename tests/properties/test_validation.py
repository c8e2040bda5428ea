"""A committee whose members differ in a known way, through the whole Flow."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from jobflow import Flow, run_locally
from monty.json import MontyDecoder, MontyEncoder
from scipy.stats import t as student

from flowpot import Artifact, Dataset, LabellingMaker, ValidationMaker
from flowpot.jobs import stage_job
from flowpot.potentials import registry
from flowpot.properties.assembly import _drop_other_paths
from flowpot.properties.curves import read_arrays
from flowpot.properties.document import (
    MemberDoc,
    ValidationDoc,
)
from flowpot.properties.member import calculate_member
from flowpot.training.document import CommitteeDoc, PotentialDoc
from known_potentials import BrokenEMT, lennard_jones
from refinable_emt import ShiftingMaker
from stiffened_emt import StiffenedEMT, stiffened_members

ARGON = bulk("Ar", a=5.3)
QUICK = {"nve_steps": 20, "nve_length": 3.0, "eos_points": 5}


def members(*epsilons):
    return [
        {"calculator": lennard_jones, "kwargs": {"epsilon": epsilon}}
        for epsilon in epsilons
    ]


def test_moduli_in_proportion_have_the_interval_of_their_factors(validated):
    """Stresses are in proportion to epsilon, and so are all moduli; volumes are not."""
    factors = np.array([0.010, 0.011, 0.0125])
    maker = ValidationMaker(
        properties=("eos",), references={"bulk_modulus": 2.0}, **QUICK
    )
    committee = [*members(*factors), BrokenEMT]
    document = validated(maker, committee, ARGON)
    crystal = document.crystal("Ar Fm-3m")
    modulus = crystal.quantity("bulk_modulus")
    relative = np.array(modulus.members[:3]) / modulus.mean
    assert relative == pytest.approx(factors / factors.mean(), rel=1e-3)
    half = student.ppf(0.975, 2) * factors.std(ddof=1) * np.sqrt(4 / 3)
    assert modulus.relative_half_width == pytest.approx(half / factors.mean(), rel=1e-3)
    assert modulus.interval_kind == "members"
    assert modulus.members[3] is None
    assert crystal.quantity("volume").relative_half_width < 1e-4
    assert modulus.unit == "GPa"
    assert [(f.member, f.calculation) for f in crystal.failures] == [(3, "eos")]
    assert "no convergence" in document.verdict
    assert "0 of 1" in document.verdict or "1 of 1" in document.verdict
    assert read_arrays(document.curves)["Ar Fm-3m/eos/energies"].shape == (3, 6)
    frames = Dataset.load(document)
    assert set(frames.column("property")) == {"eos"}
    assert not len(frames.labelled)
    assert document.too_uncertain({"bulk_modulus": 10.0, "volume": 0.01}) == []
    wide = document.too_uncertain({"bulk_modulus": 0.01, "colour": 1.0})
    assert "bulk_modulus of Ar Fm-3m is +-" in wide[0]
    assert wide[1] == "colour is not known"


def test_a_static_maker_gives_the_reference(validated):
    labelling = LabellingMaker(
        static_maker=ShiftingMaker(), stress_convention="ase", min_success_fraction=0
    )
    maker = ValidationMaker(
        properties=("eos",),
        reference_maker=labelling,
        references={"energy": 0.0},
        **QUICK,
    )
    document = validated(maker, [EMT], bulk("Cu"))
    crystal = document.crystal()
    modulus = crystal.quantity("bulk_modulus")
    assert modulus.reference == pytest.approx(modulus.mean, rel=1e-6)
    assert modulus.reference_source == "ShiftingMaker"
    assert crystal.quantity("energy").reference == 0.0  # what is given is kept
    assert crystal.quantity("energy").reference_source == "given"
    assert modulus.interval is None  # one member has no spread
    assert "One member has no spread" in document.verdict


def test_a_reference_that_fails_is_a_note(validated):
    labelling = LabellingMaker(
        static_maker=ShiftingMaker(fails="usual"),
        stress_convention="ase",
        min_success_fraction=0,
    )
    maker = ValidationMaker(properties=("eos",), reference_maker=labelling, **QUICK)
    flow = maker.make([EMT], bulk("Cu"))
    document = run_anyhow(flow)
    assert document.crystal().quantity("bulk_modulus").reference is None
    assert "no reference by ShiftingMaker" in document.verdict


def test_a_band_that_cannot_be_had_is_a_note(validated, line, monkeypatch):
    def out_of_memory(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(registry, "registered", lambda *_: {"own": StiffenedEMT})
    monkeypatch.setattr("flowpot.properties.assembly.committee_curve", out_of_memory)
    maker = ValidationMaker(properties=("eos",), **QUICK)
    committee, given = stiffened_members(0.0, 0.02), {"energy": line(2.0)}
    document = validated(maker, committee, bulk("Cu"), calibration=given)
    assert document.crystal().quantity("bulk_modulus").interval_kind == "calibrated"
    assert "energies of Cu Fm-3m have no 95 % band" in document.verdict
    assert "out of memory" in document.verdict


def test_what_an_interval_is_made_of_is_what_it_is_doubted_by(
    validated, line, monkeypatch
):
    """Moduli are of the stress, which is trusted; the energy's error is its own."""
    monkeypatch.setattr(registry, "registered", lambda *_: {"own": StiffenedEMT})
    maker = ValidationMaker(
        properties=("eos",), references={"C33": 120.0, "bulk_modulus": 134}, **QUICK
    )
    given = {"stress": line(2.0), "energy": line(2.0, trusted=False)}
    document = validated(
        maker, stiffened_members(0.0, 0.02), bulk("Cu"), calibration=given
    )
    crystal = document.crystal()
    assert crystal.quantity("bulk_modulus").reason is None
    doubt = "the calibration of the energy: it has 3 frames"
    assert crystal.quantity("energy").reason == doubt
    assert "band of the energies of Cu Fm-3m is not to be relied on" in document.verdict
    assert "Reference values of C33 were not used" in document.verdict
    modulus = crystal.quantity("bulk_modulus")
    width = 2 * student.ppf(0.975, 1) * np.std(modulus.members)
    assert modulus.half_width == pytest.approx(width, rel=1e-3)


def test_members_of_other_axial_ratios_keep_their_phonons():
    """Points of a body-centred tetragonal crystal depend on c/a; names do not."""
    labels = np.array(["GAMMA", "SIGMA", "Z"])
    along = np.array([[0, 0, 0], [-0.25, 0.25, 0.25], [0.5, 0.5, -0.5]])
    other = along + 0.01 * (labels == "SIGMA")[:, None]
    members = [
        MemberDoc(crystal="MoSi2", member=rank, values={"phonons": {"phonon_Z_1": 3.0}})
        for rank in range(3)
    ]
    curves = [
        {"phonons/points": points, "phonons/labels": names}
        for points, names in ((along, labels), (other, labels), (along, labels[::-1]))
    ]
    (failure,) = _drop_other_paths(members, curves)
    assert failure.member == 2
    assert "phonons" in members[1].values
    assert np.array_equal(curves[1]["phonons/points"], along)


def run_anyhow(flow: Flow) -> ValidationDoc:
    from jobflow import JobStore
    from maggma.stores import MemoryStore

    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    run_locally(flow, store=store, create_folders=True)
    return ValidationDoc.model_validate(flow.output.resolve(store))


@dataclass
class LosingMaker(ValidationMaker):
    """A validation whose jobs of the second member are lost."""

    @stage_job()
    def calculate(self, model, structure, *, member, crystal):
        if member:
            raise MemoryError("killed")
        return calculate_member(model, structure, self, member, crystal)


def test_a_lost_job_is_a_member_that_failed(clean_dir):
    maker = LosingMaker(properties=("eos",), **QUICK)
    crystal = run_anyhow(maker.make([EMT, EMT], bulk("Cu"))).crystal()
    assert crystal.quantity("bulk_modulus").members[1] is None
    (failure,) = crystal.failures
    assert (failure.member, failure.calculation) == (1, "eos")
    assert "its job was killed" in failure.reason


@stage_job()
def train(models):
    """Return a committee as a training does, references in it included."""
    members = [
        PotentialDoc(model=Artifact.from_file(path), backend="mace") for path in models
    ]
    return CommitteeDoc(members=members, member_metrics=[{}] * len(members))


def test_it_follows_a_training(random_mace, clean_dir, line):
    """Committee, structures and calibration are references to outputs of other jobs."""
    import torch

    for seed in (1, 2):
        torch.save(random_mace(seed, dtype="float64"), f"{seed}.model")
    training = train([str(clean_dir / "1.model"), str(clean_dir / "2.model")])
    given = describe({"forces": line(2.0)})
    maker = ValidationMaker(properties=("nve",), **QUICK)
    cells = bulk("Si", "diamond", a=5.4)
    flow = maker.make(training.output, cells, calibration=given.output)
    document = run_anyhow(Flow([training, given, flow], output=flow.output))
    assert document.n_members == 2
    drift = document.crystal().quantity("energy_drift")
    assert len(set(drift.members)) == 2
    assert drift.interval is None  # it is a check
    assert "true value is zero" in drift.reason


@stage_job()
def describe(fits):
    """Return a calibration as an evaluation has it."""
    return fits


def test_crystals_are_told_apart(validated):
    maker = ValidationMaker(
        properties=("eos",),
        references={"Cu Fm-3m 2": {"bulk_modulus": 134}},
        **QUICK,
    )
    document = validated(maker, [EMT], [bulk("Cu"), bulk("Cu", a=3.55)])
    first, second = document.crystals
    assert [first.name, second.name] == ["Cu Fm-3m 1", "Cu Fm-3m 2"]
    assert first.quantity("bulk_modulus").reference is None
    assert second.quantity("bulk_modulus").reference == 134
    for name in ("volume", "energy", "bulk_modulus"):
        assert first.quantity(name).mean == pytest.approx(
            second.quantity(name).mean, rel=1e-3
        )
    with pytest.raises(KeyError, match="Cu Fm-3m 1"):
        document.crystal("Ag")
    with pytest.raises(KeyError, match="there are volume"):
        first.quantity("hue")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"properties": ("eos", "elastics")}, "did you mean 'elastic'"),
        ({"properties": "eos"}, "must be a list of names"),
        ({"properties": ()}, "properties is empty"),
        ({"references": {"bulk_modulos": 1}}, "did you mean 'bulk_modulus'"),
        ({"references": {"bulk_modulus": "hard"}}, "must be a number"),
        ({"references": {"Si": {"C77": 1}}}, "C77"),
        ({"references": {"C21": 120}}, "it is called 'C12'"),
        ({"references": {"phonon_Gamma_4": 14}}, "it is called 'phonon_GAMMA_4'"),
        ({"eos_strain": 3.0}, "a linear strain"),
        ({"eos_points": 3}, "use 5 or more"),
        ({"reference_maker": 3}, "must be a Maker"),
        ({"properties": ("nve",), "reference_maker": ShiftingMaker()}, "add 'eos'"),
    ],
)
def test_fields_that_cannot_be_meant_are_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        ValidationMaker(**fields)


def test_structures_that_cannot_be_meant_are_refused():
    slab = Atoms("Cu", cell=[3, 3, 20], pbc=(True, True, False))
    boxed = fcc111("Cu", (1, 1, 3), vacuum=8, periodic=True)
    for structure, words in (
        (slab, "not periodic along all axes, and eos"),
        (boxed, "holds vacuum along c, and eos need a crystal"),
        (Atoms("Cu"), "has no cell"),
        ([], "structures is empty"),
    ):
        with pytest.raises(ValueError, match=words):
            ValidationMaker(properties=("eos",)).make([EMT], structure)
    with pytest.raises(ValueError, match="committee has no member"):
        ValidationMaker().make([], bulk("Cu"))
    maker = ValidationMaker(references={"bulk_modulus": 1})
    with pytest.raises(ValueError, match="without a crystal, and there are 2"):
        maker.make([EMT], [bulk("Cu"), bulk("Al")])
    maker = ValidationMaker(references={"Si": {"bulk_modulus": 1}})
    with pytest.raises(ValueError, match="there are 'Cu Fm-3m'"):
        maker.make([EMT], bulk("Cu"))


def test_it_is_stored_and_read_back():
    maker = ValidationMaker(properties=("eos",), references={"bulk_modulus": 1.0})
    text = json.dumps(maker, cls=MontyEncoder)
    assert json.loads(text, cls=MontyDecoder) == maker
