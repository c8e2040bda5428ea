"""A static Maker that can be refined, in no time."""

from dataclasses import dataclass, replace

from ase.calculators.emt import EMT
from jobflow import Maker, job
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor


@dataclass
class ShiftingMaker(Maker):
    """EMT whose refined copy shifts energies by `shift` (eV/atom), or fails."""

    name: str = "static"
    shift: float = 0.3
    is_refined: bool = False
    fails: str = ""

    def make(self, structure: Structure, prev_dir: str | None = None):
        """Make the job."""
        del prev_dir
        made = self.label(structure)
        made.name = self.name
        return made

    def refined(self) -> "ShiftingMaker":
        """Return the copy that shifts."""
        return replace(self, is_refined=True)

    @job
    def label(self, structure: Structure) -> dict:
        """Label a structure."""
        if self.fails == ("refined" if self.is_refined else "usual"):
            raise RuntimeError("no SCF")
        atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms.calc = EMT()
        output = {
            "energy": atoms.get_potential_energy()
            + self.is_refined * self.shift * len(atoms),
            "forces": atoms.get_forces().tolist(),
            "stress": atoms.get_stress(voigt=False).tolist(),
        }
        return {"output": output, "dir_name": "here"}
