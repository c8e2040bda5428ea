"""Paths mean the same file wherever the job that reads them runs."""

from pathlib import Path

import pytest
from ase.build import bulk
from jobflow import run_locally

from flowpot import Dataset, EspressoStaticMaker, MACETrainingMaker
from flowpot.jobs import stage_job
from flowpot.labelling.espresso.pseudos import PseudoFamily
from flowpot.settings import get_settings


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
