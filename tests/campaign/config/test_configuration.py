"""Campaigns from files: read, run, refused, and described by a schema."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import yaml
from ase.build import bulk
from ase.io import write
from jobflow import Maker
from monty.json import MontyDecoder, MontyEncoder
from typer.testing import CliRunner

from flowpot import (
    ActiveLearningMaker,
    BatchedMDMaker,
    Campaign,
    MetatrainTrainingMaker,
)
from flowpot.augmentation import Dimers, Strains
from flowpot.campaign import embedded_store
from flowpot.campaign.config import fields
from flowpot.campaign.config.configuration import ConfigurationError, read_configuration
from flowpot.campaign.config.schema import campaign_schema
from flowpot.cli import app

EXAMPLE = Path(__file__).parents[3] / "tutorials" / "campaign.yaml"

COPPER = """
name: copper
structures: "*.cif"
augmentation:
  supercell: null
  distortion: {n_frames: 5, fraction: 1e-1, strain: [-0.03, 0.05]}
  clusters: null
  slabs: null
labelling:
  static_maker:
    maker: atomate2.forcefields.jobs.ForceFieldStaticMaker
    name: qe static
    force_field_name: {"@module": ase.calculators.emt, "@callable": EMT}
training: null
exploration: null
max_labels: 5
"""


@pytest.fixture
def file(clean_dir):
    """A function that writes a campaign's file beside a structure."""
    write("copper.cif", bulk("Cu", cubic=True))

    def file(text=COPPER, **changes) -> Path:
        found = yaml.safe_load(text) | changes
        path = clean_dir / "campaign.yaml"
        path.write_text(text if not changes else yaml.safe_dump(found))
        return path

    return file


def test_fields_are_the_makers_own(file):
    found = read_configuration(file())
    maker = found.maker
    assert maker.training is None
    assert maker.augmentation.supercell is None
    assert maker.augmentation.distortion.fraction == pytest.approx(0.1)
    assert maker.augmentation.distortion.strain == (-0.03, 0.05)
    # What the file does not name is the default.
    assert maker.augmentation.substitution == (
        ActiveLearningMaker().augmentation.substitution
    )
    assert type(maker.labelling.static_maker).__name__ == "ForceFieldStaticMaker"
    assert len(found.inputs["structures"]) == 1


def test_a_validator_is_a_maker_with_files_of_crystals(file):
    maker = {"properties": ["eos", "elastic"], "structures": "copper.cif"}
    text, tolerance = COPPER.replace("1e-1", "0.1"), {"bulk_modulus": 0.05, "C44": 0.1}
    path = file(text, validator=maker, property_tolerance=tolerance)
    jsonschema.validate(yaml.safe_load(path.read_text()), campaign_schema())
    campaign = read_configuration(path).maker
    assert campaign.property_tolerance == tolerance
    assert campaign.validator.properties == ("eos", "elastic")
    (cell,) = campaign.validator.structures
    assert cell.formula == "Cu4"
    stored = json.dumps(campaign, cls=MontyEncoder)
    assert json.loads(stored, cls=MontyDecoder).validator == campaign.validator
    with pytest.raises(FileNotFoundError, match=r"validator\.structures: there is no"):
        read_configuration(file(text, validator=maker | {"structures": "gone.cif"}))
    with pytest.raises(ConfigurationError, match="there is no validator"):
        read_configuration(file(text, property_tolerance=tolerance))


def test_a_preset_is_changed_where_the_file_says(file):
    text = """
    preset: smoke
    structures: copper.cif
    training:
      trainer: {hyperparameters: {max_num_epochs: 7}}
    """
    maker = read_configuration(file(text)).maker
    smoke = ActiveLearningMaker.preset("smoke")
    expected = smoke.training.trainer.hyperparameters | {"max_num_epochs": 7}
    assert maker.training.trainer.hyperparameters == expected
    assert maker.training.size == smoke.training.size
    assert maker.exploration == smoke.exploration


def test_an_engine_is_chosen_by_its_name(file):
    """With its defaults, or with fields of its own; and the schema knows both."""
    check = jsonschema.Draft202012Validator(campaign_schema()).validate
    for engine, n_steps in (
        ("BatchedMDMaker", 10_000),
        ({"maker": "BatchedMDMaker", "n_steps": 500, "skin": 0.5}, 500),
    ):
        path = file(augmentation=None, exploration={"md_maker": engine})
        check(yaml.safe_load(path.read_text()))
        md_maker = read_configuration(path).maker.exploration.md_maker
        assert type(md_maker) is BatchedMDMaker
        assert md_maker.n_steps == n_steps
    with pytest.raises(ConfigurationError, match="did you mean 'BatchedMDMaker'"):
        read_configuration(file(exploration={"md_maker": "BatchMDMaker"}))


