"""The paper's runs as campaigns, by the numbers of its Methods."""

import pytest
from ase.build import bulk, graphene, molecule, mx2

from flowpot import ActiveLearningMaker, AugmentationMaker


def test_run_a_explores():
    maker = ActiveLearningMaker.preset("carbon-exploration")
    assert maker.max_iterations == 10
    assert maker.labelling.static_maker.protocol == "fast"
    assert maker.exploration.temperatures == (0.0, 5000.0)
    distortion = maker.augmentation.distortion
    assert (distortion.fraction, distortion.strain) == (0.4, (-0.2, 0.2))


def test_run_b_is_accurate():
    maker = ActiveLearningMaker.preset("carbon-accuracy")
    assert maker.max_iterations == 2
    assert maker.labelling.static_maker.protocol == "stringent"
    assert maker.exploration.temperatures == (0.0, 1000.0)
    distortion = maker.augmentation.distortion
    assert (distortion.fraction, distortion.strain) == (0.3, (-0.3, 0.6))


@pytest.mark.parametrize("preset", ["fast_exploration", "accuracy"])
def test_what_both_runs_share(preset):
    maker = ActiveLearningMaker.preset(preset)
    md = maker.exploration.md_maker
    assert (md.timestep, md.n_steps, md.dispersion) == (1.0, 10_000_000, "d2")
    assert md.sample_interval * md.timestep == 1e6  # a frame each ns
    assert maker.tolerance == {"energy": 0.002, "forces": 0.05, "stress": 0.01}
    assert maker.evaluation.rules.max_selected == 1000
    assert maker.training.size == 4
    options = maker.training.trainer.options
    named = ("r_max", "num_interactions", "batch_size", "max_num_epochs")
    assert [options[name] for name in named] == [4.5, 2, 1, 500]
    assert maker.augmentation.supercell.max_atoms == 600


def test_fields_override_a_preset():
    maker = ActiveLearningMaker.preset("smoke", max_iterations=1, training=None)
    assert maker.max_iterations == 1
    assert maker.training is None
    with pytest.raises(ValueError, match="preset is 'smok'"):
        ActiveLearningMaker.preset("smok")


@pytest.mark.parametrize(
    ("old", "new"),
    [("fast-exploration", "carbon-exploration"), ("accuracy", "carbon_accuracy")],
)
def test_old_names_are_the_same_presets(old, new):
    preset, augmentation = ActiveLearningMaker.preset, AugmentationMaker.preset
    assert preset(old).as_dict() == preset(new).as_dict()
    old, new = (name.replace("-", "_") for name in (old, new))
    assert augmentation(old).as_dict() == augmentation(new).as_dict()


@pytest.mark.parametrize("preset", ["carbon-accuracy", "fast-exploration"])
def test_settings_for_carbon_are_for_carbon(preset):
    """Neither D2 nor 20 trajectories of 10 ns are for copper."""
    maker = ActiveLearningMaker.preset(preset)
    assert maker.make([bulk("C")]).jobs
    for given in (
        {"structures": [bulk("Cu")]},
        {"dataset": [molecule("CH4")]},
    ):
        for start in (maker.make, maker.dry_run):
            with pytest.raises(ValueError, match=r"elements is \['C'\].* have (Cu|H)"):
                start(**given)
    meant = ActiveLearningMaker.preset(preset, elements=["Cu"])
    assert meant.make([bulk("Cu")]).jobs


@pytest.mark.parametrize(
    "atoms",
    [
        bulk("Cu"),
        bulk("Fe", "bcc", a=2.87),
        bulk("NaCl", "rocksalt", a=5.64),
        molecule("H2O"),
        graphene(vacuum=8.0),
        mx2("MoS2", vacuum=8.0),
    ],
    ids=lambda atoms: str(atoms.symbols),
)
def test_smoke_is_for_anything(atoms):
    maker = ActiveLearningMaker.preset("smoke")
    assert maker.elements is None
    made = AugmentationMaker.augment.original(maker.augmentation, [atoms], seed=1)
    assert made.n_frames > 10
