"""One label that cannot be true fails its own frame, with its reason, and no other."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.units import GPa
from jobflow import Maker, job, run_locally
from numpy.testing import assert_allclose
from pydantic import BaseModel
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.dataset import Dataset
from flowpot.dataset.io.static_documents import LabelError
from flowpot.labelling import LabellingDoc, LabellingMaker
from flowpot.labelling.batches import label_batch
from flowpot.labelling.collection import collect_outputs, labelled_shard
from flowpot.labelling.labels import FrameLabel, with_frame_labels

NAN, INF = float("nan"), float("inf")
SHEAR = [[0.0, 50.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]

BAD = [
    ({"stress": [[INF, 0, 0], [0, 1, 0], [0, 0, 1]]}, "not finite"),
    ({"stress": [[NAN, 0, 0], [0, 1, 0], [0, 0, 1]]}, "stress: 1 of 9 components"),
    ({"stress": SHEAR}, "stress is not symmetric"),
    ({"stress": [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]}, "six components in an order"),
    ({"stress": [1.0, 1.0, 1.0]}, r"stress has shape \(3,\)"),
    ({"stress": "none"}, "stress are 'none'"),
    ({"stress": [[1e9, 0, 0], [0, 1e9, 0], [0, 0, 1e9]]}, "beyond 10000 eV/A"),
    ({"forces": [[0.0, 0.0, 1.0]]}, r"forces have shape \(1, 3\), 4 atoms need"),
    ({"forces": [[0.0, 0.0, 1.0]] * 3}, r"forces have shape \(3, 3\)"),
    ({"forces": [[0.0, 1.0]] * 4}, r"forces have shape \(4, 2\)"),
    ({"forces": [[0.0, NAN, 1.0]] * 4}, "forces: 4 of 12 components are not finite"),
    ({"forces": [[0, 0, 1], [0, 0], [0, 1, 2], [0, 0, 0]]}, "rows differ in length"),
    ({"forces": [["a", "b", "c"]] * 4}, "not all are numbers"),
    ({"forces": None}, "no forces"),
    ({"energy": "-1.5"}, "energy is '-1.5': not a number"),
    ({"energy": True}, "energy is True"),
    ({"energy": 1e30}, r"energy is 1e\+30 eV for 4 atoms"),
    ({"energy": NAN}, "energy is nan"),
    ({"energy": [1.0, 2.0]}, "not a number"),
    ({"energy": None}, "no energy"),
]


@dataclass
class SpoiledEMTMaker(Maker):
    """EMT after atomate2's static contract; some frames' labels are spoiled."""

    name: str = "static"
    spoiled: list[dict[str, Any]] = field(default_factory=list)

    @job
    def make(self, structure: Structure) -> dict:
        """Label a frame; the spoiled one is known by its lattice constant."""
        atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms.calc = EMT()
        output = {
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces().tolist(),
            "stress": (atoms.get_stress(voigt=False) * -10 / GPa).tolist(),
        }
        number = round((structure.lattice.a - 3.6) / 0.001)
        if number < len(self.spoiled):
            output |= self.spoiled[number]
        return {"output": output, "dir_name": "here"}


@dataclass
class SortingEMTMaker(Maker):
    """As VASP's input set does: sorts the atoms, and returns forces in that order."""

    name: str = "static"
    moved: float = 0.0

    @job
    def make(self, structure: Structure) -> dict:
        """Label a frame, or, with `moved`, another geometry than the frame's."""
        structure = structure.get_sorted_structure()
        structure.translate_sites([1], [self.moved, 0, 0], frac_coords=False)
        atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms.calc = EMT()
        return {
            "output": {
                "structure": structure,
                "energy": atoms.get_potential_energy(),
                "forces": atoms.get_forces().tolist(),
                "stress": (atoms.get_stress(voigt=False) * -10 / GPa).tolist(),
            },
            "dir_name": "here",
        }


class Foreign(BaseModel):
    """A document of which nobody has said what its stress means."""

    energy: float | None = None
    forces: Any = None
    stress: Any = None


class ForeignDoc(BaseModel):
    """Holds one."""

    output: Foreign
    dir_name: str = "here"


@dataclass
class ForeignMaker(Maker):
    """EMT whose documents have eV/A^3 and ASE's sign."""

    name: str = "static"

    @job(output_schema=ForeignDoc)
    def make(self, structure: Structure) -> ForeignDoc:
        """Label a frame."""
        atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms.calc = EMT()
        output = Foreign(
            energy=atoms.get_potential_energy(),
            forces=atoms.get_forces().tolist(),
            stress=atoms.get_stress().tolist(),  # six components
        )
        return ForeignDoc(output=output)


