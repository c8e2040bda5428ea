"""Random clusters and dimers."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.data import atomic_numbers, covalent_radii
from scipy.stats import chisquare

from flowpot.augmentation import (
    Clusters,
    Dimers,
    augment,
    cluster,
    dimer_curve,
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


def test_dimers_run_from_repulsion_to_dissociation():
    curve = dimer_curve(("Mo", "S"), n_points=9, shortest=0.7, longest=3.0)
    radii = sum(covalent_radii[atomic_numbers[s]] for s in ("Mo", "S"))
    lengths = [atoms.get_distance(0, 1) / radii for atoms in curve]
    assert lengths[0] == pytest.approx(0.7)
    assert lengths[-1] == pytest.approx(3.0)
    assert (np.diff(lengths) > 0).all()


def test_every_pair_of_elements_gets_its_curve(zoo):
    made = augment(zoo["MoS2"], [Dimers(n_points=5)])
    assert made.counts["dimer"] == 3 * 5
    dimers = made.frames[made.frames.info["config_type"] == "dimer"]
    for atoms in dimers:
        assert atoms.info["dimer_distance"] == pytest.approx(atoms.get_distance(0, 1))


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (lambda: Clusters(min_atoms=1), "min_atoms is 1"),
        (lambda: Clusters(max_atoms=1), "max_atoms is 1"),
        (lambda: Clusters(distance=-1), "distance is -1"),
        (lambda: Dimers(longest=0.5), "longest is"),
        (lambda: cluster(["Xx"], np.random.default_rng(0), n_atoms=2), "species is"),
    ],
)
def test_parameters_are_checked(generator, message):
    with pytest.raises(ValueError, match=message):
        generator()


def test_dimers_respect_the_shortest_distance(silicon):
    with pytest.raises(ValueError, match="raise the one or lower the other"):
        augment(silicon, [Dimers(shortest=0.4)])
