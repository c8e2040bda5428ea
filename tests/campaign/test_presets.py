"""The paper's runs as campaigns, by the numbers of its Methods."""

import pytest

from flowpot import ActiveLearningMaker


def test_run_a_is_fast_exploration():
    maker = ActiveLearningMaker.preset("fast-exploration")
    assert maker.max_iterations == 10
    assert maker.labelling.static_maker.protocol == "fast"
    assert maker.exploration.temperatures == (0.0, 5000.0)
    distortion = maker.augmentation.distortion
    assert (distortion.fraction, distortion.strain) == (0.4, (-0.2, 0.2))


def test_run_b_is_accuracy():
    maker = ActiveLearningMaker.preset("accuracy")
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
    options = maker.training.trainer.training().options
    named = ("r_max", "num_interactions", "batch_size", "max_num_epochs")
    assert [options[name] for name in named] == [4.5, 2, 1, 500]
    assert maker.augmentation.supercell.max_atoms == 600


def test_fields_override_a_preset():
    maker = ActiveLearningMaker.preset("smoke", max_iterations=1, training=None)
    assert maker.max_iterations == 1
    assert maker.training is None
    with pytest.raises(ValueError, match="preset is 'smok'"):
        ActiveLearningMaker.preset("smok")
