"""`flowpot validate`: what it writes and prints, that it resumes, what it refuses."""

import json

import numpy as np
import pytest
import yaml
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from jobflow import run_locally
from typer.testing import CliRunner

from flowpot import CommitteeCalculator, Dataset, ValidationDoc, ValidationMaker
from flowpot.campaign.config.configuration import ConfigurationError
from flowpot.campaign.config.validation_file import read_validation
from flowpot.cli import app
from flowpot.report.validation import validation_table, write_validation


def call(*words, code=0):
    result = CliRunner().invoke(app, ["validate", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def committee(random_mace, tmp_path_factory):
    """Two random potentials: nothing is stable, and only dynamics has a result."""
    import torch

    folder, paths = tmp_path_factory.mktemp("committee"), []
    for seed in (1, 2):
        paths.append(folder / f"{seed}.model")
        torch.save(random_mace(seed, dtype="float64"), paths[-1])
    return CommitteeCalculator(paths).save(folder / "si.committee")


QUICK = {"properties": ["nve"], "nve_steps": 10, "nve_length": 3.0}


def test_a_validation_runs_once(committee, clean_dir):
    write("si.cif", bulk("Si", "diamond", a=5.4))
    (clean_dir / "v.yaml").write_text(yaml.safe_dump(QUICK | {"structures": "si.cif"}))
    (clean_dir / "r.yaml").write_text("energy_drift: 0.0\n")
    words = ("--committee", committee, "--settings", "v.yaml", "--references", "r.yaml")
    said = call(*words)
    assert "Starting a validation" in said
    assert "energy drift (meV/atom/ps)" in said
    results = clean_dir / "flowpot-validation/results"
    found = ValidationDoc.model_validate(
        json.loads((results / "validation.json").read_text())
    )
    assert found.n_members == 2
    assert found.crystal().quantity("energy_drift").reference == 0.0
    jobs = {path.name for path in (results.parent / "run/jobs").iterdir()}
    assert "Taking up the validation" in call(*words)
    assert {path.name for path in (results.parent / "run/jobs").iterdir()} == jobs
    other = " ".join(call(*words, "--properties", "eos", code=1).split())
    assert "holds another validation" in other
    assert "properties" in other


def test_all_that_fails_is_an_error(committee, clean_dir):
    """These potentials know no copper."""
    write("cu.cif", bulk("Cu"))
    words = ("--committee", committee, "--structures", "cu.cif", "--properties", "nve")
    said = " ".join(call(*words, code=1).split())
    assert "which the potential was not trained on" in said


def test_a_campaign_is_validated(stores, clean_dir):
    write("cu.cif", bulk("Cu"))
    (clean_dir / "v.yaml").write_text(yaml.safe_dump(QUICK))
    words = ("--settings", "v.yaml", "--structures", "cu.cif", "--folder", "here")
    said = call("synthetic", "--store", stores["finished"], *words)
    assert "energy fluctuation" in said
    assert (clean_dir / "here/results/validation.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--committee", "gone.committee"], "there is no such file"),
        (["--properties", "eos,eso"], "did you mean 'eos'"),
        (
            ["--references", "bad.yaml"],
            "bad.yaml: references has 'bulk_modulos' (did you mean",
        ),
        (["--references", "list.yaml"], "values, as in `bulk_modulus: 98`"),
        (["--settings", "list.yaml"], "values, as in `properties: [eos, elastic]`"),
        (["synthetic"], "give no campaign with it"),
    ],
)
def test_what_cannot_be_meant_is_refused(words, message, committee, clean_dir):
    write("si.cif", bulk("Si"))
    (clean_dir / "bad.yaml").write_text("bulk_modulos: 3\n")
    (clean_dir / "list.yaml").write_text("- 98\n")
    given = [] if "--committee" in words else ["--committee", committee]
    said = call(*words, *given, "--structures", "si.cif", code=1)
    assert message in " ".join(said.split())


def test_no_structures_are_refused(committee, clean_dir):
    assert "--structures is missing" in call("--committee", committee, code=1)


def test_a_file_is_a_maker(clean_dir):
    write("cu.cif", bulk("Cu"))
    (clean_dir / "v.yaml").write_text(
        yaml.safe_dump(
            {
                "structures": "*.cif",
                "properties": ["eos"],
                "references": {"bulk_modulus": 134},
                "reference_maker": {"maker": "EspressoStaticMaker", "kspacing": 0.3},
                "eos_strain": 2e-2,
            }
        )
    )
    maker, structures = read_validation(clean_dir / "v.yaml")
    assert maker.eos_strain == 0.02
    assert maker.references == {"bulk_modulus": 134}
    assert type(maker.reference_maker).__name__ == "EspressoStaticMaker"
    assert len(structures) == 1
    (clean_dir / "v.yaml").write_text("propertys: [eos]\n")
    with pytest.raises(ConfigurationError, match="did you mean 'properties'"):
        read_validation(clean_dir / "v.yaml")


def test_tables_fit_and_figures_are_drawn(jobstore, clean_dir):
    from rich.console import Console

    committee = [EMT, {"calculator": EMT, "kwargs": {}}]
    maker = ValidationMaker(
        properties=("eos", "phonons"),
        supercell_length=5.0,
        references={"bulk_modulus": 140.0, "energy": 0.0},
    )
    flow = maker.make(committee, bulk("Cu"))
    run_locally(flow, store=jobstore, create_folders=True, ensure_success=True)
    document = ValidationDoc.model_validate(flow.output.resolve(jobstore))
    console = Console(width=10_000)
    table = validation_table(document.crystal())
    assert console.measure(table).maximum <= 80
    paths = write_validation(document, clean_dir / "results")
    assert (clean_dir / "results/crystal_0.png").stat().st_size > 10_000
    bands = np.load(paths["curves"])["Cu Fm-3m/phonons/bands"]
    assert bands.shape[:2] == (2, 3)
    cells = Dataset.read(paths["cells"])
    assert cells.column("property").tolist() == ["eos"] * 8 + ["phonons"] * 2
