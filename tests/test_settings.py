"""Paths mean the same file wherever the job that reads them runs."""

import os
import traceback
from pathlib import Path

import pytest
from ase.build import bulk
from jobflow import run_locally

from flowpot import Dataset, EspressoStaticMaker, MACETrainingMaker
from flowpot.dataset.artifact import signature
from flowpot.jobs import stage_job
from flowpot.labelling.espresso.pseudos import PseudoFamily
from flowpot.settings import FlowpotSettings, get_settings


@pytest.mark.parametrize(
    "name", ["PSEUDO_DIR", "LABEL_CACHE", "TRAINING_CACHE", "MD_CACHE"]
)
def test_a_relative_folder_is_refused(name, clean_dir, monkeypatch):
    """The setting is named, and the folder that was meant."""
    monkeypatch.setenv(f"FLOWPOT_{name}", "somewhere")
    with pytest.raises(ValueError, match=f"^FLOWPOT_{name}: 'somewhere' is") as refused:
        get_settings()
    assert repr(str(clean_dir / "somewhere")) in str(refused.value)
    for absolute in ("/tmp/somewhere", "~/somewhere"):
        monkeypatch.setenv(f"FLOWPOT_{name}", absolute)
        assert str(getattr(get_settings(), name)) == absolute


@pytest.fixture
def settings_file(clean_dir, monkeypatch):
    """An empty settings file that the user has named; no other variable is set."""
    for name in [name for name in os.environ if name.startswith("FLOWPOT_")]:
        monkeypatch.delenv(name)
    path = clean_dir / "settings.yaml"
    path.touch()
    monkeypatch.setenv("FLOWPOT_CONFIG_FILE", str(path))
    return path


def test_a_named_settings_file_has_to_exist(settings_file, clean_dir, monkeypatch):
    """Otherwise a typing error turns the signatures off."""
    settings_file.write_text("SIGNING_KEY: secret")
    assert signature("ab") is not None
    for path, reason in (
        (clean_dir / "setings.yaml", "there is no such file"),
        (clean_dir, "which is no file: name a YAML"),
        (Path("settings.yaml"), "a relative path"),
    ):
        monkeypatch.setenv("FLOWPOT_CONFIG_FILE", str(path))
        with pytest.raises(ValueError, match=reason) as refused:
            signature("ab")
        assert f"FLOWPOT_CONFIG_FILE is {str(path)!r}" in str(refused.value)


def test_the_usual_settings_file_need_not_exist(settings_file, clean_dir, monkeypatch):
    for unset in ("", None):
        monkeypatch.setenv("HOME", str(clean_dir / "nobody"))
        if unset is None:
            monkeypatch.delenv("FLOWPOT_CONFIG_FILE")
        else:
            monkeypatch.setenv("FLOWPOT_CONFIG_FILE", unset)
        assert get_settings() == FlowpotSettings()
        assert get_settings().PW_CMD == "pw.x"
        home = clean_dir / "home"
        home.mkdir(exist_ok=True)
        (home / ".flowpot.yaml").write_text("PW_CMD: mine.x")
        monkeypatch.setenv("HOME", str(home))
        assert get_settings().PW_CMD == "mine.x"


@pytest.mark.parametrize("name", FlowpotSettings.model_fields)
def test_an_empty_variable_counts_as_unset(name, settings_file, monkeypatch):
    """An empty signing key would sign, and anybody could."""
    unset = getattr(get_settings(), name)
    monkeypatch.setenv(f"FLOWPOT_{name}", "")
    assert getattr(get_settings(), name) == unset
    assert signature("ab") is None
    given = {"MD_WORKERS": 3, "DEVICE": "cpu"}.get(name, "/there")
    settings_file.write_text(f"{name}: {given}")
    assert getattr(get_settings(), name) != unset


@pytest.mark.parametrize(
    "name", sorted(set(FlowpotSettings.model_fields) - {"MD_WORKERS"})
)
@pytest.mark.usefixtures("settings_file")
def test_a_blank_variable_is_refused(name, monkeypatch):
    monkeypatch.setenv(f"FLOWPOT_{name}", "  ")
    with pytest.raises(ValueError, match=rf"FLOWPOT_{name}.*: it is empty"):
        get_settings()


