"""`flowpot init`: what it writes is a campaign, of sizes that fit the structures."""

from pathlib import Path

import pytest
import yaml
from ase import Atoms
from ase.build import bulk, graphene, molecule
from ase.io import write
from typer.testing import CliRunner

from flowpot.campaign.config.configuration import read_configuration
from flowpot.cli import app

TUTORIAL = Path(__file__).parents[2] / "tutorials/03_cluster.md"


def invoke(*arguments):
    return CliRunner().invoke(app, ["init", *map(str, arguments)])


STRUCTURES = {
    "silicon": bulk("Si"),
    "salt": bulk("NaCl", "rocksalt", a=5.64, cubic=True),
    "sheet": graphene(vacuum=8.0),
    "water": molecule("H2O", vacuum=6.0),
    "large": bulk("Cu", cubic=True) * (3, 3, 3),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_what_it_writes_is_a_campaign(name, clean_dir):
    write("cell.extxyz", STRUCTURES[name])
    done = invoke("cell.extxyz")
    assert done.exit_code == 0, done.output
    found = read_configuration(Path("campaign.yaml"))
    plan = found.maker.dry_run(**found.inputs)
    labels = next(stage for stage in plan.stages if stage.stage == "labelling")
    assert 10 <= labels.n_frames <= found.maker.max_labels
    assert labels.n_atoms / labels.n_frames <= max(64, len(STRUCTURES[name]))
    text = Path("campaign.yaml").read_text()
    assert STRUCTURES[name].get_chemical_formula() in text
    assert max(map(len, text.splitlines())) <= 88


def test_a_large_cell_is_not_repeated_and_a_molecule_has_no_slabs(clean_dir):
    write("large.extxyz", STRUCTURES["large"])
    write("water.extxyz", STRUCTURES["water"])
    assert invoke("large.extxyz", "-o", "large.yaml").exit_code == 0
    assert invoke("water.extxyz", "-o", "water.yaml").exit_code == 0
    large, water = (
        yaml.safe_load(Path(f"{name}.yaml").read_text()) for name in ("large", "water")
    )
    assert large["augmentation"]["supercell"] is None
    assert "slabs" not in water["augmentation"]
    assert water["exploration"]["md_maker"]["timestep"] == 0.5


def test_the_first_try_is_small_and_labels_with_what_is_here(clean_dir):
    """As the file says: name, structures, labelling, and a preset for the rest."""
    write("cell.extxyz", bulk("Si"))
    assert invoke("cell.extxyz").exit_code == 0
    text = Path("campaign.yaml").read_text()
    assert "keep name, structures and labelling" in text
    assert "`preset: smoke` in the place of the rest" in text
    given = yaml.safe_load(text)
    kept = {key: given[key] for key in ("name", "structures", "labelling")}
    Path("try.yaml").write_text(yaml.safe_dump({"preset": "smoke"} | kept))
    found = read_configuration(Path("try.yaml"))
    plan = found.maker.dry_run(**found.inputs)
    assert plan.core_hours < 0.5
    maker = found.maker.labelling.static_maker
    assert maker.pseudo_family == given["labelling"]["static_maker"]["pseudo_family"]


def test_paths_are_relative_to_the_file_wherever_it_is(clean_dir):
    (clean_dir / "a/b").mkdir(parents=True)
    (clean_dir / "c").mkdir()
    write("a/cell.cif", bulk("Cu", cubic=True))
    assert invoke("a/cell.cif", "-o", "c/copper.yaml").exit_code == 0
    assert invoke("a/cell.cif", "-o", "not/there/copper.yaml").exit_code == 0
    assert read_configuration(Path("not/there/copper.yaml")).inputs["structures"]
    found = read_configuration(Path("c/copper.yaml"))
    assert found.maker.name == "copper"
    assert found.inputs["structures"]


def test_nothing_is_overwritten(clean_dir):
    write("cell.cif", bulk("Cu"))
    Path("campaign.yaml").write_text("mine")
    done = invoke("cell.cif")
    assert done.exit_code == 1
    assert "campaign.yaml is there already" in done.output
    assert Path("campaign.yaml").read_text() == "mine"


def test_a_missing_family_is_told_with_its_remedy(clean_dir):
    write("cell.extxyz", Atoms("Pu", cell=[3, 3, 3], pbc=True))
    done = invoke("cell.extxyz")
    assert "flowpot pseudos install" in done.output


def test_the_project_file_is_the_tutorials(clean_dir):
    write("cell.cif", bulk("Cu"))
    assert invoke("cell.cif", "--project", "flowpot.yaml").exit_code == 0
    project = yaml.safe_load(Path("flowpot.yaml").read_text())
    block = TUTORIAL.read_text().split("```yaml\n")[1].split("```")[0]
    assert project == yaml.safe_load(block)


def test_a_dry_run_cuts_no_word_at_80_columns(clean_dir):
    write("cell.extxyz", bulk("Si"))
    assert invoke("cell.extxyz").exit_code == 0
    done = CliRunner(env={"COLUMNS": "80"}).invoke(
        app, ["run", "campaign.yaml", "--dry-run"]
    )
    assert done.exit_code == 0, done.output
    assert "\u2026" not in done.output
    assert max(map(len, done.output.partition("to label")[0].splitlines())) <= 80


@pytest.mark.parametrize(
    ("atoms", "file", "output", "name"),
    [
        (
            molecule("NO", vacuum=4.0),
            "my cell: no 1 # of 2.extxyz",
            "campaign.yaml",
            "NO",
        ),  # not `false`
        (bulk("Cu"), "- cell.extxyz", "007.yaml", "007"),
        (bulk("Cu"), "'cell'.extxyz", "copper oxide_2.yaml", "copper oxide 2"),
    ],
)
def test_any_name_of_a_file_is_read_back(atoms, file, output, name, clean_dir):
    write(f"./{file}", atoms)
    assert invoke(f"./{file}", "-o", output).exit_code == 0
    found = read_configuration(Path(output))
    assert found.maker.name == name
    assert len(found.inputs["structures"]) == 1


def test_both_files_may_be_in_new_folders(clean_dir):
    write("cell.cif", bulk("Cu"))
    done = invoke("cell.cif", "-o", "my run/c.yaml", "--project", "not/there/p.yaml")
    assert done.exit_code == 0, done.output
    assert Path("not/there/p.yaml").is_file()
    assert "flowpot run 'my run/c.yaml' --dry-run" in done.output


@pytest.mark.parametrize("option", ["--output", "--project"])
def test_no_file_is_written_where_another_cannot_be(option, clean_dir):
    write("cell.cif", bulk("Cu"))
    Path("a-file").touch()
    done = invoke("cell.cif", option, "a-file/x.yaml")
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert f"{option}: 'a-file/x.yaml' cannot be written" in said
    assert "give another place" in said
    assert {path.name for path in clean_dir.iterdir()} == {"cell.cif", "a-file"}
