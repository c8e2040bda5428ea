"""The stress of each kind of document, against atomate2 and finite differences."""

import ast
from pathlib import Path

import atomate2
import numpy as np
import pytest
from ase.build import bulk
from atomate2.ase.schemas import OutputDoc as AseOutput
from atomate2.common.flows.elastic import BaseElasticMaker
from atomate2.forcefields.jobs import ForceFieldStaticMaker
from emmet.core.tasks import OutputDoc as VaspOutput
from jobflow import run_locally
from numpy.testing import assert_allclose
from pydantic import BaseModel

from flowpot.dataset import Dataset
from flowpot.dataset.io.static_documents import (
    CONVENTIONS,
    KBAR,
    LabelError,
    UnknownStressError,
    read_labels,
    stress_convention,
)
from flowpot.labelling import LabellingDoc, LabellingMaker
from flowpot.labelling.espresso.document import EspressoOutput


class _Output(BaseModel):
    energy: float = -1.0
    forces: list[list[float]] = [[0.0, 0.0, 0.0]]
    stress: list = [[1.0, 2.0, 0.0], [2.0, 3.0, 0.0], [0.0, 0.0, 5.0]]


def document_of(module: str, name: str) -> BaseModel:
    """A document as a class of that name would hold it, whether installed or not."""
    return type(name, (_Output,), {"__module__": module, "__qualname__": name})()


def sign_correction(code: str) -> float:
    """What atomate2's elastic flow of a code multiplies its stress by."""
    source = Path(atomate2.__file__).parent / code / "flows" / "elastic.py"
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name == "stress_sign_correction":
            names = {"EV_PER_A3_TO_KBAR": 1 / KBAR}
            returned = ast.unparse(node.body[-1].value)
            return eval(returned, names)
    return BaseElasticMaker.stress_sign_correction.fget(None)


@pytest.mark.parametrize(
    ("code", "module", "name"),
    [
        ("vasp", "emmet.core.tasks", "OutputDoc"),
        ("forcefields", "atomate2.ase.schemas", "OutputDoc"),
        ("aims", "atomate2.aims.schemas.task", "OutputDoc"),
        ("torchsim", "atomate2.torchsim.schema", "CalculationOutput"),
    ],
)
def test_against_the_elastic_flows_of_atomate2(code, module, name):
    """pymatgen's elastic analysis takes kbar of VASP's sign, and multiplies by -0.1."""
    document = document_of(module, name)
    stress = read_labels(document, 1)["stress"]
    in_gpa = -0.1 * sign_correction(code) * np.array(document.stress)
    assert_allclose(stress, in_gpa * 10 * KBAR, rtol=1e-6)


def test_classes_are_known_by_their_bases():
    class Extended(AseOutput):
        pass

    assert stress_convention(Extended) == stress_convention(VaspOutput) == "vasp"
    assert stress_convention(EspressoOutput()) == "vasp"
    assert stress_convention({"energy": 1.0}) == "vasp"  # the contract
    kind = {"@module": "atomate2.aims.schemas.task", "@class": "OutputDoc"}
    assert stress_convention(kind) == "aims"
    for unknown in (_Output(), {"@module": "a.b", "@class": "Output"}):
        with pytest.raises(UnknownStressError, match="or give that class an attribute"):
            stress_convention(unknown)
    assert stress_convention(_Output(), "ase") == "ase"


def test_six_components_are_taken_where_their_order_is_known():
    document = document_of("atomate2.aims.schemas.task", "OutputDoc")
    document.stress = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    full = [[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]]
    assert_allclose(read_labels(document, 1)["stress"], KBAR * np.array(full))
    document = document_of("emmet.core.tasks", "OutputDoc")
    document.stress = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    with pytest.raises(LabelError, match="six components"):
        read_labels(document, 1)
    assert set(CONVENTIONS) == {"vasp", "aims", "ase"}


def check_finite_differences(maker, atoms, store, step: float = 1e-4) -> None:
    """The stress is the gradient of the labels' own energy by the strain."""
    modes = [(0, 0), (2, 2), (0, 1)]
    frames = [atoms]
    for i, j in modes:
        for sign in (1, -1):
            strain = np.eye(3)
            strain[i, j] += sign * step / 2
            strain[j, i] += sign * step / 2
            moved = atoms.copy()
            moved.set_cell(atoms.cell @ strain, scale_atoms=True)
            frames.append(moved)
    flow = LabellingMaker(static_maker=maker).make(Dataset.from_atoms(frames))
    run_locally(flow, store=store, ensure_success=True)
    output = store.get_output(flow.output.uuid, load=True)
    shard = Dataset.load(LabellingDoc.model_validate(output))
    for k, (i, j) in enumerate(modes):
        slope = (shard.energy[1 + 2 * k] - shard.energy[2 + 2 * k]) / (2 * step)
        assert shard.stress[0, i, j] == pytest.approx(
            slope / atoms.get_volume(), rel=2e-3, abs=2e-6
        )
    assert np.abs(shard.stress[0]).max() > 1e-3  # else nothing was shown


def test_effective_medium_theory(emt, jobstore, clean_dir):
    atoms = bulk("Cu", cubic=True, a=3.5)
    atoms.rattle(0.1, seed=2)
    check_finite_differences(emt, atoms, jobstore)


def test_mace(random_mace, jobstore, clean_dir):
    torch = pytest.importorskip("torch")
    torch.save(random_mace(3, ("Si",), "float64"), "model.pt")
    maker = ForceFieldStaticMaker(
        force_field_name={
            "@module": "mace.calculators",
            "@callable": "MACECalculator",
        },
        calculator_kwargs={
            "model_paths": str(clean_dir / "model.pt"),
            "device": "cpu",
            "default_dtype": "float64",
        },
    )
    atoms = bulk("Si", "diamond", a=5.2)
    atoms.rattle(0.1, seed=2)
    check_finite_differences(maker, atoms, jobstore)
