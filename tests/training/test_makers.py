import math
import re
import time

import numpy as np
import pytest
from jobflow import run_locally
from monty.json import MontyDecoder, MontyEncoder

from flowpot.dataset import Dataset
from flowpot.dataset.sets import SETS
from flowpot.potentials import calculator, evaluate_members, load_potential
from flowpot.training import (
    CommitteeDoc,
    CommitteeTrainingMaker,
    MACETrainingMaker,
    MetatrainTrainingMaker,
    PotentialDoc,
)
from flowpot.training.backend import TrainingError
from flowpot.training.committee import committee_document
from flowpot.training.members import Place, train_members
from flowpot.training.sets import TrainingSets

from .conftest import ATOM

PROPERTIES = {"energy", "forces", "stress"}


def test_names_and_serialisation():
    maker = CommitteeTrainingMaker(
        trainer=MACETrainingMaker(hyperparameters={"r_max": 5.0}), size=3
    )
    again = MontyDecoder().decode(MontyEncoder().encode(maker))
    assert again == maker
    flow = maker.make("frames.xyz")
    assert [job.name for job in flow] == ["mace train"] * 3 + ["collect committee"]
    seeds = [job.function_args[2] for job in flow.jobs[:3]]
    assert len(set(seeds)) == 3


def test_nested_options_can_be_updated():
    flow = CommitteeTrainingMaker(size=2).make("frames.xyz")
    flow.update_maker_kwargs(
        {"_set": {"hyperparameters->r_max": 5.5}},
        name_filter="mace train",
        dict_mod=True,
    )
    assert flow.jobs[0].maker.hyperparameters == {"r_max": 5.5}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 2, "min_size": 3}, "size is 2 and min_size 3"),
        ({"members_per_job": 0}, "members_per_job is 0"),
        ({"trainer": [MACETrainingMaker()] * 2, "members_per_job": 2}, "2 trainers"),
    ],
)
def test_impossible_committees(fields, message):
    with pytest.raises(ValueError, match=message):
        CommitteeTrainingMaker(**fields).make("frames.xyz")


def test_documents_are_complete(committee):
    assert len(committee.members) == 2
    assert committee.n_frames == {"train": 24, "val": 4, "test": 4}
    for member in committee.members:
        assert set(member.metrics) == set(SETS)
        assert all(set(m) == PROPERTIES for m in member.metrics.values())
        assert member.backend == "mace"
        assert member.species == ["Si"]
        assert member.cutoff == pytest.approx(4.2)
        assert member.e0s == {"Si": ATOM}
        assert member.loss_curve["epoch"] == list(range(12))
        assert member.loss_curve["val"][-1] < member.loss_curve["val"][0]
        assert member.hyperparameters["hidden_irreps"] == "8x0e"
        assert member.versions["mace-torch"][0].isdigit()
        assert member.checkpoint.name.endswith(".pt")
        assert member.failure is None
        assert [attempt.failure for attempt in member.attempts] == [None]
    a, b = committee.members
    assert a.seed != b.seed
    assert a.model.sha256 != b.model.sha256


def test_metrics_are_those_of_the_models(committee, silicon_set):
    frames = silicon_set[silicon_set.info["split"] == "test"]
    potentials = [load_potential(each, "cpu") for each in committee.members]
    found = evaluate_members(potentials, frames)
    for i, member in enumerate(committee.members):
        error = np.sqrt(np.mean((found.forces[i] - frames.forces) ** 2))
        assert member.metrics["test"]["forces"] == pytest.approx(error, rel=1e-5)
        assert committee.member_metrics[i] == member.metrics
    error = found.energy.mean(axis=0) - frames.energy
    expected = np.sqrt(np.mean((error / frames.n_atoms) ** 2))
    assert committee.metrics["test"]["energy"] == pytest.approx(expected, rel=1e-4)


def test_it_learnt(committee, silicon_set):
    """Better than predicting isolated atoms, which feel no force."""
    frames = silicon_set[silicon_set.info["split"] == "test"]
    nothing = {
        "energy": np.sqrt(np.mean((frames.energy / frames.n_atoms - ATOM) ** 2)),
        "forces": np.sqrt(np.mean(frames.forces**2)),
        "stress": np.sqrt(np.mean(frames.stress**2)),
    }
    for member in committee.members:
        for name, spread in nothing.items():
            assert member.metrics["test"][name] < 0.6 * spread
        potential = load_potential(member, "cpu")
        atom = silicon_set[len(silicon_set) - 1]
        assert potential.evaluate_atoms(atom)[0] == pytest.approx(ATOM)


