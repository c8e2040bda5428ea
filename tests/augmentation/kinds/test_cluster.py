"""Random clusters."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.data import covalent_radii
from scipy.stats import chisquare

from flowpot.augmentation import (
    Clusters,
    augment,
    cluster,
    nearest_distances,
)


@pytest.mark.parametrize("n_atoms", [2, 3, 10, 30])
def test_neighbours_are_within_the_shell(n_atoms):
    for seed in range(5):
        atoms = cluster(
            ["C"], np.random.default_rng(seed), n_atoms=n_atoms, distance=1.5
        )
        nearest = nearest_distances(atoms)
        assert len(atoms) == n_atoms
        assert nearest.min() >= 1.5
        assert nearest.max() <= 1.5 * 3**0.5
        assert not atoms.pbc.any()
        assert (atoms.cell.lengths() - np.ptp(atoms.positions, axis=0)).min() >= 15


def test_each_pair_can_have_its_own_distance():
    atoms = cluster(["H", "Mo"], np.random.default_rng(4), n_atoms=20)
    radii = covalent_radii[atoms.numbers]
    scaled = atoms.get_all_distances() / (radii[:, None] + radii)
    np.fill_diagonal(scaled, np.inf)
    assert scaled.min() >= 1
    assert scaled.min(axis=1).max() <= 3**0.5


@pytest.mark.parametrize(
    "atoms",
    [
        bulk("C"),
        bulk("Fe"),
        bulk("Cs"),
        bulk("NaCl", "rocksalt", a=5.64),
        molecule("H2O"),
        bulk("CuAu", "cesiumchloride", a=3.1),
    ],
    ids=lambda atoms: str(atoms.symbols),
)
def test_clusters_have_bonds_of_their_elements(atoms):
    """By default, from hydrogen to caesium: none squeezed, none apart."""
    made = augment(atoms, [Clusters(n_frames=10)]).frames
    for frame in made[made.info["config_type"] == "cluster"]:
        radii = covalent_radii[frame.numbers]
        scaled = frame.get_all_distances() / (radii[:, None] + radii)
        np.fill_diagonal(scaled, np.inf)
        assert scaled.min() >= 1
        assert scaled.min(axis=1).max() <= 3**0.5


def test_atoms_too_large_for_the_distance_are_kept_apart():
    atoms = cluster(["Mo"], np.random.default_rng(0), n_atoms=8, distance=1.5)
    assert nearest_distances(atoms).min() >= 0.66 * 2 * covalent_radii[42] > 1.5
    with pytest.raises(ValueError, match=r"give distance=1\.86 or more, or None"):
        cluster(["Cs"], np.random.default_rng(0), n_atoms=3, distance=1.2)


def test_sizes_and_species_are_uniform(silicon):
    mixed = silicon.copy()
    mixed.symbols[:4] = "C"
    frames = augment(mixed, [Clusters(n_frames=900, max_atoms=10)]).frames
    clusters = frames[frames.info["config_type"] == "cluster"]
    sizes = np.bincount(clusters.n_atoms, minlength=11)
    assert sizes[:2].sum() == 0
    assert chisquare(sizes[2:]).pvalue > 0.01
    species = np.unique(clusters.numbers, return_counts=True)[1]
    assert chisquare(species).pvalue > 0.01
    assert np.isnan(clusters.info["cluster_distance"]).all()  # each pair its own


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (lambda: Clusters(min_atoms=1), "min_atoms is 1"),
        (lambda: Clusters(max_atoms=1), "max_atoms is 1"),
        (lambda: Clusters(distance=-1), "distance is -1"),
        (lambda: cluster(["Xx"], np.random.default_rng(0), n_atoms=2), "species is"),
    ],
)
def test_parameters_are_checked(generator, message):
    with pytest.raises(ValueError, match=message):
        generator()
