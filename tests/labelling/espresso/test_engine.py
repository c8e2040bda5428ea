"""A calculation starts from an earlier one's density, and ends at its own label."""

import shutil
from dataclasses import replace

import pytest
from ase import Atoms
from ase.build import bulk
from jobflow import Flow, run_locally
from numpy.testing import assert_allclose

from flowpot.labelling.espresso import EspressoTaskDoc
from flowpot.labelling.espresso.starting_density import take_start

pytestmark = pytest.mark.qe


@pytest.fixture
def kept(cheap):
    """Keeps its density and wavefunctions."""
    return replace(cheap, keep_scratch=True)


def test_the_next_job_needs_fewer_steps(pair, cheap, kept, jobstore, clean_dir):
    first = kept.make(pair)
    second = cheap.make(pair, prev_dir=first.output.dir_name)
    run_locally(
        Flow([first, second]), store=jobstore, create_folders=True, ensure_success=True
    )
    before, after = (
        EspressoTaskDoc.model_validate(jobstore.get_output(job.uuid, load=True))
        for job in (first, second)
    )
    assert before.run.n_scf_steps > 5
    assert after.run.n_scf_steps == 1
    assert after.corrections == []
    (only,) = after.warnings  # of `cheap`, not of the files that it started from
    assert only.startswith("ecutwfc is 12 Ry")
    assert_allclose(after.output.energy, before.output.energy, atol=1e-7)
    assert_allclose(after.output.forces, before.output.forces, atol=5e-4)


def test_a_frame_nearby_gets_its_own_label(pair, cheap, kept, tmp_path):
    kept.label_in(pair, tmp_path / "first")
    pair.positions[1] += [0.02, 0, 0]
    pair.set_cell(pair.cell * 1.01, scale_atoms=True)
    started = cheap.label_in(pair, tmp_path / "next", prev_dir=tmp_path / "first")
    fresh = cheap.label_in(pair, tmp_path / "fresh")
    assert started.run.n_scf_steps < fresh.run.n_scf_steps
    assert_allclose(started.output.energy, fresh.output.energy, atol=1e-7)


@pytest.mark.parametrize(
    "change",
    [{"kspacing": 0.9}, {"user_settings": {"SYSTEM": {"ecutwfc": 12.0, "nbnd": 14}}}],
)
def test_wavefunctions_that_do_not_fit_are_left(pair, cheap, kept, tmp_path, change):
    kept.label_in(pair, tmp_path / "first")
    other = replace(cheap, **change)
    document = other.label_in(pair, tmp_path / "next", prev_dir=tmp_path / "first")
    assert document.state == "successful"
    (correction,) = document.corrections
    assert correction.handler == "StartFileHandler"
    assert correction.actions == ["startingwfc = pw.x's own choice"]


@pytest.fixture
def atom(kept):
    """An atom of hydrogen, which is magnetic, and a maker that knows it not."""
    system = {"ecutwfc": 18.0, "ecutrho": 108.0}
    maker = replace(kept, kspacing=3.0, user_settings={"SYSTEM": system})
    return Atoms("H", cell=[4.5] * 3, pbc=True), maker


def test_a_density_without_spins_does_not_decide_for_those_with(atom, tmp_path):
    """Nor the other way round: the label is the one without `prev_dir`."""
    hydrogen, plain = atom
    polarised = replace(plain, magnetic_moments={"H": 1.0})
    labels = {}
    for name, maker in (("unpolarised", plain), ("polarised", polarised)):
        labels[name] = maker.label_in(hydrogen, tmp_path / name).output
    assert labels["polarised"].energy < labels["unpolarised"].energy - 0.5
    for name, other, maker in (
        ("unpolarised", "polarised", plain),
        ("polarised", "unpolarised", polarised),
    ):
        document = maker.label_in(
            hydrogen, tmp_path / "next", prev_dir=tmp_path / other
        )
        assert document.state == "successful", document.errors
        assert document.corrections == []
        output = document.output
        assert output.energy == pytest.approx(labels[name].energy, abs=1e-5)
        assert output.total_magnetization == labels[name].total_magnetization
        assert (
            f"spin-{other} calculation, this one is spin-{name}: started from"
            in (document.warnings[0])
        )


def test_moments_of_another_order_are_not_started_from(kept, cheap, tmp_path):
    """Nor the density of other elements."""
    system = {"ecutwfc": 18.0, "ecutrho": 108.0}
    cells = Atoms("H2", [[0, 0, 0], [0, 0, 3.5]], cell=[4.0, 4.0, 7.0], pbc=True)
    parallel, opposed, mixed = (cells.copy() for _ in range(3))
    parallel.set_initial_magnetic_moments([1.0, 1.0])
    opposed.set_initial_magnetic_moments([1.0, -1.0])
    first = replace(kept, kspacing=3.0, user_settings={"SYSTEM": system})
    first.label_in(parallel, tmp_path / "parallel")
    said = {}
    for name, frame in (("same", parallel), ("opposed", opposed)):
        inputs = first.get_input_set(frame)
        (tmp_path / name).mkdir()
        said[name] = take_start(tmp_path / "parallel", tmp_path / name, inputs)
    assert said["same"] == ({"startingpot": "file", "startingwfc": "file"}, None)
    start, warning = said["opposed"]
    assert start == {}
    assert "started from other magnetic moments: started from superposed" in warning

    mixed.symbols = ["H", "Si"]
    other = first.get_input_set(mixed)
    start, warning = take_start(tmp_path / "parallel", tmp_path / "opposed", other)
    assert start == {}
    assert "is of other elements, or of another order of the atoms" in warning


def test_a_missing_file_of_the_density_is_done_without(atom, tmp_path):
    """The occupations inside PAW spheres, without which pw.x reads no density."""
    hydrogen, maker = atom
    first = maker.label_in(hydrogen, tmp_path / "first")
    (tmp_path / "first" / "pwscf.save" / "paw.txt").unlink()
    document = maker.label_in(hydrogen, tmp_path / "next", prev_dir=tmp_path / "first")
    assert document.state == "successful", document.errors
    assert {each.handler for each in document.corrections} == {"StartFileHandler"}
    assert document.output.energy == pytest.approx(first.output.energy, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("damaged", ["charge-density.dat", "wfc3.dat"])
def test_damaged_files_are_left(pair, cheap, kept, tmp_path, damaged):
    kept.label_in(pair, tmp_path / "first")
    (tmp_path / "first" / "pwscf.save" / damaged).write_bytes(b"not a record")
    document = cheap.label_in(pair, tmp_path / "next", prev_dir=tmp_path / "first")
    assert document.state == "successful", document.errors
    assert {each.handler for each in document.corrections} == {"StartFileHandler"}


def test_what_cannot_be_started_from_is_said(pair, cheap, kept, tmp_path):
    cheap.label_in(pair, tmp_path / "tidied")
    document = cheap.label_in(pair, tmp_path / "next", prev_dir=tmp_path / "tidied")
    assert document.state == "successful"
    assert "keep_scratch=True keeps the density" in document.warnings[0]

    kept.label_in(bulk("Si"), tmp_path / "other")
    shutil.rmtree(tmp_path / "next")
    double = pair * (2, 1, 1)
    document = cheap.label_in(double, tmp_path / "next", prev_dir=tmp_path / "other")
    assert document.state == "successful"
    assert "of a frame of 2 atoms, this one has 4" in document.warnings[0]