def test_the_store_keeps_each_model_once(campaign):
    """The committee's output refers to its members' outputs."""
    flow, store = campaign
    stored = store.query_one({"name": "collect committee"}, load=True)["output"]
    assert {each["@class"] for each in stored["members"]} == {"OutputReference"}
    assert "blob" not in str(stored)
    resolved = flow.output.members.resolve(store)
    assert all(isinstance(each, PotentialDoc) for each in resolved)


def test_a_potential_loads_in_atomate2_and_in_two_lines(member, jobstore, clean_dir):
    from ase.build import bulk
    from atomate2.forcefields.jobs import ForceFieldStaticMaker
    from pymatgen.io.ase import AseAtomsAdaptor

    atoms = bulk("Si", "diamond", a=5.5)
    maker = ForceFieldStaticMaker(
        force_field_name=member.force_field_name,
        calculator_kwargs=member.calculator_kwargs,
    )
    job = maker.make(AseAtomsAdaptor.get_structure(atoms))
    done = run_locally(job, store=jobstore, ensure_success=True)
    output = done[job.uuid][1].output.output
    atoms.calc = calculator(member)
    assert output.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-6)
    assert np.allclose(output.forces, atoms.get_forces(), atol=1e-5)


def test_same_seed_same_model(silicon_set, tmp_path):
    training = MACETrainingMaker.small(max_num_epochs=2, hidden_irreps="4x0e")
    sets = TrainingSets.load(silicon_set)
    training.check()  # imports MACE, once in a process
    begun = time.process_time()
    found = train_members(training, sets, [7, 7, 8], [None] * 3, Place(tmp_path))
    own_time = time.process_time() - begun  # without the programs that it started
    energies = [
        load_potential(each, "cpu").evaluate(sets.test).energy for each in found
    ]
    assert np.allclose(energies[0], energies[1], rtol=0, atol=1e-4)
    assert np.abs(energies[0] - energies[2]).max() > 1e-2
    assert own_time < 3.0


def test_a_wrong_option_is_refused_when_the_maker_is_made():
    with pytest.raises(ValueError, match="did you mean 'max_num_epochs'"):
        MACETrainingMaker(hyperparameters={"max_epoch": 3})


@pytest.mark.parametrize("value", [None, 0, -5, math.nan, "-5"])
@pytest.mark.parametrize("name", ["r_max", "lr", "max_num_epochs", "batch_size"])
def test_a_number_that_no_training_can_use_is_refused_at_once(name, value):
    """Otherwise the labels are paid for first."""
    with pytest.raises(ValueError, match=rf"^hyperparameters\['{name}'\] is .*: \w+"):
        MACETrainingMaker(hyperparameters={name: value})


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("num_interactions", 0, "use 1 or more"),
        ("forces_weight", -1, "0 or more"),
        ("stage_two_energy_weight", math.nan, "give a number"),
        ("ema_decay", 1.5, "between 0 and 1"),
        ("hidden_irreps", "foo", "give irreps, such as '128x0e"),
        ("swa", None, "leave it out"),
        ("loss", None, "leave it out"),
    ],
)
def test_other_values_that_no_training_can_use(name, value, remedy):
    with pytest.raises(ValueError, match=rf"\['{name}'\] is {value!r}.*: .*{remedy}"):
        MACETrainingMaker(hyperparameters={name: value})


def test_options_that_mace_has_no_default_of_may_be_none():
    """These are what None leaves to MACE."""
    options = {"num_channels": None, "hidden_irreps": None, "start_swa": None}
    assert MACETrainingMaker(hyperparameters=options).hyperparameters == options
    irreps = {"hidden_irreps": "16x0e+ 8x1o", "MLP_irreps": "8x0e", "lr": "1e-3"}
    assert MACETrainingMaker(hyperparameters=irreps).hyperparameters == irreps


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"model": {"cutoff": math.nan}}, "model.cutoff"),
        ({"model": {"cutoff": -4.5}}, "model.cutoff"),
        ({"training": {"learning_rate": 0}}, "training.learning_rate"),
        ({"training": {"num_epochs": -1}}, "training.num_epochs"),
        ({"training": {"batch_size": 0}}, "training.batch_size"),
        (
            {"training": {"loss": {"energy": {"weight": math.nan}}}},
            "training.loss.energy.weight",
        ),
    ],
)
def test_numbers_that_metatrain_cannot_use(options, place):
    """Its own schema has types, and no ranges."""
    with pytest.raises(ValueError, match=rf"^hyperparameters.{place} is "):
        MetatrainTrainingMaker(hyperparameters=options)