@dataclass
class ForeignStaticMaker(Maker):
    """A Maker of single points of another package."""

    name: str = "foreign static"

    def make(self, structure, prev_dir=None):
        """Never called: it is only named."""


def test_makers_of_other_packages_are_chosen_by_their_names(file, monkeypatch):
    """An entry point of the group ``flowpot.makers`` makes a class known."""
    point = SimpleNamespace(name="emt", load=lambda: ForeignStaticMaker)
    monkeypatch.setattr(
        "flowpot.plugins.entry_points",
        lambda group: [point] if group == "flowpot.makers" else [],
    )
    fields.named_classes.cache_clear()
    try:
        path = file(labelling={"static_maker": {"maker": "ForeignStaticMaker"}})
        maker = read_configuration(path).maker
    finally:
        fields.named_classes.cache_clear()
    assert isinstance(maker.labelling.static_maker, ForeignStaticMaker)


def test_extra_kinds_of_frames_are_chosen_by_their_names(file):
    check = jsonschema.Draft202012Validator(campaign_schema()).validate
    kinds = ["Strains", {"maker": "Dimers", "n_points": 5}]
    path = file(augmentation={"preset": "smoke", "extra": kinds})
    check(yaml.safe_load(path.read_text()))
    maker = read_configuration(path).maker.augmentation
    assert maker.extra == (Strains(), Dimers(n_points=5))
    for wrong, problem in (
        ({"maker": "Dimer"}, r"extra\[0\].maker: .*did you mean 'Dimers'"),
        ({"n_points": 5}, r"extra\[0\]: say by `maker` which it is: Alloys"),
        ({"maker": "Dimers", "points": 5}, r"extra\[0\].points: Dimers has no such"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            read_configuration(file(augmentation={"extra": [wrong]}))


def test_several_trainers_of_several_kinds(file):
    text = """
    structures: copper.cif
    training:
      trainer:
        - maker: MACETrainingMaker
        - {maker: MetatrainTrainingMaker, architecture: pet}
    """
    trainers = read_configuration(file(text)).maker.training.trainer
    assert [type(each).__name__ for each in trainers] == [
        *("MACETrainingMaker", "MetatrainTrainingMaker")
    ]
    assert isinstance(trainers[1], MetatrainTrainingMaker)


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"max_iteration": 3}, "max_iteration", "did you mean 'max_iterations'"),
        ({"max_iterations": "3"}, "max_iterations", "give a whole number, such as"),
        (
            {"tolerance": 0.1},
            "tolerance",
            "0.1 does not fit: give keys and values, such as {energy: 0.",
        ),
        (
            {"validator": {"properties": "eos"}},
            "validator.properties",
            "'eos' does not fit: give a list, such as [eos, elastic",
        ),
        ({"name": 3}, "name", "3 does not fit: give text, such as '3'"),
        (
            {"exploration": {"temperatures": [300, "hot"]}},
            "exploration.temperatures",
            "give a number in place of 'hot'",
        ),
        (
            {"labelling": {"split_fractions": [0.9]}},
            "labelling.split_fractions",
            "give more values, such as [0.8, 0.1, 0.1]",
        ),
        (
            {"exploration": {"md_maker": {"temperature": "hot"}}},
            "exploration.md_maker.temperature",
            "give a number, such as 300.0, or a list",
        ),
        ({"max_iterations": 0}, "ActiveLearningMaker", "use 1 or more"),
        ({"tolerance": {"force": 0.1}}, "", "did you mean 'forces'"),
        ({"seed": 1.5}, "seed", "1.5 does not fit"),
        ({"training": {"sise": 2}}, "training.sise", "did you mean 'size'"),
        (
            {"training": {"trainer": {"hyperparameters": {"max_epochs": 5}}}},
            "training.trainer",
            "did you mean 'max_num_epochs'",
        ),
        (
            {"training": {"trainer": {"maker": "MaceTrainingMaker"}}},
            "training.trainer.maker",
            "did you mean 'MACETrainingMaker'",
        ),
        (
            {"exploration": {"md_maker": {"ensemble": "nph"}}},
            "exploration.md_maker.ensemble",
            "'npt'",
        ),
        (
            {"exploration": {"n_starts": 0}},
            "exploration",
            "n_starts is 0",
        ),
        (
            {"labelling": {"static_maker": {"maker": "flowpot.no.such.Maker"}}},
            "labelling.static_maker.maker",
            "cannot import",
        ),
        *(
            ({"labelling": wrong}, "labelling", words)
            for wrong in (False, True, 0, [1])
            for words in ("give the fields of LabellingMaker", "or null for none")
        ),
        ({"labelling": "none"}, "labelling", "write null for none"),
        ({"max_labels": "None"}, "max_labels", "write null for none"),
        ({"training": {"trainer": []}}, "training", "trainer is empty"),
        (
            {"training": {"trainer": None}},
            "training.trainer",
            "give the fields of MACE",
        ),
        (
            {"pretrain_with": {"force_field_name": "MACE"}},
            "pretrain_with",
            "say by `maker` which it is",
        ),
        (
            {"evaluation": {"rules": "all"}},
            "evaluation.rules",
            "give the fields of Sel",
        ),
        ({"elements": []}, "ActiveLearningMaker", "elements is empty"),
        ({"preset": "quick"}, "preset", "smoke"),
        ({"structures": None}, "structures, dataset", "at least one"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(file, changes, place, words):
    with pytest.raises(ConfigurationError) as refused:
        read_configuration(file(**changes))
    assert str(refused.value).startswith(place)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("name: !!binary aGVsbG8=", "the value in line 4 is `!!binary`: write it as t"),
        ("tolerance: &a {energy: *a}", "begins in line 4 contains itself, by an alias"),
        ("elements: &a [*a]", "begins in line 4 contains itself, by an alias"),
    ],
)
def test_yaml_that_no_campaign_can_be_made_of(line, problem, file):
    path = file("structures: copper.cif\n\nseed: 1\n" + line)
    with pytest.raises(ConfigurationError, match=problem):
        read_configuration(path)


