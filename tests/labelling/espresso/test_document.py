"""A document says of its structure what emmet's would."""

import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule
from emmet.core.structure import StructureMetadata as Emmets
from monty.json import jsanitize
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.labelling.espresso.document import StructureMetadata

water = molecule("H2O", vacuum=6.0)
water.pbc = True
rattled = bulk("MgO", "rocksalt", a=4.2, cubic=True)
rattled.rattle(0.2, seed=1)
layer = graphene(vacuum=7.0)
layer.pbc = True


@pytest.mark.parametrize(
    "atoms",
    [
        bulk("Si"),
        bulk("Fe", cubic=True),
        bulk("Mg"),
        rattled,
        layer,
        water,
        Atoms("Si2", cell=[3, 3, 3], positions=[[0, 0, 0], [0, 0, 1e-9]], pbc=True),
    ],
    ids=lambda atoms: atoms.get_chemical_formula(),
)
def test_it_is_emmets(atoms):
    structure = AseAtomsAdaptor.get_structure(atoms)
    ours = StructureMetadata.from_structure(structure)
    theirs = Emmets.from_structure(structure)
    assert ours.model_dump(mode="json") == theirs.model_dump(mode="json")
    stored = [jsanitize(each, strict=True, enum_values=True) for each in (ours, theirs)]
    for each in stored:  # what differs names the class
        for part in (each, each["symmetry"]):
            part.pop("@module", None)
            part.pop("@class", None)
            part.pop("@version", None)
    assert stored[0] == stored[1]
    assert type(ours).model_validate(ours.model_dump(mode="json")) == ours


def test_charges_are_no_elements():
    charged = Structure([[4, 0, 0], [0, 4, 0], [0, 0, 4]], ["Na+"], [[0, 0, 0]])
    ours = StructureMetadata.from_structure(charged)
    assert (ours.chemsys, ours.formula_pretty) == ("Na", "Na")
