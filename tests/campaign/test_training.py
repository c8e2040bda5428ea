"""Training in later iterations: warm, fresh, and from a foundation model."""

from dataclasses import replace

import numpy as np
import pytest

from flowpot import MACETrainingMaker, MetatrainTrainingMaker
from flowpot.evaluation import evaluate_committee

pytestmark = pytest.mark.slow


@pytest.fixture
def trained(copper, copper_frames, run, clean_dir):
    """Run a campaign of a trainer, without molecular dynamics; read it back."""

    def trained(trainer, n_turns=1, **fields):
        training = replace(copper().training, trainer=trainer)
        maker = copper(
            training=training, exploration=None, max_iterations=n_turns, **fields
        )
        return run(
            maker.make(
                dataset=copper_frames(12, labelled=True),
                explored=copper_frames(20, labelled=False, seed=100)[:20],
            )
        )

    return trained


def starts(campaign, jobstore):
    """Foundation models that each iteration's members were started from."""
    found = {}
    query = {"name": "mace train", "metadata.campaign": campaign.name}
    for document in jobstore.query(query, load=False):
        options = [m["hyperparameters"] for m in document["output"]["members"]]
        iteration = document["metadata"]["iteration"]
        found[iteration] = [each.get("foundation_model") for each in options]
    return found


@pytest.mark.parametrize("warm", [True, False])
def test_a_turn_goes_on_from_the_last_ones_weights_if_told_to(warm, trained, jobstore):
    """Members that start warm are given their predecessors' model, others none."""
    trainer = replace(MACETrainingMaker.small(max_num_epochs=4), warm_start=warm)
    campaign = trained(trainer, n_turns=2)
    assert len(campaign.doc.iterations) == 2
    first, second = starts(campaign, jobstore)[1], starts(campaign, jobstore)[2]
    assert first == [None, None]
    if warm:
        assert all("start.model" in path for path in second)
    else:
        assert second == [None, None]


def test_a_campaign_fine_tunes_mace(trained, committee, jobstore):
    """From a foundation model, in every iteration."""
    foundation = committee.members[0].model
    trainer = MACETrainingMaker(
        hyperparameters={
            "max_num_epochs": 4,
            "lr": 0.001,
            "swa": False,
            "default_dtype": "float64",
        },
        foundation_model=foundation,
    )
    campaign = trained(trainer, n_turns=2)
    assert campaign.doc.stop_kind == "max_iterations", campaign.doc.stop_reason
    for paths in starts(campaign, jobstore).values():
        assert all(path is not None for path in paths)
    # The foundation's architecture, not flowpot's default, is what was trained.
    for member in campaign.committee().members:
        assert member.cutoff == pytest.approx(4.2)
        assert member.model.sha256 != foundation.sha256


def pet(learning_rate: float, **fields) -> MetatrainTrainingMaker:
    """Configure a small PET."""
    sizes = dict.fromkeys(("d_pet", "d_node", "d_head", "d_feedforward"), 8)
    model = {"cutoff": 4.0, "num_heads": 1, "num_gnn_layers": 1, **sizes}
    training = {"num_epochs": 2, "batch_size": 4, "learning_rate": learning_rate}
    return MetatrainTrainingMaker(
        hyperparameters={"model": model, "training": training}, device="cpu", **fields
    )


def test_a_campaign_fine_tunes_metatrain(trained, copper_frames):
    """Every iteration starts from the foundation's weights: without steps they stay."""
    foundation = trained(pet(3e-3), name="foundation").committee()
    start = foundation.members[0].checkpoint
    tuned = trained(pet(1e-9, foundation_model=start), n_turns=2, name="tuned")
    assert tuned.doc.stop_kind == "max_iterations", tuned.doc.stop_reason
    frames = copper_frames(4, labelled=False)[:4]
    first, second = evaluate_committee(foundation, frames).forces
    assert not np.allclose(first, second, atol=1e-3)
    for member, forces in zip(
        tuned.committee().members,
        evaluate_committee(tuned.committee(), frames).forces,
        strict=True,
    ):
        options = member.hyperparameters["architecture"]["training"]
        assert options["finetune"]["method"] == "full"
        assert forces == pytest.approx(first, abs=1e-4)
