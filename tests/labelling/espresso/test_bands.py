"""Whether the highest band is empty: enough for the smearing, wherever pw.x writes."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from ase.build import bulk

from flowpot.labelling.espresso.bands import HighestBand
from flowpot.labelling.espresso.handlers import TooFewBandsHandler
from flowpot.labelling.espresso.scratch import own_places, remove_scratch

FEW = {"ecutwfc": 12.0, "nbnd": 4, "degauss": 0.1}


@pytest.fixture
def label(pair, cheap, tmp_path):
    """Label the pair with other settings."""

    def labelled(system=FEW, control=None, name="run", **fields):
        namelists = {"SYSTEM": {"ecutwfc": 12.0, **system}, "CONTROL": control or {}}
        maker = replace(cheap, user_settings=namelists, **fields)
        return maker.label_in(pair, tmp_path / name)

    return labelled


def test_the_limit_is_what_a_millielectronvolt_allows():
    """An occupation of 0.0020 in 19 bands cost 6.7 meV/atom: measured with pw.x."""
    wide = HighestBand(0.0020, 19, 2, 40.0, 2.72, fermi_dirac=True)
    assert 4e-3 < wide.missing_energy < 2e-2
    assert wide.limit == pytest.approx(0.0020 * 1e-3 / wide.missing_energy)
    assert not wide.is_empty
    narrow = replace(wide, width=0.1)
    assert narrow.limit == 0.01
    assert narrow.is_empty
    assert replace(wide, fermi_dirac=False).limit == pytest.approx(10 * wide.limit)


def test_bands_are_added_until_the_tail_ends():
    band = HighestBand(0.38, 8, 2, 40.0, 6.8, fermi_dirac=True)
    more = band.bands_needed
    assert 60 < more < 90  # 73 of them leave 0.4 meV/atom: measured with pw.x
    nearly = replace(band, n_bands=100, occupation=2 * band.limit)
    assert 105 <= nearly.bands_needed < 120
    assert HighestBand(1.0, 4, 2, 40.0, 0.1, fermi_dirac=True).bands_needed == 8


@pytest.mark.qe
def test_the_tail_of_fermi_and_dirac(label):
    wide = {"smearing": "fermi-dirac", "degauss": 0.2}
    document = label(wide)
    assert document.state == "successful"
    assert len(document.corrections) == 1
    assert document.run.highest_occupation < 2e-4
    enough = label({**wide, "nbnd": 60})
    assert enough.corrections == []
    energies = (document.output.energy, enough.output.energy)
    assert energies[0] == pytest.approx(energies[1], abs=2e-3)


@pytest.mark.qe
@pytest.mark.parametrize("disk_io", ["low", "none"])
def test_tetrahedra_need_empty_bands(cheap, disk_io, tmp_path):
    """Of a metal; without pw.x's file the energies of the bands tell."""

    def label(n_bands):
        system = {"ecutwfc": 12.0, "occupations": "tetrahedra", "nbnd": n_bands}
        settings = {"SYSTEM": system, "CONTROL": {"disk_io": disk_io}}
        maker = replace(cheap, user_settings=settings)
        return maker.label_in(bulk("Si", "fcc", a=3.87), tmp_path / str(n_bands))

    document, enough = label(2), label(12)
    assert document.state == "successful"
    assert len(document.corrections) >= 1
    assert document.run.highest_occupation <= 0.01
    assert not enough.corrections
    assert document.output.energy == pytest.approx(enough.output.energy, abs=2e-3)


@pytest.mark.qe
def test_a_handler_that_gives_up_leaves_no_label(label, monkeypatch, tmp_path):
    monkeypatch.setattr(TooFewBandsHandler, "max_num_corrections", 0)
    document = label(cache=str(tmp_path / "cache"))
    assert document.state == "failed"
    assert document.output.energy is None
    said, gave_up = document.errors
    assert said.startswith("the highest band has occupation")
    assert "raise nbnd in user_settings['SYSTEM'], it is 4" in said
    assert gave_up == "TooFewBandsHandler gave up after 0 remedies"
    assert not list(tmp_path.glob("cache/*/*.json"))


@pytest.mark.qe
@pytest.mark.parametrize(
    "control",
    [
        {"outdir": "deep/scratch"},
        {"outdir": "{away}", "wfcdir": "{away}/waves"},
        {"disk_io": "nowf"},
        {"disk_io": "none"},
        {"prefix": "si[1]"},
        {"prefix": "pw"},
    ],
    ids="-".join,
)
def test_missing_bands_are_seen_wherever_pw_writes(label, tmp_path, control):
    away = tmp_path / "away"
    away.mkdir()
    (away / "mine.txt").touch()
    control = {key: text.format(away=away) for key, text in control.items()}
    document = label(control=control)
    assert [each.handler for each in document.corrections] == ["TooFewBandsHandler"]
    assert document.run.highest_occupation < 1e-3
    assert not any("highest band" in line for line in document.warnings)
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {"pw.in.gz", "pw.out.gz", "pw.out.1.gz", "custodian.json"}
    rest = {path.name for path in away.rglob("*")}
    assert rest in ({"mine.txt"}, {"mine.txt", "waves"})


