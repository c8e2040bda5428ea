"""Random alloys and special quasirandom structures."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk, mx2
from scipy.stats import kstest

from flowpot.augmentation import Alloys, Distortions, Supercells, alloy, augment
from flowpot.augmentation.kinds.alloy import mixture

H_PHASE = mx2("MoTe2", a=3.55, thickness=3.6, vacuum=None)
T_PHASE = mx2("MoTe2", kind="1T", a=3.55, thickness=3.6, vacuum=None)
FLAT = Alloys(("Mo", "W"), ("Te",), distortion=None)


def test_the_papers_run():
    """Bug B3: the reference crashes, uses one input, and repeats itself in a second."""
    made = augment([H_PHASE, T_PHASE], [Alloys(("Mo", "W"), ("Te",))])
    assert made.counts["alloy"] == 100
    assert made.counts["isolated_atom"] == 3  # tungsten too
    frames = made.frames[made.frames.info["config_type"] == "alloy"]
    assert set(frames.info["parent"]) == {p for p in made.frames.info["parent"] if p}
    assert len(set(frames.info["parent"])) == 2
    for atoms in frames:
        assert set(atoms.symbols) <= {"Mo", "W", "Te"}
        assert (atoms.numbers == 52).sum() <= 2


def test_compositions_are_spread_over_the_full_range():
    large = H_PHASE * (8, 8, 1)
    frames = augment(large, [replace(FLAT, n_frames=400)]).frames
    alloys = frames[frames.info["config_type"] == "alloy"]
    share = [np.mean(a.numbers[a.numbers != 52] == 42) for a in alloys]
    assert kstest(share, "uniform").pvalue > 0.01
    recorded = [atoms.info["composition"]["Mo"] for atoms in alloys]
    np.testing.assert_allclose(recorded, share)


def test_three_elements_are_dirichlet_distributed():
    """A component of a flat Dirichlet distribution of three is Beta(1, 2)."""
    rng = np.random.default_rng(1)
    crystal = bulk("Cu", cubic=True) * 5
    share = [
        np.mean(alloy(crystal, rng, species=["Cu", "Ni", "Au"]).numbers == 79)
        for _ in range(400)
    ]
    assert kstest(share, "beta", args=(1, 2)).pvalue > 0.01


def test_given_compositions_are_taken_in_turn():
    compositions = ({"Mo": 0.25, "W": 0.75}, {"W": 1.0})
    plan = Alloys(("Mo", "W"), ("Te",), 8, compositions, None)
    made = augment(H_PHASE * (4, 2, 1), [plan])
    frames = made.frames[made.frames.info["config_type"] == "alloy"]
    counts = sorted((a.numbers == 42).sum() for a in frames)
    # Pure tungsten can be arranged in one way only: its duplicates are dropped.
    assert counts == [0, 2, 2, 2, 2]
    assert made.rejected == {"duplicate": 3}


def test_whole_numbers_of_atoms_are_closest_to_the_fractions():
    rng = np.random.default_rng(0)
    for n in range(1, 40):
        fractions = rng.dirichlet(np.ones(4))
        numbers = mixture(["H", "He", "Li", "Be"], fractions, n, rng)
        counts = np.bincount(numbers, minlength=5)[1:]
        assert counts.sum() == n
        assert np.abs(counts - fractions * n).max() < 1


def test_alloys_are_distorted_and_kept_apart(zoo):
    plan = Alloys(("Na", "Cs"), ("Cl", "Br", "I", "K"), n_frames=20)
    made = augment(zoo["skewed"], [plan], supercell=Supercells(9, 100))
    frames = made.frames[made.frames.info["config_type"] == "alloy"]
    assert len(frames) == 20
    assert np.ptp(frames.info["strain"]) > 0.3
    plain = augment(H_PHASE, [replace(FLAT, n_frames=2, lattice="input")])
    kept = plain.frames[plain.frames.info["config_type"] == "alloy"]
    np.testing.assert_allclose(
        kept.positions.reshape(-1, 3, 3)[0], plain.frames[3].positions, atol=1e-9
    )


def test_quasirandom_structures_are_less_correlated_than_random_ones():
    pytest.importorskip("sqsgenerator")
    crystal = bulk("Cu", cubic=True) * 3
    half = {"Cu": 0.5, "Au": 0.5}

    def correlation(atoms):
        """Nearest-neighbour pair correlation; zero for an ideal random alloy."""
        spin = np.where(atoms.numbers == 79, 1.0, -1.0)
        near = np.abs(atoms.get_all_distances(mic=True) - 3.61 / 2**0.5) < 0.01
        return abs((spin @ near @ spin) / near.sum())

    random, special = (
        [
            correlation(
                alloy(
                    crystal,
                    np.random.default_rng(seed),
                    species=["Cu", "Au"],
                    composition=half,
                    quasirandom=chosen,
                    lattice="input",
                )
            )
            for seed in range(6)
        ]
        for chosen in (False, True)
    )
    assert np.mean(special) < 0.5 * np.mean(random)


def test_quasirandom_frames_are_reproducible():
    pytest.importorskip("sqsgenerator")
    plan = replace(FLAT, n_frames=4, quasirandom=True, iterations=500)
    one, same = (
        augment([H_PHASE, T_PHASE], [plan], supercell=Supercells(10, 90), seed=7)
        for _ in range(2)
    )
    assert one.counts["quasirandom"] == 4
    assert (one.frames.fingerprints == same.frames.fingerprints).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alloy_species": ("Mo",)}, "mix two elements at least"),
        ({"fixed_species": ("Mo",)}, "none of them fixed"),
        ({"alloy_species": "MoW"}, "give a list of element symbols"),
        ({"compositions": ({"Mo": 0.5},)}, "sum to 1"),
        ({"compositions": ({"Mo": 0.5, "Te": 0.5},)}, "fractions of alloy_species"),
        ({"compositions": ()}, "compositions is empty"),
        ({"n_frames": 0}, "n_frames is 0"),
        ({"lattice": "vegards"}, "lattice is 'vegards'"),
        ({"end_members": {"Mo": 10.0}}, "volume per atom .* each of alloy_species"),
        ({"end_members": {"Mo": 10.0, "W": 0}}, "volume per atom"),
        (
            {"end_members": {"Mo": 10.0, "W": 9.0}, "lattice": "input"},
            "leave one of the two out",
        ),
    ],
)
def test_parameters_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(Alloys(("Mo", "W"), ("Te",)), **changes)


def test_every_input_must_have_its_turn():
    with pytest.raises(ValueError, match="one frame per input at least"):
        augment([H_PHASE, T_PHASE], [replace(FLAT, n_frames=1)])
    with pytest.raises(ValueError, match="inputs with sites to mix"):
        augment(bulk("Te", "sc", a=3.2), [FLAT])


def test_frames_do_not_depend_on_the_order_of_inputs():
    """Not even where one input has a frame more than the other."""
    plan = replace(FLAT, n_frames=5)
    sheets = [H_PHASE * (4, 4, 1), T_PHASE * (4, 4, 1)]
    one, other = (
        set(augment(inputs, [plan], seed=3).frames.fingerprints)
        for inputs in (sheets, sheets[::-1])
    )
    assert one == other


def test_distortions_of_alloys_have_their_own_plan():
    plan = Alloys(
        ("Mo", "W"), ("Te",), 6, distortion=Distortions(fraction=0.05, strain=None)
    )
    frames = augment(H_PHASE, [plan]).frames
    alloys = frames[frames.info["config_type"] == "alloy"]
    assert (alloys.info["displacement_fraction"] == 0.05).all()