@pytest.mark.parametrize("text", ["''", "' '"])
def test_a_blank_value_in_the_file_is_refused(text, settings_file):
    settings_file.write_text(f"SIGNING_KEY: {text}")
    with pytest.raises(
        ValueError, match=r"settings.yaml: SIGNING_KEY does not fit: it is empty"
    ):
        get_settings()


WRONG = [
    ("- a", "settings.yaml: give keys and values, as in `PW_CMD: "),
    ("PW_CMD: 3", r"^/.*settings.yaml: PW_CMD is 3: it must be text \(quote it"),
    ("MD_WORKERS: many", r"^/.*settings.yaml: MD_WORKERS is 'many': it must be"),
    ("MD_WORKERS: 0", r"MD_WORKERS is 0: it must be greater than or equal to 1"),
    ("DEVICE: gpu", "settings.yaml: DEVICE: it is 'gpu': use 'auto', 'cpu', 'cuda'"),
    ("PW_CMD: a\nPW_CMD: b", "'PW_CMD' is given twice .*: keep one"),
    ("PW_COMD: a", "settings.yaml: it has 'PW_COMD' .did you mean 'PW_CMD'"),
    ("ARTIFACT_ROOT: [s3://me:word@host/x]", r"ARTIFACT_ROOT is \['s3://\*\*\*@host"),
]


@pytest.mark.parametrize(("content", "message"), WRONG)
def test_what_is_wrong_in_the_file(content, message, settings_file):
    """The file, the setting, its value and the remedy are named."""
    settings_file.write_text(content)
    with pytest.raises(ValueError, match=message):
        get_settings()


def test_what_is_wrong_in_a_variable(settings_file, monkeypatch):
    settings_file.write_text("MD_WORKERS: 3")
    monkeypatch.setenv("FLOWPOT_MD_WORKERS", "four")
    with pytest.raises(ValueError, match=r"^FLOWPOT_MD_WORKERS is 'four': it must"):
        get_settings()


def test_a_wrong_key_is_shown_nowhere(settings_file):
    settings_file.write_text("SIGNING_KEY: [verysecret]")
    with pytest.raises(
        ValueError, match=r"settings.yaml: SIGNING_KEY does n"
    ) as refused:
        get_settings()
    shown = "".join(traceback.format_exception(refused.value))
    assert "verysecret" not in shown


@pytest.mark.parametrize("name", ["LABEL_CACHE", "PSEUDO_DIR"])
def test_a_file_is_no_folder(name, settings_file, monkeypatch):
    monkeypatch.setenv(f"FLOWPOT_{name}", str(settings_file))
    with pytest.raises(
        ValueError, match=f"^FLOWPOT_{name}: .* is a file: set a folder"
    ):
        get_settings()


def test_makers_keep_absolute_paths(clean_dir):
    (clean_dir / "start.model").touch()
    here = str(clean_dir / "cache")
    assert EspressoStaticMaker(cache="cache").cache == here
    assert EspressoStaticMaker(cache="~/cache").cache == "~/cache"
    trainer = MACETrainingMaker(cache="cache", foundation_model="start.model")
    assert (trainer.cache, trainer.foundation_model) == (
        here,
        str(clean_dir / "start.model"),
    )
    assert MACETrainingMaker(foundation_model="small").foundation_model == "small"
    assert PseudoFamily("mine", "pseudos").folder == str(clean_dir / "pseudos")


@stage_job()
def count(dataset, word="a.b"):
    return {"n": len(Dataset.load(dataset)), "word": word}


@pytest.mark.parametrize("given", ["frames.xyz", Path("frames.xyz"), ["frames.xyz"]])
def test_files_are_found_by_the_job(given, clean_dir, jobstore):
    Dataset.from_atoms([bulk("Cu")] * 3).write("frames.xyz")
    job = count(given)
    run_locally(job, store=jobstore, create_folders=True, ensure_success=True)
    expected = 3 * len(given) if isinstance(given, list) else 3
    assert jobstore.get_output(job.uuid) == {"n": expected, "word": "a.b"}
