"""Which numbers become labels: by name, unit and sign; none is passed over."""

import ase.io
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from flowpot.dataset import Dataset, LabelKeys

FRAME = (
    '2\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3{columns} '
    '{labels} pbc="T T T"\nSi 0 0 0{first}\nSi 1 1 1{first}\n'
)


def frame(labels="", columns="", first=""):
    return FRAME.format(labels=labels, columns=columns, first=first)


@pytest.fixture
def strained():
    """Copper under stress, with its labels by EMT."""
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell * [1.03, 1.0, 0.97], scale_atoms=True)
    atoms.rattle(0.1)
    atoms.calc = EMT()
    atoms.get_stress()
    return atoms


def numerical_virial(atoms, step=1e-4):
    """Return -dE/d(strain), in eV: what every code calls the virial."""
    virial = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        energies = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[i, j] += sign * step / 2
            strain[j, i] += sign * step / 2
            new = atoms.copy()
            new.set_cell(atoms.cell @ strain, scale_atoms=True)
            new.calc = EMT()
            energies.append(new.get_potential_energy())
        virial[i, j] = (energies[1] - energies[0]) / (2 * step)
    return virial


@pytest.mark.parametrize("name", ["virial", "REF_virials", "virials", "REF_virial"])
@pytest.mark.parametrize("through_file", [True, False])
def test_virials_become_stress(name, through_file, strained, tmp_path):
    atoms = strained.copy()
    atoms.info["REF_energy"] = strained.get_potential_energy()
    atoms.info[name] = numerical_virial(strained)
    atoms.arrays["REF_forces"] = strained.get_forces()
    if through_file:
        ase.io.write(tmp_path / "a.xyz", atoms)
        dataset = Dataset.read(tmp_path / "a.xyz")
    else:
        dataset = Dataset.from_atoms([atoms])
    expected = strained.get_stress(voigt=False)
    assert np.allclose(dataset.stress[0], expected, atol=2e-5)
    assert np.abs(expected).max() > 0.01
    assert dataset.is_labelled.all()
    assert not dataset.info


def test_a_virial_by_another_name(strained, tmp_path):
    atoms = strained.copy()
    atoms.info |= {"dft_energy": -1.0, "dft_virial": numerical_virial(strained)}
    atoms.arrays["dft_forces"] = strained.get_forces()
    ase.io.write(tmp_path / "a.xyz", atoms)
    keys = LabelKeys("dft_energy", "dft_forces", virial="dft_virial")
    for dataset in (
        Dataset.read(tmp_path / "a.xyz", keys=keys),
        Dataset.from_atoms([atoms], keys=keys),
    ):
        found = dataset.stress[0]
        assert np.allclose(found, strained.get_stress(voigt=False), atol=2e-5)


def test_a_stress_and_a_virial(strained):
    """Both are allowed where they say the same."""
    atoms = strained.copy()
    atoms.info["REF_stress"] = strained.get_stress()
    atoms.info["REF_virials"] = numerical_virial(strained)
    exact = strained.get_stress(voigt=False)
    assert np.array_equal(Dataset.from_atoms([atoms]).stress[0], exact)
    atoms.info["REF_virials"] *= -1
    with pytest.raises(ValueError, match="frame 0: its stress is not -virial / volume"):
        Dataset.from_atoms([atoms])
    chosen = Dataset.from_atoms([atoms], keys=LabelKeys(virial="none"))
    assert np.array_equal(chosen.stress[0], exact)


def test_a_molecule_has_a_virial_and_no_stress():
    atoms = molecule("H2O")
    atoms.info |= {"REF_energy": -1.0, "virial": np.eye(3)}
    atoms.arrays["REF_forces"] = np.zeros((3, 3))
    dataset = Dataset.from_atoms([atoms])
    assert dataset.is_labelled.all()
    assert np.isnan(dataset.stress).all()


@pytest.mark.parametrize(
    ("noise", "largest"), [(2e-5, 0.0), (9e-5, 1e-3), (9e-4, 1.0), (9e-3, 10.0)]
)
def test_noise_in_a_stress_is_no_wrong_order(noise, largest, tmp_path):
    """A ten thousandth of an eV/A^3, and a thousandth of the largest component."""
    stress = np.diag([largest] * 3)
    stress[0, 1] = noise
    text = " ".join(map(str, stress.ravel()))
    path = tmp_path / "a.xyz"
    path.write_text(frame(f'REF_energy=1.0 REF_stress="{text}" pbc="T T T"'))
    read = Dataset.read(path).stress[0]
    assert read[0, 1] == read[1, 0] == noise / 2
    stress[0, 1] += 2e-4 + 2e-3 * largest
    with pytest.raises(ValueError, match="its stress is not symmetric"):
        Dataset.read(path).with_labels(stress=stress[None])


@pytest.mark.parametrize("how", ["calculator", "file", "traj"])
def test_the_energy_is_the_one_whose_gradient_the_forces_are(how, tmp_path):
    """Under smearing, VASP's through ASE is extrapolated: F is the free one."""
    atoms = bulk("Al")
    labels = {"energy": -3.70, "free_energy": -3.75, "forces": np.zeros((1, 3))}
    atoms.calc = SinglePointCalculator(atoms, **labels)
    path = tmp_path / ("a.xyz" if how == "file" else "a.traj")
    ase.io.write(path, atoms)
    dataset = {
        "calculator": lambda: Dataset.from_atoms([atoms]),
        "file": lambda: Dataset.read(path),
        "traj": lambda: Dataset.read(path),
    }[how]()
    assert dataset.energy.tolist() == [-3.75]
    if how == "file":
        asked = Dataset.read(path, keys=LabelKeys("energy", "forces"))
        assert asked.energy.tolist() == [-3.70]


