"""Distorted frames: strain, displacements and vacancies together and apart."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from scipy.stats import kstest

from flowpot.augmentation import (
    Distortions,
    Strains,
    Supercells,
    Vacancies,
    augment,
    closest_contact,
    draw,
    nearest_distances,
    supercell,
)
from flowpot.dataset.geometry.closeness import MIN_DISTANCE_MADE


def made_by(atoms, generator, seed=0, **options):
    """Frames of one generator alone."""
    return augment(
        atoms,
        [generator],
        seed=seed,
        without=("input", "isolated_atom"),
        **options,
    )


def test_strain_and_magnitudes_are_uniform_in_the_very_frames():
    """The distributions hold after displacements that came too close were turned."""
    crystal = supercell(bulk("C", "diamond", a=3.567), min_length=9)
    plan = Distortions(n_frames=400, vacancy_fraction=0.0)
    made = made_by(crystal, plan)
    frames = made.frames
    strains = frames.info["strain"]
    assert made.rejected == {}
    assert made.turned > 0
    assert kstest(strains, "uniform", args=(-0.2, 0.8)).pvalue > 0.01
    sites = crystal.positions[None] * (1 + strains)[:, None, None]
    moves = frames.positions.reshape(sites.shape) - sites
    nearest = nearest_distances(crystal)[0] * (1 + strains)
    shares = np.linalg.norm(moves, axis=2) / nearest[:, None]
    assert kstest(shares.ravel(), "uniform", args=(0, 0.3)).pvalue > 0.01
    unit = (moves / np.linalg.norm(moves, axis=2, keepdims=True)).reshape(-1, 3)
    assert (np.abs(unit.mean(axis=0)) < 3 * unit.std(axis=0) / len(unit) ** 0.5).all()


@pytest.mark.parametrize("name", ["diamond", "MoS2", "C60", "skewed", "wire"])
def test_no_pair_of_any_frame_is_too_close(zoo, name):
    plan = Distortions(n_frames=12, strain_modes=("isotropic", "uniaxial", "shear"))
    made = made_by(zoo[name], plan, supercell=Supercells(min_length=8, max_atoms=120))
    assert len(made.frames) == 12
    for atoms in made.frames:
        i, j, d = neighbor_list("ijd", atoms, 4.0)
        radii = covalent_radii[atoms.numbers]
        assert (d / (radii[i] + radii[j])).min() >= MIN_DISTANCE_MADE


def test_compressed_crystals_need_the_rule():
    """Without the rule diamond's frames do have pairs that are closer."""
    crystal = supercell(bulk("C", "diamond", a=3.567))
    made = made_by(crystal, Distortions(n_frames=30), min_distance=0.0)
    close = [
        neighbor_list("d", atoms, MIN_DISTANCE_MADE * 1.52).size > 0
        for atoms in made.frames
    ]
    assert any(close)


def test_vacancies_are_in_the_share_of_frames_asked_for(silicon):
    plan = Distortions(n_frames=50, vacancy_fraction=0.3)
    frames = made_by(silicon, plan).frames
    assert (frames.n_atoms < 8).sum() == 15
    assert set(frames.n_atoms) == {6, 7, 8}  # single ones and pairs
    assert ((frames.n_atoms < 8) == (frames.info["config_type"] == "vacancy")).all()
    assert (frames.info["n_vacancies"] == 8 - frames.n_atoms).all()
    assert (frames.info["displacement_fraction"] == 0.3).all()


def test_a_single_atom_cell_is_strained_and_nothing_else():
    """Bug B14: NaN positions, and a crash where atoms are to be removed."""
    made = made_by(bulk("Cu"), Distortions(n_frames=20))
    assert len(made.frames) == 20
    assert np.isfinite(made.frames.positions).all()
    assert (made.frames.n_atoms == 1).all()
    assert "6 frames have no vacancies, since 1 atoms cannot lose 1" in made.notes[0]


def test_a_single_atom_has_nothing_to_distort():
    made = augment(Atoms("H"), [Distortions()])
    assert made.counts == {"isolated_atom": 1}
    assert "neither strain nor displacements" in made.notes[-1]


