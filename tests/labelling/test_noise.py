"""The noise of labels: some frames are labelled again, converged further."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from jobflow import Flow, run_locally

from flowpot.dataset import Dataset
from flowpot.labelling import LabellingDoc, LabellingMaker
from flowpot.labelling.labels import FrameLabel
from flowpot.labelling.noise import draw, label_noise
from refinable_emt import ShiftingMaker


@pytest.fixture
def copper() -> Dataset:
    """Four cells of copper, the first two of one atom, and an isolated atom."""
    atoms = [bulk("Cu", a=a) for a in (3.5, 3.6)]
    atoms += [bulk("Cu", cubic=True, a=a) for a in (3.5, 3.7)]
    return Dataset.from_atoms([*atoms, Atoms("Cu", cell=[15.0] * 3)])


def stage(**fields) -> LabellingMaker:
    usual = {"static_maker": ShiftingMaker(), "stress_convention": "ase"}
    return LabellingMaker(**usual | fields)


def label(maker: LabellingMaker, frames, store) -> LabellingDoc:
    flow = maker.make(frames, seed=3)
    run_locally(flow, store=store, create_folders=True)
    return LabellingDoc.model_validate(store.get_output(flow.output.uuid, load=True))


def planned(maker: LabellingMaker, frames, store, **options) -> list:
    """Return the jobs by which the plan is replaced."""
    flow: Flow = maker.make(frames, **options)
    return list(flow.jobs[0].run(store).replace.jobs)


def test_root_mean_squares_of_hand_made_labels():
    zeros = np.zeros((2, 3))
    one = FrameLabel(-10.0, zeros, np.zeros((3, 3)))
    other = FrameLabel(-4.0, zeros[:1], np.full((3, 3), np.nan))
    forces = np.array([[0.3, 0.0, 0.0], [-0.3, 0.0, 0.0]])
    pairs = [
        (one, FrameLabel(-9.8, forces, np.diag([0.03, 0.0, 0.0]))),
        (other, FrameLabel(-3.9, zeros[:1], np.full((3, 3), np.nan))),
    ]
    noise = label_noise(pairs)
    assert noise["energy"] == pytest.approx(0.1)  # 0.1 eV/atom in both: it stays
    assert noise["forces"] == pytest.approx(0.3 * np.sqrt(2 / 9))
    assert noise["stress"] == pytest.approx(0.01)
    assert noise.keys() == {"energy", "forces", "stress"}
    assert label_noise(pairs[1:]).keys() == {"energy", "forces"}


def test_the_draw_follows_the_seed_and_leaves_isolated_atoms_out(copper):
    to_label = np.array([0, 2, 3, 4])
    assert draw(copper, to_label, 9, seed=0).tolist() == [0, 2, 3]
    drawn = {tuple(draw(copper, to_label, 2, seed)) for seed in range(20)}
    assert drawn == {(0, 2), (0, 3), (2, 3)}
    assert (draw(copper, to_label, 2, 5) == draw(copper, to_label, 2, 5)).all()
    assert draw(copper, to_label, 0, seed=0).tolist() == []


def test_the_noise_is_in_the_document(copper, jobstore, clean_dir):
    document = label(stage(noise_frames=2), copper, jobstore)
    assert (document.n_labelled, document.n_sent, document.n_noise) == (5, 5, 2)
    assert document.noise == pytest.approx({"energy": 0.3, "forces": 0, "stress": 0})
    assert document.noise_failures == []


def test_jobs_are_found_by_the_name_and_are_no_labels(copper, jobstore):
    jobs = planned(stage(noise_frames=2), copper, jobstore)
    names = [made.name for made in jobs]
    assert names == ["static"] * 5 + ["static, refined"] * 2 + ["collect labels"]
    assert all("frames" in made.metadata for made in jobs[:5])
    for made in jobs[5:7]:
        assert "frames" not in made.metadata
        assert len(made.metadata["refined_frames"]) == 1


def test_only_the_first_stage_measures(copper, jobstore):
    labels = {"forces": np.zeros((1, 3)), "stress": np.zeros((1, 3, 3))}
    existing = copper[:1].with_labels(energy=np.zeros(1), **labels)
    existing = existing.with_info(split=["train"])
    later = {"existing": [existing.to_artifact("labels.h5")]}
    jobs = planned(stage(noise_frames=2), copper, jobstore, **later)
    assert [made.name for made in jobs] == ["static"] * 4 + ["collect labels"]


def test_without_noise_frames_jobs_are_as_ever(copper, jobstore):
    *_, collect = jobs = planned(stage(), copper, jobstore)
    assert [made.name for made in jobs] == ["static"] * 5 + ["collect labels"]
    assert "refined" not in collect.function_kwargs


@pytest.mark.parametrize("fails", ["refined", "usual"])
def test_a_failure_is_told_and_fails_nothing(copper, jobstore, clean_dir, fails):
    maker = stage(
        static_maker=ShiftingMaker(fails=fails),
        noise_frames=2,
        min_success_fraction=0.0,
    )
    document = label(maker, copper, jobstore)
    n_failed = {"refined": 0, "usual": 5}[fails]
    assert (document.n_failed, document.n_sent) == (n_failed, 5)
    assert document.noise is None
    assert document.n_noise == 0
    why = {"refined": "the job gave no label", "usual": "no label to compare"}[fails]
    assert [why in failure.reason for failure in document.noise_failures] == [True] * 2


def test_lost_jobs_are_sent_again_and_refined_labels_kept(copper, jobstore, clean_dir):
    """The label of the first frame is lost; the collector asks for it once more."""
    flow = stage(noise_frames=2).make(copper, seed=3)
    plan = flow.jobs[0].run(jobstore).replace
    first, *_, collect = plan.jobs
    for made in plan.jobs[1:-1]:
        made.run(jobstore)
    again = collect.run(jobstore).replace.jobs
    assert [made.name for made in again] == [first.name, "collect labels"]
    for made in again:
        made.run(jobstore)
    document = LabellingDoc.model_validate(
        jobstore.get_output(flow.output.uuid, load=True)
    )
    assert (document.n_labelled, document.n_noise) == (5, 2)
    assert document.noise["energy"] == pytest.approx(0.3)


def test_documents_of_before_are_read(copper, jobstore, clean_dir):
    stored = label(stage(), copper, jobstore).model_dump()
    for name in ("noise", "n_noise", "noise_failures"):
        del stored[name]
    document = LabellingDoc.model_validate(stored)
    assert (document.noise, document.n_noise) == (None, 0)


def test_what_cannot_be_refined_is_refused(emt):
    with pytest.raises(ValueError, match=r"needs a Maker with `refined\(\)`.* or set"):
        LabellingMaker(static_maker=emt, noise_frames=2)
    with pytest.raises(ValueError, match="noise_frames is -1"):
        LabellingMaker(noise_frames=-1)


@pytest.mark.qe
@pytest.mark.parametrize("batch", [1, 2])
def test_the_noise_of_pw(pair, cheap, jobstore, clean_dir, tmp_path, batch):
    """It equals that of labels computed here."""
    larger = pair.copy()
    larger.set_cell(pair.cell * 1.02, scale_atoms=True)
    maker = LabellingMaker(static_maker=cheap, noise_frames=2, batch_size=batch)
    document = label(maker, Dataset.from_atoms([pair, larger]), jobstore)
    assert document.n_noise == 2
    labels = [
        [
            FrameLabel.from_output(engine.label_in(atoms, tmp_path / f"{i}").output, 2)
            for i, engine in enumerate((cheap, cheap.refined()))
        ]
        for atoms in (pair, larger)
    ]
    assert document.noise == pytest.approx(label_noise(labels), rel=1e-3)
    assert document.noise["energy"] > 0.01
    assert min(document.noise.values()) > 1e-4


@pytest.mark.parametrize(
    ("system", "cutoffs"),
    [
        ({}, None),
        ({"ecutwfc": 20.0}, (26.0, 104.0)),
        ({"ecutwfc": 20.0, "EcutRho": 160.0}, (26.0, 208.0)),
    ],
)
def test_the_refined_copy_of_pw(pair, cheap, system, cutoffs):
    maker = replace(cheap, user_settings={"System": system})
    refined = maker.refined()
    assert refined.kspacing == pytest.approx(0.7 * 1.3)
    assert replace(maker, kspacing=None).refined().kspacing == pytest.approx(0.21)
    before, after = (m.get_input_set(pair) for m in (maker, refined))
    assert after.mesh > before.mesh
    for i, name in enumerate(("ecutwfc", "ecutrho")):
        value = after.parameters["system"][name]
        assert value == pytest.approx(1.3 * before.parameters["system"][name])
        assert cutoffs is None or value == pytest.approx(cutoffs[i])
    usual, more = (
        {k: v for k, v in m.as_dict().items() if k not in ("kspacing", "cutoff_factor")}
        for m in (maker, refined)
    )
    assert usual == more
