"""The augmentation job."""

import json
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from jobflow import Flow, run_locally
from monty.json import MontyDecoder, MontyEncoder

from flowpot.augmentation import (
    Alloys,
    AugmentationDoc,
    AugmentationMaker,
    Batch,
    Clusters,
    Dimers,
    Distortions,
    ParentGenerator,
    RandomStructures,
    Strains,
    ThermalDisplacements,
    Vacancies,
    dataset_of,
)
from flowpot.dataset import Dataset


def run(job, store):
    responses = run_locally(job, store=store, ensure_success=True)
    return responses[job.uuid][1].output


def test_the_demos_dataset(clean_dir, jobstore, silicon):
    maker = AugmentationMaker.preset("smoke")
    job = maker.make([silicon, bulk("Si", "sc", a=2.53)], seed=2)
    assert job.name == "augment"
    doc = run(job, jobstore)
    assert isinstance(doc, AugmentationDoc)
    assert doc.counts == {
        "input": 2, "distorted": 36, "vacancy": 1, "isolated_atom": 1
    }  # fmt: skip
    assert doc.n_frames == 40
    assert "1 atoms cannot lose 1" in doc.notes[0]
    frames = Dataset.load(doc)
    assert len(frames) == doc.n_frames
    assert frames.n_atoms.sum() == doc.n_atoms
    stored = jobstore.get_output(job.uuid, load=True)
    assert len(Dataset.load(stored)) == 40


def test_another_jobs_document_can_be_augmented(clean_dir, jobstore, silicon):
    first = AugmentationMaker(
        supercell=None, distortion=None, clusters=None, slabs=None, isolated_atoms=False
    ).make(silicon)
    maker = AugmentationMaker.preset("smoke")
    jobs = [maker.make(first.output), maker.make([first.output, bulk("Ge")])]
    flow = Flow([first, *jobs])
    responses = run_locally(flow, store=jobstore, ensure_success=True)
    made = [responses[job.uuid][1].output.counts["distorted"] for job in jobs]
    assert made == [18, 36]


def test_same_seed_same_dataset(clean_dir, jobstore, silicon):
    maker = AugmentationMaker.preset("smoke")
    hashes = [run(maker.make(silicon, seed=s), jobstore) for s in (1, 1, 2)]
    prints = [Dataset.load(doc).fingerprints.tolist() for doc in hashes]
    assert prints[0] == prints[1] != prints[2]


def test_every_field_survives_serialisation():
    maker = AugmentationMaker(
        strain=Strains(),
        vacancies=Vacancies(),
        dimers=Dimers(),
        alloys=Alloys(("Mo", "W"), ("Te",), compositions=({"Mo": 0.5, "W": 0.5},)),
        thermal=ThermalDisplacements(),
        random_structures=RandomStructures(),
    )
    text = json.dumps(maker, cls=MontyEncoder)
    again = json.loads(text, cls=MontyDecoder)
    assert again == maker
    assert len(maker.generators) == 9


@dataclass(frozen=True)
class Copies(ParentGenerator):
    """A kind of frames that flowpot does not have: inputs of which one atom moved."""

    distance: float = 0.1

    kind: ClassVar[str] = "copy"

    def from_parent(self, parent, inputs, rng):
        del inputs
        atoms = parent.supercell.copy()
        atoms.positions[0, 0] += self.distance * rng.random()
        return Batch(dataset_of([atoms], self.kind))


