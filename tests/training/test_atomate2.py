"""A trained potential of each backend drives atomate2's force-field flows."""

import importlib

import numpy as np
import pytest
from ase.build import bulk
from jobflow import run_locally
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

from .metatrain.test_training import small

pytestmark = pytest.mark.slow

FLOWS = "atomate2.forcefields.flows"


@pytest.fixture(scope="module")
def metatrain_member(silicon_set, tmp_path_factory):
    """Enough epochs that silicon is stable."""
    training = small("pet", epochs=40)
    folder = tmp_path_factory.mktemp("pet")
    sets = TrainingSets.load(silicon_set)
    (found,) = train_members(training, sets, [1], [None], Place(folder))
    assert found.failure is None
    return found


@pytest.mark.parametrize("backend", ["mace", "metatomic"])
@pytest.mark.parametrize(
    ("module", "name", "needs", "options"),
    [
        ("eos", "ForceFieldEosMaker", "pymatgen", {}),
        ("elastic", "ElasticMaker", "pymatgen", {}),
        ("phonons", "PhononMaker", "phonopy", {"min_length": 7.0}),
    ],
)
def test_flow(module, name, needs, options, backend, request, jobstore, clean_dir):
    pytest.importorskip(needs, reason=f"pip install {needs}")
    fixture = "member" if backend == "mace" else "metatrain_member"
    member = request.getfixturevalue(fixture)
    assert member.backend == backend
    maker = getattr(importlib.import_module(f"{FLOWS}.{module}"), name)
    flow = maker.from_force_field_name(
        force_field_name=member.force_field_name,
        calculator_kwargs=member.calculator_kwargs,
        **options,
    ).make(AseAtomsAdaptor.get_structure(bulk("Si", "diamond", a=5.43)))
    done = run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
    check(
        module, backend, [last.output for job in done.values() for last in job.values()]
    )


def check(module, backend, outputs):
    """
    The teacher's bulk modulus is 101 GPa, its 8 atoms fill a cube of 5.43 A.

    PET this small, trained for a minute, has twice that modulus in both flows.
    """
    stiffest = {"mace": 160, "metatomic": 350}[backend]
    if module == "eos":
        (fits,) = (each["relax"]["EOS"] for each in outputs if has(each, "relax"))
        fit = fits["birch_murnaghan"]
        assert 60 < fit["b0 GPa"] < stiffest
        assert fit["v0"] == pytest.approx(2 * 5.43**3 / 8, rel=0.15)
    elif module == "elastic":
        (found,) = (each for each in outputs if hasattr(each, "derived_properties"))
        assert 60 < found.derived_properties.k_vrh < stiffest
    else:
        (found,) = (each for each in outputs if hasattr(each, "phonon_bandstructure"))
        assert 8 < np.max(found.phonon_bandstructure.bands) < 40  # THz


def has(output, key):
    return isinstance(output, dict) and "EOS" in output.get(key, {})