def test_a_committee_with_a_member_that_fails(silicon_set, jobstore, clean_dir):
    """It is tried twice; the campaign goes on with min_size members."""
    good, bad = (
        MACETrainingMaker.small(
            max_num_epochs=1, hidden_irreps="4x0e", scheduler=scheduler
        )
        for scheduler in ("ExponentialLR", "none")
    )
    flow = CommitteeTrainingMaker(trainer=[good, bad], size=2, min_size=1).make(
        silicon_set
    )
    run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
    found = CommitteeDoc.model_validate(flow.output.resolve(jobstore))
    assert found.ranks == [0]
    assert len(found.members) == 1
    (failure,) = found.failures
    assert re.search(r"(?s)^member 1: .*exit status 1.*Error", failure)
    lost = PotentialDoc.model_validate(flow.jobs[1].output.resolve(jobstore))
    assert lost.model is None
    assert len(lost.attempts) == 2


def test_a_committee_goes_on_with_the_members_it_has(member, silicon_set):
    failed = PotentialDoc(backend="mace", failure="it diverged")
    found, kept = committee_document([None, member, failed], silicon_set, 1)
    assert kept == [1]
    assert found["failures"] == ["member 0: its job failed", "member 2: it diverged"]
    assert found["metrics"]["test"]["forces"] == pytest.approx(
        member.metrics["test"]["forces"], rel=1e-4
    )
    with pytest.raises(TrainingError, match="1 of 2 members have a model"):
        committee_document([None, member], silicon_set, 2)


def test_errors_are_reported_by_origin_and_each_frame_is_predicted_once(
    member, silicon_set, monkeypatch
):
    split = silicon_set.info["split"].copy()
    kinds = np.array(silicon_set.info["config_type"], object)
    iteration = np.full(len(silicon_set), np.nan)
    kinds[20:26], iteration[20:26] = "md", 1  # four in train, two in val
    split[:3], kinds[:3], iteration[:3] = "audit", "md", 2
    frames = silicon_set.with_info(split=split, config_type=kinds, iteration=iteration)
    predicted = []

    def counted(potentials, dataset):
        predicted.extend(dataset.fingerprints.tolist())
        return evaluate_members(potentials, dataset)

    monkeypatch.setattr("flowpot.training.committee.evaluate_members", counted)
    found, _ = committee_document([member], frames, 1)
    labelled = silicon_set[~silicon_set.is_isolated_atom]
    assert sorted(predicted) == sorted(labelled.fingerprints.tolist())
    assert found["n_frames"] == {"train": 21, "val": 4, "test": 4}
    assert set(found["metrics"]) == set(SETS)
    assert found["n_frames_by_origin"] == {
        "augmented": {"train": 17, "val": 2, "test": 4},
        "explored 1": {"train": 4, "val": 2},
        "explored 2": {"audit": 3},
    }
    errors = found["metrics_by_origin"]
    assert errors["augmented"]["test"] == found["metrics"]["test"]
    audit = load_potential(member, "cpu").evaluate(frames[:3])
    expected = np.sqrt(np.mean((audit.forces - frames[:3].forces) ** 2))
    assert errors["explored 2"]["audit"]["forces"] == pytest.approx(expected, rel=1e-4)
    document = CommitteeDoc.model_validate({**found, "members": []})
    assert document.metrics_by_origin == errors
    assert CommitteeDoc(members=[], seconds=0.0).metrics_by_origin == {}  # of before


def test_a_list_of_shards(silicon_set, member):
    shards = [silicon_set[:16].to_artifact(), {"dataset": silicon_set[16:]}]
    assert len(Dataset.load(shards)) == len(silicon_set)
    found, _ = committee_document([member], shards, 1)
    assert found["n_frames"] == {"train": 24, "val": 4, "test": 4}


def test_frames_that_were_left_out_are_counted_in_the_document(silicon_set, committee):
    lacking = Dataset(**(silicon_set[:2].fields | {"forces": None}))
    with pytest.warns(UserWarning, match="energy and no forces"):
        fields, _ = committee_document(committee.members, [silicon_set, lacking], 1)
    (remark,) = CommitteeDoc(**fields, members=[]).remarks
    assert remark.startswith("2 frame(s) have an energy and no forces, and are left")