@pytest.mark.qe
def test_frames_share_no_folder_that_the_user_names(label, pair, tmp_path):
    """Nor does one that is kept lose its files to the next."""
    away = tmp_path / "away"
    control = {"outdir": str(away)}
    enough = {"ecutwfc": 12.0}
    for name in ("one", "two"):
        label(enough, control, name, keep_scratch=True)
    folders = list(away.iterdir())
    assert len(folders) == 2
    assert all((folder / "pwscf.save").is_dir() for folder in folders)
    label(enough, control, "one")
    assert len(list(away.iterdir())) == 1


@pytest.mark.qe
def test_bands_that_nobody_knows(label, tmp_path, monkeypatch):
    """The label says so, and no other settings get it from the cache."""
    silent = tmp_path / "bin" / "silent.sh"
    silent.parent.mkdir()
    silent.write_text("#!/bin/sh\npw.x \"$@\" | sed '/bands (ev)/d'\n")
    silent.chmod(0o755)
    cache = str(tmp_path / "cache")
    monkeypatch.setenv("FLOWPOT_PW_CMD", str(silent))
    document = label(control={"disk_io": "none"}, cache=cache)
    assert document.state == "successful"
    assert document.run.highest_occupation is None
    assert "could not be checked" in document.warnings[0]
    monkeypatch.setenv("FLOWPOT_PW_CMD", "pw.x")
    checked = label(name="again", cache=cache)
    assert not checked.from_cache
    assert checked.corrections
    assert label(control={"disk_io": "none"}, cache=cache).from_cache


@pytest.mark.qe
@pytest.mark.parametrize("smearing", ["gaussian", "m-p", "cold", "fermi-dirac"])
def test_energies_tell_what_the_xml_file_says(label, smearing):
    """The output's energies have four decimals."""
    system = {"nbnd": 8, "degauss": 0.05, "smearing": smearing}
    stored = label(system).run.highest_occupation
    printed = label(system, {"disk_io": "none"}).run.highest_occupation
    assert printed == pytest.approx(stored, rel=2e-3, abs=1e-12)
    assert stored != 0


def test_a_place_outside_gets_a_folder_of_its_own(tmp_path):
    folder, away = tmp_path / "run", tmp_path / "away"
    places = [
        own_places({"outdir": str(away)}, each) for each in (folder, tmp_path / "run2")
    ]
    assert places[0] == own_places({"outdir": f"{away}/"}, folder)
    assert Path(places[0]["outdir"]).parent == away
    assert places[0] != places[1]
    assert own_places({"outdir": "../away"}, folder) == places[0]
    for inside in ("./", "scratch", str(folder / "scratch")):
        assert own_places({"outdir": inside}, folder) == {}


def test_scratch_that_is_a_link_is_unlinked(tmp_path):
    """What it leads to stays."""
    (tmp_path / "run").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "kept").touch()
    (tmp_path / "run" / "pwscf.save").symlink_to(tmp_path / "other")
    remove_scratch({"outdir": "./"}, tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())
    assert (tmp_path / "other" / "kept").is_file()


@pytest.mark.qe
def test_a_density_is_started_from_where_pw_looks(label, cheap, pair, tmp_path):
    """With a folder for scratch files of the user's."""
    enough = {"ecutwfc": 12.0}
    label(enough, name="first", keep_scratch=True)
    control = {"outdir": str(tmp_path / "away")}
    user = {"SYSTEM": enough, "CONTROL": control}
    maker = replace(cheap, user_settings=user)
    second = maker.label_in(pair, tmp_path / "next", prev_dir=tmp_path / "first")
    assert second.corrections == []
    assert second.run.n_scf_steps == 1
    text = gzip.decompress((tmp_path / "next" / "pw.in.gz").read_bytes()).decode()
    assert str(tmp_path / "away") in text


def test_only_folders_of_one_calculation_are_removed_whole(tmp_path):
    """However the path to where pw.x runs is written."""
    run, away = tmp_path / "flowpot-run", tmp_path / "away"
    for folder in (run, away):
        folder.mkdir()
        (folder / "mine.txt").touch()
        (folder / "pwscf.xml").touch()
    remove_scratch({"outdir": "./"}, away / ".." / "flowpot-run")
    remove_scratch({"outdir": str(away)}, run)
    for folder in (run, away):
        assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    assert own_places({"outdir": "./"}, away / ".." / "flowpot-run") == {}