def test_free_energies_do_not_mix_with_another_name(tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(
        frame("REF_energy=-1.0") + frame("REF_energy=-2.0 free_energy=-9.0")
    )
    assert Dataset.read(path).energy.tolist() == [-1.0, -2.0]
    path.write_text(frame("free_energy=-9.0") + frame("REF_energy=-2.0"))
    with pytest.raises(ValueError, match=r"frame 1: its energy is named 'REF_energy'"):
        Dataset.read(path)


LABEL_LIKE = [
    (frame("dft_energy=-1.0"), "energy", "dft_energy"),
    (frame("DFT_Energy_eV=-1.0"), "energy", "DFT_Energy_eV"),
    (frame("e0=-1.0"), "energy", "e0"),
    (frame("E_tot=-1.0"), "energy", "E_tot"),
    (frame("TOTEN=-1.0"), "energy", "TOTEN"),
    (frame("", ":force:R:3", " 1 0 0"), "forces", "force"),
    (frame("", ":forces_dft:R:3", " 1 0 0"), "forces", "forces_dft"),
    (frame("REF_energy=-1.0", ":forces_dft:R:3", " 1 0 0"), "forces", "forces_dft"),
    (frame("REF_energy=-1.0", ":nabla:R:3", " 1 0 0"), "forces", "nabla"),
    (
        frame(
            'REF_energy=-1.0 dft_stress="1 0 0 0 1 0 0 0 1"',
            ":REF_forces:R:3",
            " 1 0 0",
        ),
        "stress",
        "dft_stress",
    ),
    (frame('dft_virial="1 0 0 0 1 0 0 0 1"'), "virial", "dft_virial"),
]


@pytest.mark.parametrize(("text", "label", "name"), LABEL_LIKE)
def test_what_looks_like_a_label_is_not_passed_over(text, label, name, tmp_path):
    path = tmp_path / "a.xyz"
    good = frame(
        'REF_energy=-1.0 REF_stress="1 0 0 0 1 0 0 0 1"', ":REF_forces:R:3", " 1 0 0"
    )
    path.write_text(good + text)
    with pytest.raises(
        ValueError,
        match=rf"a.xyz: frame 1: .*'{name}' may be it: .*LabelKeys\({label}='{name}'.*"
        rf"keys: {{{label}: {name}}}.*labels=False",
    ):
        Dataset.read(path)
    assert len(Dataset.read(path, labels=False)) == 2

    path.write_text(text)
    (atoms,) = ase.io.read(path, ":")
    with pytest.raises(ValueError, match=rf"frame 0: .*'{name}' may be it"):
        Dataset.from_atoms([atoms])
    assert len(Dataset.from_atoms([atoms], labels=False)) == 1


@pytest.mark.parametrize("text", [LABEL_LIKE[0][0], LABEL_LIKE[6][0]])
def test_a_label_that_is_none_can_be_said(text, tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(text.replace("pbc", "REF_stress=_ pbc").replace("REF_stress=_", ""))
    keys = LabelKeys(energy="none", forces="none", stress="none")
    path.write_text(frame("x=1") + text)
    with pytest.raises(ValueError, match="no frame has labels named as in"):
        Dataset.read(path, keys=keys)
    path.write_text(text + frame("energy=-1.0"))
    keys = LabelKeys(energy="energy", forces="none", stress="none")
    assert np.isfinite(Dataset.read(path, keys=keys).energy).tolist() == [False, True]


@pytest.mark.parametrize(
    "labels",
    [
        "kinetic_energy=0.1 config_energy_weight=2 energy_weight=1",
        "disagreement_energy=0.1 disagreement_forces=0.2 energy_error=3",
        "formation_energy_per_atom=0.1 energy_above_hull=0.0 Fermi_energy=1",
        "energy=-1.0 dft_energy=-1.1",
        "dft_energy=high energy_source=dft",
    ],
)
def test_what_is_no_label(labels, tmp_path):
    path = tmp_path / "a.xyz"
    path.write_text(frame(labels, ":velocities:R:3:momenta:R:3", " 1 0 0 1 0 0"))
    assert len(Dataset.read(path)) == 1
    (atoms,) = ase.io.read(path, ":")
    assert len(Dataset.from_atoms([atoms])) == 1


def test_keys_of_another_kind_are_refused_by_name(clean_dir):
    atoms = bulk("Cu")
    names = {"energy": "dft_energy", "forces": "dft_forces"}
    with pytest.raises(ValueError, match=r"keys is .*it must be a LabelKeys"):
        Dataset.from_atoms([atoms], keys=names)
    dataset = Dataset.from_atoms([atoms])
    with pytest.raises(ValueError, match=r"keys is .*it must be a LabelKeys"):
        dataset.write("a.xyz", keys=names)
    dataset.write("a.xyz")
    with pytest.raises(ValueError, match=r"keys is .*it must be a LabelKeys"):
        Dataset.read("a.xyz", keys=names)