def copper(number: int) -> Atoms:
    """A rattled cell, each number with a lattice constant of its own."""
    atoms = bulk("Cu", cubic=True, a=3.6 + 0.001 * number)
    atoms.rattle(0.05, seed=number)
    return atoms


def label(maker: LabellingMaker, frames, store, *, success: bool = True):
    """Run the stage and read its document."""
    flow = maker.make(frames)
    run_locally(flow, store=store, ensure_success=success)
    output = store.get_output(flow.output.uuid, load=True)
    return LabellingDoc.model_validate(output) if success else output


def test_bad_labels_are_recorded_and_the_others_kept(jobstore, clean_dir):
    """Twenty kinds of bad labels among five good ones; and the stage ends."""
    frames = Dataset.from_atoms([copper(number) for number in range(len(BAD) + 5)])
    spoiled = [bad for bad, _ in BAD]
    maker = LabellingMaker(
        static_maker=SpoiledEMTMaker(spoiled=spoiled), min_success_fraction=0.0
    )
    document = label(maker, frames, jobstore)
    shard = Dataset.load(document)
    assert document.n_labelled == 5
    assert (document.n_sent, document.n_failed) == (len(frames), len(BAD))
    assert (shard.fingerprints == frames.fingerprints[len(BAD) :]).all()
    assert np.isfinite(shard.stress).all()
    reasons = {failure.fingerprint: failure.reason for failure in document.failures}
    for number, (_, expected) in enumerate(BAD):
        with pytest.raises(AssertionError, match=expected):
            raise AssertionError(reasons[frames.fingerprints[number]])
    assert all(failure.stage == "engine" for failure in document.failures)


def test_too_many_bad_labels_stop_the_stage(jobstore, clean_dir, caplog):
    frames = Dataset.from_atoms([copper(number) for number in range(3)])
    maker = SpoiledEMTMaker(spoiled=[{"energy": 1e30}] * 2)
    label(LabellingMaker(static_maker=maker), frames, jobstore, success=False)
    assert "only 1 of 3 frames were labelled" in caplog.text
    assert "the label was refused: energy is 1e+30 eV for 4 atoms" in caplog.text


class InFolder:
    """Gives every frame one force."""

    def label_in(self, structure, folder, *, stop=None):  # noqa: ARG002
        """Label a frame in a folder."""
        return SimpleNamespace(
            state="successful",
            errors=[],
            corrections=[],
            dir_name="here",
            seconds=1.0,
            run=SimpleNamespace(n_scf_steps=3),
            output={"energy": 1.0, "forces": [[0.0, 0.0, 0.0]]},
        )


def test_a_batch_outlives_a_bad_label_too(clean_dir):
    frames = Dataset.from_atoms([copper(0), Atoms("Cu", cell=[9] * 3, pbc=True)])
    document = label_batch(InFolder(), frames, clean_dir)
    assert (document.n_labelled, document.n_failed) == (1, 1)
    assert document.runs[0].state == "failed"
    assert "forces have shape (1, 3)" in document.runs[0].errors[0]


class Moving:
    """Labels another geometry than the frame's, if that has gold."""

    def label_in(self, structure, folder, *, stop=None):
        """Label a frame in a folder."""
        document = InFolder().label_in(structure, folder, stop=stop)
        labelled = structure.copy()
        labelled.positions[1, 0] += 0.1 * ("Au" in structure.symbols)
        document.output = {
            "structure": AseAtomsAdaptor.get_structure(labelled),
            "energy": 1.0,
            "forces": np.zeros((len(structure), 3)),
        }
        return document


def test_a_batch_refuses_the_label_of_another_geometry(clean_dir):
    gold = copper(1)
    gold.symbols[0] = "Au"
    molecule = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.2]])
    molecule.center(vacuum=5.0)
    frames = Dataset.from_atoms([copper(0), gold, molecule])
    document = label_batch(Moving(), frames, clean_dir)
    states = [run.state for run in document.runs]
    assert states == ["successful", "failed", "successful"]
    (error,) = document.runs[1].errors
    assert "of another geometry: atom 1 lies 0.100 A" in error


class Rounded:
    """Stress near zero, of an engine whose output has a few digits."""

    def label_in(self, structure, folder, *, stop=None):
        """Label a frame in a folder."""
        document = InFolder().label_in(structure, folder, stop=stop)
        document.output = rounded_output(structure)
        return document


def rounded_output(structure):
    """Components that should be equal differ by 1e-4 kbar."""
    stress = [[0.0100, 0.0002, 0.0], [0.0001, 0.0100, 0.0], [0.0, 0.0, 0.0100]]
    forces = [[0.0, 0.0, 0.0]] * len(structure)
    return {"energy": -3.0, "forces": forces, "stress": stress}


