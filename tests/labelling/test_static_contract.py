"""Any atomate2 static Maker labels: units and signs, against ASE itself."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from atomate2.vasp.flows.core import DoubleRelaxMaker
from atomate2.vasp.jobs.core import StaticMaker
from emmet.core.tasks import OutputDoc
from jobflow import run_locally
from numpy.testing import assert_allclose

from flowpot.dataset import Dataset
from flowpot.dataset.io.static_documents import output_class
from flowpot.labelling import LabellingDoc, LabellingMaker
from flowpot.labelling.labels import FrameLabel, with_frame_labels


@pytest.fixture
def copper() -> Dataset:
    """Compressed and stretched copper, and a cluster in a box."""
    frames = []
    for index, scale in enumerate((0.96, 1.0, 1.05)):
        atoms = bulk("Cu", cubic=True)
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        atoms.rattle(0.05, seed=index)
        frames.append(atoms)
    cluster = bulk("Cu", cubic=True)
    cluster.pbc = False
    cluster.center(vacuum=5)
    return Dataset.from_atoms([*frames, cluster]).with_info(
        config_type=["strained"] * 3 + ["cluster"], strain=[-0.04, 0.0, 0.05, None]
    )


def test_labels_are_the_calculators_own(emt, copper, jobstore, clean_dir):
    flow = LabellingMaker(static_maker=emt).make(copper)
    run_locally(flow, store=jobstore, ensure_success=True)
    document = LabellingDoc.model_validate(
        jobstore.get_output(flow.output.uuid, load=True)
    )
    shard = Dataset.load(document)
    assert (shard.fingerprints == copper.fingerprints).all()
    for index, atoms in enumerate(copper):
        atoms.calc = EMT()
        labelled = shard[index]
        assert_allclose(labelled.get_potential_energy(), atoms.get_potential_energy())
        assert_allclose(labelled.get_forces(), atoms.get_forces(), atol=1e-9)
        if atoms.pbc.all():
            stress = atoms.get_stress(voigt=False)
            assert_allclose(shard.stress[index], stress, atol=1e-9)
    assert np.trace(shard.stress[0]) < 0 < np.trace(shard.stress[2])  # ASE's sign
    assert np.isnan(shard.stress[3]).all()  # the stress of a box means nothing
    assert shard.info["strain"][0] == -0.04
    assert set(shard.info["split"]) <= {"train", "val", "test"}


def test_the_jobs_keep_their_makers_name(emt, copper, jobstore):
    maker = LabellingMaker(static_maker=emt)
    response = maker.make(copper).jobs[0].run(jobstore)
    names = [job.name for job in response.replace.jobs]
    assert names[:5] == [emt.name] * 4 + ["collect labels"]


def test_vasp_by_its_flow(copper, jobstore):
    """What the collector reads are fields of VASP's document, which jobflow checks."""
    plan = LabellingMaker(static_maker=StaticMaker()).make(copper).jobs[0]
    jobs = plan.run(jobstore).replace.jobs
    static, collect = jobs[:4], jobs[4]
    assert {job.name for job in static} == {"static"}
    for job, references in zip(static, collect.function_kwargs["outputs"], strict=True):
        assert references["output"].attributes == (("a", "output"),)
        assert references["output"].uuid == job.uuid
        assert output_class(job.output_schema) is OutputDoc


def test_a_batch_of_a_maker_of_jobs_is_labelled_in_one(
    emt, copper, jobstore, clean_dir
):
    """The job's function is called for each frame; a cluster has no stress."""
    maker = LabellingMaker(static_maker=emt, batch_size=3, min_success_fraction=0.5)
    unknown = bulk("Si")  # EMT lacks silicon: its frame fails, and no other
    frames = [*copper, unknown]
    flow = maker.make(frames)
    run_locally(flow, store=jobstore, ensure_success=True)
    document = LabellingDoc.model_validate(
        jobstore.get_output(flow.output.uuid, load=True)
    )
    assert len(list(jobstore.query({"name": emt.name}))) == 2
    shard = Dataset.load(document)
    assert (shard.fingerprints == copper.fingerprints).all()
    for index, atoms in enumerate(copper):
        atoms.calc = EMT()
        assert_allclose(shard.energy[index], atoms.get_potential_energy())
        assert_allclose(shard[index].get_forces(), atoms.get_forces(), atol=1e-9)
    assert_allclose(shard.stress[0], copper_stress(copper[0]), atol=1e-9)
    assert np.isnan(shard.stress[3]).all()
    (failure,) = document.failures
    assert "Si" in failure.reason or "14" in failure.reason


def copper_stress(atoms):
    """Return EMT's stress (eV/A^3)."""
    atoms.calc = EMT()
    return atoms.get_stress(voigt=False)


def test_batches_need_a_maker_that_can_label_several(emt):
    with pytest.raises(ValueError, match=r"ForceFieldStaticMaker lacks.*Set it to 1"):
        LabellingMaker(static_maker=emt, batch_size=4, parallel=2)
    flows = DoubleRelaxMaker()
    with pytest.raises(
        ValueError, match=r"batch_size=2 needs.*DoubleRelaxMaker is nei"
    ):
        LabellingMaker(static_maker=flows, batch_size=2)


def test_labels_that_frames_have_are_dropped_where_asked(emt, copper, jobstore):
    wrong = copper.with_labels(
        np.full(len(copper), 7.0), np.zeros_like(copper.positions), copper.stress
    )
    kept = LabellingMaker(static_maker=emt).make(wrong).jobs[0].run(jobstore)
    new = LabellingMaker(static_maker=emt, relabel=True).make(wrong).jobs[0]
    assert len(kept.replace.jobs) == 1
    assert len(new.run(jobstore).replace.jobs) == 1 + len(copper)


def test_labels_go_to_their_frames(copper):
    label = FrameLabel(-1.0, np.ones((4, 3)), np.eye(3))
    labelled = with_frame_labels(copper, {2: label})
    assert labelled.is_labelled.tolist() == [False, False, True, False]
    assert_allclose(labelled[2].get_forces(), 1)
    assert not copper.is_labelled.any()
