"""Of VASP's energies the label is the one whose gradient forces and stress are."""

from dataclasses import dataclass, field

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa
from emmet.core.tasks import OutputDoc, TaskDoc
from emmet.core.vasp.calculation import (
    Calculation,
    CalculationInput,
    CalculationOutput,
    IonicStep,
)
from jobflow import Flow, Maker, job, run_locally
from monty.json import jsanitize
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.dataset import Dataset
from flowpot.labelling import LabellingDoc, LabellingMaker

SMEARED = 0.02  # eV by which the extrapolated energy is higher


def vasp_document(structure: Structure, *, with_steps: bool = True) -> TaskDoc:
    """EMT's label as the free energy of a document that emmet makes of VASP's files."""
    atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    atoms.calc = EMT()
    free = atoms.get_potential_energy()
    label = {
        "forces": atoms.get_forces().tolist(),
        "stress": (atoms.get_stress(voigt=False) * -10 / GPa).tolist(),
        "structure": structure,
    }
    step = IonicStep(e_fr_energy=free, e_0_energy=free + SMEARED, **label)
    output = CalculationOutput(
        structure=structure,
        energy=free + SMEARED,
        ionic_steps=[IonicStep(e_fr_energy=0.0), step] if with_steps else None,
    )
    inputs = CalculationInput(incar={}, parameters={}, structure=structure)
    return TaskDoc.from_structure(
        meta_structure=structure,
        structure=structure,
        dir_name="here",
        completed_at=None,
        last_updated=None,
        input=inputs,
        calcs_reversed=[Calculation(input=inputs, output=output)],
        output=OutputDoc(energy=free + SMEARED, **label),
    )


@dataclass
class VaspMaker(Maker):
    """Returns VASP's documents, whose ionic steps may have been left out."""

    name: str = "static"
    with_steps: bool = True

    @job(output_schema=TaskDoc)
    def make(self, structure: Structure) -> TaskDoc:
        """Label a frame."""
        return vasp_document(structure, with_steps=self.with_steps)


@dataclass
class VaspFlowMaker(Maker):
    """The same from a flow."""

    name: str = "static flow"
    static_maker: VaspMaker = field(default_factory=VaspMaker)

    def make(self, structure: Structure) -> Flow:
        """Make the flow."""
        static = self.static_maker.make(structure)
        return Flow([static], output=static.output, name=self.name)


@pytest.fixture
def frames() -> Dataset:
    """Two frames with EMT's labels."""
    cells = [bulk("Cu", cubic=True, a=a) for a in (3.6, 3.7)]
    for seed, atoms in enumerate(cells):
        atoms.rattle(0.05, seed=seed)
        atoms.calc = EMT()
        atoms.get_stress()
    return Dataset.from_atoms(cells)


def test_documents_as_models_and_as_dictionaries(frames):
    structures = frames.without_labels().to_structures()
    models = [vasp_document(structure) for structure in structures]
    stored = [jsanitize(model, strict=True, enum_values=True) for model in models]
    plain = [model.model_dump() for model in models]
    for documents in (models, stored, plain):
        energy = Dataset.from_static_documents(documents).energy
        assert energy == pytest.approx(frames.energy, abs=1e-9)


def test_documents_without_it_keep_their_energy(frames):
    structures = frames.without_labels().to_structures()
    trajectory = vasp_document(structures[0], with_steps=False)
    cp2k = {
        "structure": structures[1],
        "output": {"energy": -2.0},
        "calcs_reversed": [{"output": {"ionic_steps": [{"E": -3.0}]}}],
    }
    none = {"structure": structures[1], "output": {"energy": -2.0}}
    documents = [trajectory, cp2k, none, none | {"calcs_reversed": None}]
    energy = Dataset.from_static_documents(documents).energy
    expected = [frames.energy[0] + SMEARED, -2.0, -2.0, -2.0]
    assert energy == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    "maker",
    [
        LabellingMaker(static_maker=VaspMaker()),
        LabellingMaker(static_maker=VaspFlowMaker()),
        LabellingMaker(static_maker=VaspMaker(), batch_size=2),
    ],
    ids=["jobs", "flows", "batch"],
)
def test_a_stage_labels_by_the_free_energy(maker, frames, jobstore, clean_dir):
    document = label(maker, frames, jobstore)
    shard = Dataset.load(document)
    assert shard.energy == pytest.approx(frames.energy, abs=1e-9)
    assert document.remarks == []


@pytest.mark.parametrize("size", [1, 2])
def test_a_stage_says_where_there_is_none(size, frames, jobstore, clean_dir):
    static_maker = VaspMaker(with_steps=False)
    maker = LabellingMaker(static_maker=static_maker, batch_size=size)
    document = label(maker, frames, jobstore)
    energy = Dataset.load(document).energy
    assert energy == pytest.approx(frames.energy + SMEARED, abs=1e-9)
    (remark,) = document.remarks
    assert remark.n_frames == 2
    assert "the one extrapolated to zero smearing" in remark.text


def label(maker: LabellingMaker, frames: Dataset, store) -> LabellingDoc:
    """Label frames anew and read the stage's document."""
    flow = maker.make(frames.without_labels())
    run_locally(flow, store=store, ensure_success=True)
    return LabellingDoc.model_validate(store.get_output(flow.output.uuid, load=True))