def test_noise_in_a_stress_near_zero_ends_no_stage(clean_dir):
    frames = Dataset.from_atoms([copper(0), copper(1)])
    expected = np.diag([-0.01 * 0.1 * GPa] * 3)
    batch = label_batch(Rounded(), frames, clean_dir)
    outputs = [
        {"frames": [index], "job": "uuid", "output": rounded_output(frames[index])}
        for index in range(2)
    ]
    collected = collect_outputs(frames, outputs)
    structures = [AseAtomsAdaptor.get_structure(atoms) for atoms in frames]
    documents = [{"structure": s, "output": rounded_output(s)} for s in structures]
    for shard in (
        Dataset.load(batch.dataset),
        labelled_shard(frames, collected, max_force=None),
        Dataset.from_static_documents(documents),
    ):
        assert shard.is_labelled.all()
        assert_allclose(shard.stress, [expected] * 2, atol=1e-6)
        assert (shard.stress == shard.stress.transpose(0, 2, 1)).all()


def test_a_single_row_of_forces_is_not_repeated():
    frames = Dataset.from_atoms([copper(0)])
    row = FrameLabel(-1.0, np.ones((1, 3)), np.eye(3))
    with pytest.raises(LabelError, match=r"forces of frame 0 have shape \(1, 3\)"):
        with_frame_labels(frames, {0: row})


def test_the_stress_of_a_box_is_not_looked_at():
    output = {"energy": 1.0, "forces": np.zeros((4, 3)), "stress": SHEAR}
    label = FrameLabel.from_output(output, 4, periodic=False)
    assert np.isnan(label.stress).all()


@pytest.mark.parametrize("bad", BAD[:13] + BAD[14:19])
def test_static_documents_are_held_to_the_same(bad):
    values, expected = bad
    good = {"energy": 1.0, "forces": np.zeros((4, 3)), "stress": np.eye(3)}
    structure = AseAtomsAdaptor.get_structure(copper(0))
    document = {"structure": structure, "output": good | values}
    with pytest.raises(ValueError, match=f"document 1: .*{expected}"):
        Dataset.from_static_documents([document | {"output": good}, document])


def test_forces_return_in_the_frames_order(jobstore, clean_dir):
    """Input sets that sort by electronegativity give every atom its own force."""
    atoms = bulk("Au", cubic=True) * (2, 1, 1)
    atoms.symbols = ["Au", "Cu", "Ni", "Cu", "Au", "Ni", "Cu", "Au"]
    atoms.rattle(0.1, seed=1)
    slab = fcc111("Cu", (1, 1, 3), vacuum=6.0, periodic=True)
    slab.symbols = ["Ni", "Cu", "Al"]
    frames = Dataset.from_atoms([atoms, slab])
    document = label(LabellingMaker(static_maker=SortingEMTMaker()), frames, jobstore)
    shard = Dataset.load(document)
    for index, frame in enumerate([atoms, slab]):
        frame.calc = EMT()
        assert_allclose(shard[index].get_forces(), frame.get_forces(), atol=1e-9)
        assert_allclose(shard[index].get_stress(), frame.get_stress(), atol=1e-9)


def test_the_label_of_another_geometry_is_refused(jobstore, clean_dir):
    maker = LabellingMaker(
        static_maker=SortingEMTMaker(moved=0.1), min_success_fraction=0
    )
    document = label(maker, Dataset.from_atoms([copper(0)]), jobstore)
    assert document.n_labelled == 0
    assert "of another geometry: atom 1 lies 0.100 A" in document.failures[0].reason


def test_an_unknown_document_is_refused_before_any_engine(jobstore, clean_dir, caplog):
    frames = Dataset.from_atoms([copper(0)])
    flow = LabellingMaker(static_maker=ForeignMaker()).make(frames)
    run_locally(flow, store=jobstore)
    assert "Foreign are unknown: set the LabellingMaker's stress_convention" in (
        caplog.text
    )
    assert [d["name"] for d in jobstore.query({})] == []  # nothing has run


def test_a_stated_convention_is_followed(jobstore, clean_dir, monkeypatch):
    atoms = copper(0)
    frames = Dataset.from_atoms([atoms])
    atoms.calc = EMT()
    maker = LabellingMaker(static_maker=ForeignMaker(), stress_convention="ase")
    shard = Dataset.load(label(maker, frames, jobstore))
    assert_allclose(shard[0].get_stress(), atoms.get_stress(), atol=1e-9)

    monkeypatch.setattr(Foreign, "stress_convention", "ase", raising=False)
    maker = LabellingMaker(static_maker=ForeignMaker())
    shard = Dataset.load(label(maker, frames, jobstore))
    assert_allclose(shard[0].get_stress(), atoms.get_stress(), atol=1e-9)


def test_conventions_have_names():
    with pytest.raises(ValueError, match="stress_convention is 'kbar': use one of"):
        LabellingMaker(stress_convention="kbar")