def test_an_alias_repeats_a_value(file):
    path = file(
        "structures: copper.cif\n"
        "tolerance: &a {forces: 0.3}\nevaluation: {tolerance: *a}\n"
    )
    maker = read_configuration(path).maker
    assert maker.tolerance == maker.evaluation.tolerance == {"forces": 0.3}


def test_a_missing_file_is_named(file):
    with pytest.raises(
        FileNotFoundError, match=r"structures: there is no file .*no\.cif"
    ):
        read_configuration(file(structures=["copper.cif", "no.cif"]))


def test_the_schema_takes_what_is_read_and_refuses_what_is_not(file):
    schema = campaign_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(yaml.safe_load(EXAMPLE.read_text()))) == []
    copper = yaml.safe_load(COPPER.replace("1e-1", "0.1"))
    assert list(validator.iter_errors(copper)) == []
    for changes in (
        {"max_iteration": 3},
        {"max_iterations": "3"},
        {"training": {"sise": 2}},
        {"exploration": {"md_maker": {"ensemble": "nph"}}},
        {"preset": "quick"},
    ):
        assert list(validator.iter_errors(copper | changes))


def test_the_tutorials_file_is_read():
    found = read_configuration(EXAMPLE)
    assert len(found.inputs["structures"]) == 2
    assert found.maker.labelling.static_maker.pseudo_family == "debian-pbe"
    assert found.maker.training.trainer.hyperparameters["hidden_irreps"] == "16x0e"


def test_run_here_and_continue(file, clean_dir):
    """Labels of EMT; then more of them, with a larger budget."""
    path = file()
    runner = CliRunner()
    ran = runner.invoke(app, ["run", str(path)])
    assert ran.exit_code == 0, ran.output
    assert "Stopped, completed" in ran.output
    store = embedded_store(clean_dir / "campaign" / "store")
    campaign = Campaign.from_store(store, "copper")
    assert len(campaign.dataset()) == 5

    again = runner.invoke(app, ["run", str(path)])
    assert "Taking up the campaign" in again.output
    assert len(list((clean_dir / "campaign").glob("run*"))) == 1

    more = runner.invoke(app, ["run", str(file(max_labels=9)), "--continue"])
    assert more.exit_code == 0, more.output
    assert "Continuing a campaign" in more.output
    assert (clean_dir / "campaign" / "run-2").is_dir()
    assert len(Campaign.from_store(store, "copper").dataset()) == 7


def test_dry_run_prints_a_table(file):
    shown = CliRunner().invoke(app, ["run", str(file()), "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "labelling" in shown.output
    assert "2 frames" in shown.output
    assert not Path("campaign").exists()


def test_the_schema_is_printed():
    shown = CliRunner().invoke(app, ["run", "--schema"])
    assert json.loads(shown.output) == campaign_schema()


def test_a_refusal_is_readable(file):
    shown = CliRunner().invoke(app, ["run", str(file(max_iteration=1))])
    assert shown.exit_code == 1
    assert "did you mean 'max_iterations'?" in " ".join(shown.output.split())
