"""What an iteration hands on, whole or cut off by a failure."""

import json

from monty.json import MontyDecoder, MontyEncoder

from flowpot.campaign.state import CampaignState, resolve
from flowpot.jobs import Pointer

LABELS, MODELS = Pointer("labels", (("a", "dataset"),)), Pointer("committee")
CHANGES = {
    "labelling": {"pending": None, "shards": LABELS},
    "training": {"committee": MODELS},
    "exploration": {},
    "evaluation": {"pending": Pointer("chosen"), "predictions": Pointer("predicted")},
}


def test_a_turn_adds_to_lists_and_replaces_the_rest():
    state = CampaignState("c", pending=Pointer("first")).with_(shards=Pointer("given"))
    after = state.after(CHANGES)
    assert list(after.shards) == [Pointer("given"), LABELS]
    assert after.starts == Pointer("given")
    assert after.pending == Pointer("chosen")
    assert after.committee == MODELS
    assert not after.trained


def test_predictions_are_forgotten_after_a_while():
    state = CampaignState("c")
    for iteration in range(12):
        state = state.with_(
            predictions=Pointer(str(iteration)), shards=Pointer(str(iteration))
        )
    assert [each.uuid for each in state.predictions] == [str(t) for t in range(2, 12)]
    assert len(state.shards) == 12
    assert state.starts == Pointer("0")


def test_what_failed_and_what_came_after_it_changes_nothing():
    state = CampaignState("c", pending=Pointer("first"))
    assert state.after(CHANGES, "labelling") == state
    after = state.after(CHANGES, "training")
    assert list(after.shards) == [LABELS]
    assert (after.committee, after.trained) == (None, False)


def test_a_committee_is_not_trained_again_because_another_stage_failed():
    after = CampaignState("c").after(CHANGES, "exploration")
    assert after.trained
    assert after.pending is None
    given = {name: CHANGES[name] for name in ("labelling", "exploration")}
    state = CampaignState("c", committee=Pointer("given"), trained=True)
    assert state.after(given, "exploration").trained
    assert not state.after(given).trained


def test_it_survives_json():
    state = CampaignState("c", predictions=[Pointer("a", (("i", 0),))])
    state = state.with_(shards=LABELS).with_(shards=MODELS)
    text = json.dumps(state, cls=MontyEncoder)
    again = json.loads(text, cls=MontyDecoder)
    assert json.dumps(again, cls=MontyEncoder) == text
    assert resolve(again.shards) == [LABELS.reference, MODELS.reference]