def test_molecules_are_displaced_only():
    frames = made_by(molecule("C60"), Distortions(n_frames=10)).frames
    assert "strain" not in frames.info
    span = [np.ptp(atoms.positions, axis=0).max() for atoms in frames]
    assert max(span) < 1.2 * np.ptp(molecule("C60").positions, axis=0).max()


def test_strain_leaves_vacuum_alone_in_every_frame():
    """The reference compresses 15 A of vacuum to 12 A."""
    frames = made_by(graphene(), Distortions(n_frames=40)).frames
    for atoms in frames:
        gap = atoms.cell[2, 2] - np.ptp(atoms.positions[:, 2])
        assert gap >= 15 - 1e-9
        assert atoms.cell[2, 2] < 18


def test_strain_alone_and_vacancies_alone(silicon):
    frames = made_by(silicon, Strains(n_frames=12)).frames
    assert set(frames.info["strain_mode"]) <= {"isotropic", "uniaxial", "shear"}
    assert set(frames.info["config_type"]) == {"strained"}
    for atoms in frames:
        np.testing.assert_allclose(
            atoms.get_scaled_positions(wrap=False),
            silicon.get_scaled_positions(wrap=False),
            atol=1e-9,
        )
    frames = made_by(silicon, Vacancies(n_frames=3, n_vacancies=1)).frames
    assert set(frames.info["config_type"]) == {"vacancy"}
    kept = {tuple(row) for row in silicon.positions.round(9)}
    assert all(tuple(row) in kept for row in frames.positions.round(9))


def test_frames_do_not_depend_on_how_many_fit_in_memory(silicon, monkeypatch):
    plan = Distortions(n_frames=12, strain=(-0.4, 0.2))
    whole = made_by(silicon, plan, min_distance=0.8)
    assert whole.rejected["distorted"] > 0
    assert len(whole.frames) == 12
    monkeypatch.setattr(draw, "_CHUNK", 24)
    parts = made_by(silicon, plan, min_distance=0.8)
    assert len(parts.frames) == 12
    assert parts.counts == whole.counts


def test_what_cannot_be_made_says_so(silicon):
    with pytest.raises(ValueError, match="none of 200 frames keeps its atoms"):
        made_by(silicon, Distortions(n_frames=10, strain=(-0.7, -0.6)))


def test_an_input_that_cannot_be_compressed_costs_no_other_frame(silicon):
    crystals = [silicon, bulk("Po", "sc", a=9.0) * 2]
    made = augment(crystals, [Distortions(n_frames=4, strain=(-0.65, -0.6))])
    distorted = np.isin(made.frames.info["config_type"].astype(str), ["distorted"])
    assert 1 <= distorted.sum() <= 4
    assert set(made.frames[distorted].numbers) == {84}
    assert any("input 0 (Si): none of 80 frames keeps" in note for note in made.notes)


def test_one_image_of_an_atom_too_close_to_another_is_seen():
    with pytest.raises(ValueError, match="compress or displace less"):
        made_by(bulk("Cu"), Distortions(n_frames=5, strain=(-0.7, -0.6)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_frames", 0),
        ("fraction", 1.2),
        ("strain", (0.3, 0.1)),
        ("strain_modes", ("twist",)),
        ("strain_modes", ()),
        ("vacancy_fraction", -0.1),
        ("n_vacancies", 0),
    ],
)
def test_every_parameter_is_checked(field, value):
    with pytest.raises(ValueError, match=field.removesuffix("s")):
        replace(Distortions(), **{field: value})


CRYSTALS = {
    "C": bulk("C", "diamond", a=3.567),
    "Si": bulk("Si", "diamond", a=5.43),
    "Fe": bulk("Fe", "bcc", a=2.87),
    "Cu": bulk("Cu", "fcc", a=3.61),
    "Mg": bulk("Mg", "hcp", a=3.21, c=5.21),
    "NaCl": bulk("NaCl", "rocksalt", a=5.64),
}


@pytest.mark.parametrize("name", CRYSTALS)
def test_the_default_distance_costs_no_frame(name):
    """Displacements are turned; none of the frames asked for is lost for it."""
    made = made_by(
        CRYSTALS[name], Distortions(n_frames=15), supercell=Supercells()
    ).frames
    assert len(made) == 15
    assert min(closest_contact(atoms) for atoms in made) >= MIN_DISTANCE_MADE