def test_extra_kinds_of_frames(clean_dir, jobstore, silicon):
    """They come with the others, change nothing about these, and survive JSON."""
    plain = AugmentationMaker.preset("smoke")
    maker = AugmentationMaker.preset("smoke", extra=[Copies(0.2), Dimers(n_points=3)])
    again = json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder)
    assert again == maker
    assert again.extra == (Copies(0.2), Dimers(n_points=3))
    doc, without = (run(m.make(silicon, seed=3), jobstore) for m in (again, plain))
    assert doc.counts == without.counts | {"copy": 1, "dimer": 3}
    shared = set(Dataset.load(doc).fingerprints) & set(
        Dataset.load(without).fingerprints
    )
    assert len(shared) == without.n_frames


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("Dimers", "extra is 'Dimers': give a list of generators"),
        ([Dimers], r"extra\[0\] is the class Dimers: it must be a Generator"),
        ([Dimers(), Dimers(5)], "several generators are of the kind 'dimer'"),
        ([Distortions(5)], "several generators are of the kind 'distorted'"),
    ],
)
def test_extra_kinds_are_checked(extra, message):
    with pytest.raises(ValueError, match=message):
        AugmentationMaker(extra=extra)


def test_makers_can_be_changed_in_a_flow(silicon):
    flow = Flow([AugmentationMaker().make(silicon)])
    flow.update_maker_kwargs({"vacuum": 12.0}, class_filter=AugmentationMaker)
    flow.update_maker_kwargs(
        {"_set": {"distortion->n_frames": 7}},
        class_filter=AugmentationMaker,
        dict_mod=True,
    )
    assert flow.jobs[0].maker.vacuum == 12.0
    assert flow.jobs[0].maker.distortion == Distortions(n_frames=7)


def test_the_papers_presets():
    wide = AugmentationMaker.preset("fast_exploration")
    assert wide.supercell.min_length == 24
    assert wide.distortion.fraction == 0.4
    assert wide.distortion.strain == (-0.2, 0.2)
    assert wide.clusters == Clusters(80, 30, distance=1.5)
    assert len(wide.slabs.miller_indices) == 7
    exact = AugmentationMaker.preset("accuracy", vacuum=12.0)
    assert exact.distortion.strain == (-0.3, 0.6)
    assert exact.distortion.fraction == 0.3
    assert exact.distortion.n_vacancies == wide.distortion.n_vacancies == 2
    assert exact.vacuum == 12.0
    alloys = AugmentationMaker.preset("alloy_run", ("Mo", "W"), ("Te",), 50)
    assert alloys.alloys.n_frames == 50
    assert alloys.supercell.min_length == 18
    assert alloys.clusters is alloys.slabs is alloys.substitution is None
    with pytest.raises(ValueError, match="preset is 'run C'"):
        AugmentationMaker.preset("run C")


def test_the_papers_defaults():
    maker = AugmentationMaker()
    assert (maker.supercell.min_length, maker.supercell.max_atoms) == (18, 450)
    plan = maker.distortion
    assert (plan.n_frames, plan.fraction, plan.strain) == (50, 0.3, (-0.2, 0.6))
    assert (plan.vacancy_fraction, plan.n_vacancies) == (0.3, (1, 2))
    assert (maker.clusters.n_frames, maker.clusters.distance) == (20, None)
    assert maker.slabs.miller_indices == (
        *((1, 1, 1), (1, 1, 0), (1, 0, 0), (0, 0, 1)),
    )
    assert (maker.slabs.min_thickness, maker.slabs.max_atoms) == (10, 450)
    swaps = maker.substitution
    assert (swaps.structures_fraction, swaps.switches_fraction) == (0.2, 0.2)
    assert maker.vacuum == 15


def test_bad_structures_stop_before_any_job_runs():
    coincident = Atoms("Si2", [[0, 0, 0], [0, 0, 0.0]], cell=[5, 5, 5], pbc=True)
    with pytest.raises(ValueError, match=r"input 1 \(Si\): two atoms"):
        AugmentationMaker().make([bulk("Si"), coincident])


def test_periodicity_survives_the_journey(clean_dir, jobstore, zoo):
    inputs = [zoo["MoS2"], zoo["wire"], molecule("H2O")]
    maker = AugmentationMaker.preset("smoke", distortion=None, vacancies=None)
    frames = Dataset.load(run(maker.make(inputs), jobstore))
    frames = frames[frames.info["config_type"] == "input"]
    np.testing.assert_array_equal(frames.pbc, [atoms.pbc for atoms in inputs])
