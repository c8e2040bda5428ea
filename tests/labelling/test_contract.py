"""The contract of static Makers holds for pw.x and for others, and can be broken."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa
from jobflow import Maker, job
from pydantic import BaseModel
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.labelling import EspressoStaticMaker
from flowpot.labelling.contract import check_static_maker

sys.path.append(str(Path(__file__).parents[1] / "integration"))
from logged_emt import LoggedEMTMaker

from refinable_emt import ShiftingMaker


@pytest.fixture
def alloy() -> Atoms:
    """Three species, strained and rattled."""
    atoms = bulk("Cu", cubic=True, a=3.7)
    atoms.symbols = ["Ni", "Cu", "Au", "Cu"]
    atoms.rattle(0.1, seed=1)
    return atoms


@dataclass
class SpoiledMaker(Maker):
    """EMT on atomate2's static contract, with one thing wrong."""

    name: str = "static"
    wrong: str = ""

    def make(self, structure: Structure, prev_dir: str | None = None):
        """Make the job."""
        made = self.label(structure, prev_dir)
        made.name = "other" if self.wrong == "name" else self.name
        return made

    @job
    def label(self, structure: Structure, prev_dir: str | None = None) -> dict:
        """Label a structure."""
        del prev_dir
        if self.wrong == "fails":
            raise RuntimeError("no SCF")
        atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms.calc = EMT()
        forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
        output = {
            "energy": atoms.get_potential_energy(),
            "forces": forces.tolist(),
            "stress": (stress * -10 / GPa).tolist(),
        }
        output |= {
            "no forces": {"forces": None},
            "no stress": {"stress": None},
            "units of forces": {"forces": (forces / 0.529).tolist()},
            "sign of forces": {"forces": (-forces).tolist()},
            "reversed": {"forces": forces[::-1].tolist()},
            "sorted": {"forces": forces[np.argsort(atoms.positions[:, 0])].tolist()},
            "sign of the stress": {"stress": (stress * 10 / GPa).tolist()},
            "units of the stress": {"stress": (-stress).tolist()},
            "another geometry": {"structure": structure.copy().scale_lattice(40)},
        }.get(self.wrong, {})
        return {"output": output} | (
            {} if self.wrong == "no dir_name" else {"dir_name": "here"}
        )


class OwnOutput(BaseModel):
    """Nobody has said what its stress means."""

    energy: float
    forces: list
    stress: list


class OwnDoc(BaseModel):
    """Holds one."""

    output: OwnOutput
    dir_name: str = "here"


@dataclass
class OwnDocumentMaker(SpoiledMaker):
    """Returns documents of its own class, in eV/A^3 and with ASE's sign."""

    @job(output_schema=OwnDoc)
    def label(self, structure: Structure, prev_dir: str | None = None) -> OwnDoc:
        """Label a structure."""
        del prev_dir
        atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms.calc = EMT()
        output = OwnOutput(
            energy=atoms.get_potential_energy(),
            forces=atoms.get_forces().tolist(),
            stress=atoms.get_stress().tolist(),
        )
        return OwnDoc(output=output)


@dataclass
class ForgetfulMaker(SpoiledMaker):
    """Does not write down a field that changes its energies."""

    def as_dict(self) -> dict:
        """Leave out the field."""
        return super().as_dict() | {"wrong": "shifted"}

    @job
    def label(self, structure: Structure, prev_dir: str | None = None) -> dict:
        """Label a structure."""
        output = SpoiledMaker.label.original(self, structure, prev_dir)
        output["output"]["energy"] += len(self.wrong)
        return output


@dataclass
class DeafMaker(SpoiledMaker):
    """Has a hook for soft failures, and fails with an error all the same."""

    fail_softly: bool = False


@dataclass
class LyingMaker(SpoiledMaker):
    """Has a limit of distances, and does not hold it."""

    min_distance_fraction: float | None = None


@dataclass
class EmptyMaker(SpoiledMaker):
    """Has wavefunctions of no plane waves."""

    def n_plane_waves(self, atoms: Atoms) -> float:
        """Return a number that cannot be."""
        return 0.0 * len(atoms)


