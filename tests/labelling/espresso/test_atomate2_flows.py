"""atomate2's flows take the Maker unchanged, and their physics comes out right."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from ase.eos import EquationOfState
from ase.units import GPa
from atomate2.common.flows.eos import CommonEosMaker
from atomate2.forcefields.flows.elastic import ElasticMaker
from jobflow import run_locally

from flowpot.labelling.espresso import EspressoStaticMaker
from flowpot.labelling.frames import to_structure

pytestmark = [pytest.mark.qe, pytest.mark.slow]

LATTICE = 5.47  # A, near the minimum of PBE with this pseudopotential


@pytest.fixture
def maker() -> EspressoStaticMaker:
    """Converged to a few percent of an elastic constant."""
    return EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=0.55,  # 4x4x4 at every volume here: a mesh that changes is a step
        user_settings={"SYSTEM": {"ecutwfc": 24.0, "degauss": 0.005}},
    )


@pytest.fixture
def silicon_cell():
    return to_structure(bulk("Si", "diamond", a=LATTICE))


@pytest.fixture
def bulk_modulus_by_hand(maker, tmp_path) -> float:
    """Of a Birch-Murnaghan fit to seven energies (GPa)."""
    volumes, energies = [], []
    for scale in np.linspace(0.97, 1.03, 7):
        atoms = bulk("Si", "diamond", a=LATTICE * scale)
        volumes.append(atoms.get_volume())
        energies.append(maker.label_in(atoms, tmp_path / "eos").output.energy)
    _, _, modulus = EquationOfState(volumes, energies, eos="birchmurnaghan").fit()
    return modulus / GPa


def run(flow, store):
    """Run a flow and give the outputs of its jobs by name."""
    run_locally(flow, store=store, create_folders=True, ensure_success=True)
    documents = store.query({}, load=True)
    return {document["name"]: document["output"] for document in documents}


def test_elastic(maker, silicon_cell, bulk_modulus_by_hand, jobstore, clean_dir):
    flow = ElasticMaker(bulk_relax_maker=None, elastic_relax_maker=maker).make(
        silicon_cell
    )
    outputs = run(flow, jobstore)
    derived = outputs["fit_elastic_tensor"]["derived_properties"]
    assert derived["k_vrh"] == pytest.approx(bulk_modulus_by_hand, rel=0.10)
    tensor = np.array(outputs["fit_elastic_tensor"]["elastic_tensor"]["ieee_format"])
    # PBE: C11 153, C12 57 GPa (de Jong et al., Sci. Data 2, 150009 (2015)). C44 is
    # that of clamped ions here, since single points relax nothing.
    assert tensor[0, 0] == pytest.approx(153, rel=0.1)
    assert tensor[0, 1] == pytest.approx(57, rel=0.15)


def test_equation_of_state(
    maker, silicon_cell, bulk_modulus_by_hand, jobstore, clean_dir
):
    flow = CommonEosMaker(
        initial_relax_maker=None,
        eos_relax_maker=maker,
        static_maker=None,
        linear_strain=(-0.03, 0.03),
        number_of_frames=6,
    ).make(silicon_cell)
    outputs = run(flow, jobstore)
    fits = outputs[flow.jobs[-1].name]["relax"]["EOS"]
    modulus = fits["birch_murnaghan"]["b0 GPa"]
    assert modulus == pytest.approx(bulk_modulus_by_hand, rel=0.10)


def test_phonons(maker, silicon_cell, jobstore, clean_dir):
    pytest.importorskip("phonopy", reason="atomate2's phonon flow needs phonopy")
    pytest.importorskip("seekpath", reason="atomate2's phonon flow needs seekpath")
    from atomate2.forcefields.flows.phonons import PhononMaker

    flow = PhononMaker(
        bulk_relax_maker=None,
        static_energy_maker=None,
        phonon_displacement_maker=replace(maker, kspacing=0.8),
        born_maker=None,
        min_length=5.0,  # 8 atoms: enough for the modes at Gamma
        use_symmetrized_structure="primitive",
        create_thermal_displacements=False,
        store_force_constants=False,
    ).make(silicon_cell)
    outputs = run(flow, jobstore)
    document = outputs["generate_frequencies_eigenvectors"]
    frequencies = np.array(document["phonon_bandstructure"]["bands"])
    assert not document["has_imaginary_modes"]
    # The optical mode at Gamma: 15.2 THz in PBE, 15.5 THz measured.
    assert frequencies.max() == pytest.approx(15.2, rel=0.05)
