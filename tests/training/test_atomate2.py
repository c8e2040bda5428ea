"""A trained potential drives atomate2's force-field flows."""

import importlib

import pytest
from ase.build import bulk
from jobflow import run_locally
from pymatgen.io.ase import AseAtomsAdaptor

pytestmark = pytest.mark.slow

FLOWS = "atomate2.forcefields.flows"


@pytest.mark.parametrize(
    ("module", "name", "needs", "options"),
    [
        ("eos", "ForceFieldEosMaker", "pymatgen", {}),
        ("elastic", "ElasticMaker", "pymatgen", {}),
        ("phonons", "PhononMaker", "phonopy", {"min_length": 7.0}),
    ],
)
def test_flow(module, name, needs, options, member, jobstore, clean_dir):
    pytest.importorskip(needs, reason=f"pip install {needs}")
    maker = getattr(importlib.import_module(f"{FLOWS}.{module}"), name)
    flow = maker.from_force_field_name(
        force_field_name=member.force_field_name,
        calculator_kwargs=member.calculator_kwargs,
        **options,
    ).make(AseAtomsAdaptor.get_structure(bulk("Si", "diamond", a=5.43)))
    run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