@dataclass
class IdleMaker(SpoiledMaker):
    """Has a refined copy that is refined in nothing."""

    def refined(self) -> "IdleMaker":
        """Return a copy."""
        return replace(self)


def test_a_maker_of_another_package(alloy, clean_dir, emt):
    check_static_maker(
        LoggedEMTMaker(), alloy, failing=SpoiledMaker(wrong="fails"), gradients=True
    )
    check_static_maker(emt, alloy, gradients=True)


def test_a_document_whose_stress_is_explained(alloy, clean_dir):
    maker = OwnDocumentMaker()
    check_static_maker(maker, alloy, gradients=True, stress_convention="ase")
    with pytest.raises(AssertionError, match=r"stress in documents of .* are unknown"):
        check_static_maker(maker, alloy)


@pytest.mark.qe
def test_pw(pair, cheap, clean_dir):
    electrons = {"electron_maxstep": 1, "conv_thr": 1e-14}
    system = cheap.user_settings["SYSTEM"]
    failing = replace(cheap, user_settings={"SYSTEM": system, "ELECTRONS": electrons})
    check_static_maker(cheap, pair, failing=failing)


@pytest.mark.qe
def test_gradients_of_pw(pair, cheap, clean_dir):
    """At a cutoff where its stress is nearly converged."""
    system = {"ecutwfc": 30.0, "ecutrho": 160.0, "nosym": True}
    fine: EspressoStaticMaker = replace(cheap, user_settings={"SYSTEM": system})
    check_static_maker(fine, pair, gradients=True)


@pytest.mark.parametrize(
    ("wrong", "promise"),
    [
        ("no forces", "is labelled .*its document has no forces"),
        ("no stress", "the label of a crystal has a stress"),
        ("no dir_name", r"every field that a labelling stage reads \('dir_name'\)"),
        ("another geometry", "its document is of another geometry"),
        ("name", "its job has its name"),
        ("fails", "a frame that is in order is labelled"),
        ("sorted", "forces are in the order in which the atoms were sent"),
        ("reversed", "forces are in the order"),
        ("units of forces", "forces are the negative gradient"),
        ("sign of forces", "forces are the negative gradient"),
        ("sign of the stress", "the stress is the derivative"),
        ("units of the stress", "the stress is the derivative"),
    ],
)
def test_a_broken_promise_is_named(wrong, promise, alloy, clean_dir):
    with pytest.raises(AssertionError, match=promise):
        check_static_maker(SpoiledMaker(wrong=wrong), alloy, gradients=True)


def test_broken_hooks_are_named(alloy, clean_dir):
    with pytest.raises(AssertionError, match="after the Maker was written down"):
        check_static_maker(ForgetfulMaker(), alloy)
    with pytest.raises(AssertionError, match="with state 'failed'"):
        check_static_maker(SpoiledMaker(), alloy, failing=DeafMaker(wrong="fails"))
    with pytest.raises(AssertionError, match="gives no label"):
        check_static_maker(SpoiledMaker(), alloy, failing=SpoiledMaker())
    with pytest.raises(AssertionError, match="two atoms in one place is refused"):
        check_static_maker(LyingMaker(), alloy)
    with pytest.raises(AssertionError, match="refined copy has other settings"):
        check_static_maker(IdleMaker(), alloy)
    with pytest.raises(AssertionError, match="at least one plane wave"):
        check_static_maker(EmptyMaker(), alloy)


def test_a_refined_copy_labels_too(alloy, clean_dir):
    check_static_maker(ShiftingMaker(), alloy, stress_convention="ase")
    maker = ShiftingMaker(fails="refined")
    with pytest.raises(AssertionError, match="a frame that is in order is labelled"):
        check_static_maker(maker, alloy, stress_convention="ase")


def test_frames_that_tell_nothing_are_refused(clean_dir):
    with pytest.raises(ValueError, match="further from its minimum"):
        check_static_maker(SpoiledMaker(), bulk("Cu", cubic=True), gradients=True)
    with pytest.raises(ValueError, match="at least two atoms"):
        check_static_maker(SpoiledMaker(), bulk("Cu"))
