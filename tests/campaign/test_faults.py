"""Engines that fail within a campaign: it ends as the undisturbed one, or says why."""

from dataclasses import dataclass

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa
from jobflow import Maker, job
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot import (
    ActiveLearningMaker,
    EspressoStaticMaker,
    ExplorationMaker,
    LabellingMaker,
    LammpsMDMaker,
    MACETrainingMaker,
)
from flowpot.campaign import ResumableRun
from flowpot.campaign.reading import Campaign
from flowpot.training import CommitteeTrainingMaker

LABEL_ONLY = {"training": None, "exploration": None, "evaluation": None}

KILLS_ONE = """#!/bin/sh
# The first calculation of all is killed, as where memory is short.
if [ -s pw.in ] && mkdir {once} 2>/dev/null; then
    pw.x "$@" &
    sleep 0.05
    kill -9 $! $$
fi
exec pw.x "$@"
"""


def assert_same(found, expected, *, rows=slice(None), tolerance=0.0):
    """Order, fingerprints, labels, sets and metadata of frames."""
    expected = expected[rows]
    assert found.fingerprints.tolist() == expected.fingerprints.tolist()
    for name in ("energy", "forces", "stress"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=0, atol=tolerance
        )
    assert set(found.info) <= set(expected.info)
    for name in found.info:
        np.testing.assert_array_equal(found.info[name], expected.info[name])


@pytest.fixture
def silicon_labels(clean_dir, jobstore):
    """A function that labels distorted silicon by pw.x in a campaign."""

    def label(name):
        engine = EspressoStaticMaker(
            protocol="fast",
            pseudo_family="debian-pbe",
            kspacing=1.0,
            user_settings={"SYSTEM": {"ecutwfc": 12.0}},
        )
        campaign = ActiveLearningMaker(
            augmentation=None,
            labelling=LabellingMaker(static_maker=engine, batch_size=4, parallel=2),
            max_iterations=1,
            **LABEL_ONLY,
        )
        frames = [bulk("Si", "diamond", a=5.43 + 0.02 * i) for i in range(3)]
        for i, atoms in enumerate(frames):
            atoms.rattle(0.05, seed=i)
        run = ResumableRun(clean_dir / name, jobstore)
        flow = run.run(campaign.make(dataset=frames))
        return Campaign.from_store(jobstore, flow.output.uuid)

    return label


@pytest.mark.qe
def test_a_killed_pw(silicon_labels, clean_dir, monkeypatch):
    """It runs again with less memory; nothing else is calculated twice."""
    undisturbed = silicon_labels("undisturbed").dataset()
    script = clean_dir / "pw.sh"
    script.write_text(KILLS_ONE.format(once=clean_dir / "once"))
    monkeypatch.setenv("FLOWPOT_PW_CMD", f"sh {script}")
    campaign = silicon_labels("disturbed")
    assert (clean_dir / "once").exists()
    assert_same(campaign.dataset(), undisturbed, tolerance=2e-3)
    assert campaign.doc.iterations[0].n_failed == 0
    [stage] = campaign._documents.of_stage("labelling")
    assert stage["output"]["n_corrected"] == 1


@dataclass
class BrokenEMT(Maker):
    """EMT that gives NaN for some frames: one calculator a job, each job once."""

    name: str = "qe static"
    broken: str = ""
    value: float = float("nan")

    @job
    def make(self, structure: Structure, prev_dir: str | None = None) -> dict:
        del prev_dir
        atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
        atoms.calc = EMT()
        output = {
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces(),
            "stress": atoms.get_stress(voigt=False) * -10 / GPa,
        }
        if self.broken and len(atoms) > 1 and atoms.positions[1, 1] > 1.82:
            output[self.broken] = output[self.broken] * self.value
        output = {name: np.asarray(each).tolist() for name, each in output.items()}
        return {"output": output, "dir_name": "."}


@pytest.mark.parametrize("broken", ["energy", "forces", "stress"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_labels_that_are_no_numbers(broken, value, copper, copper_frames, run):
    """They never reach the training; the other frames are the undisturbed ones."""
    frames = copper_frames(9, labelled=False)

    def label(**fields):
        engine = BrokenEMT(**fields)
        engine = LabellingMaker(static_maker=engine, min_success_fraction=0.2)
        return run(copper(labelling=engine, **LABEL_ONLY).make(dataset=frames))

    undisturbed = label().dataset()
    campaign = label(broken=broken, value=value)
    kept = campaign.dataset()
    bad = np.array([len(a) > 1 and a.positions[1, 1] > 1.82 for a in undisturbed])
    assert 0 < bad.sum() < len(bad) - 2
    assert campaign.doc.iterations[0].n_failed == bad.sum()
    assert kept.fingerprints.tolist() == undisturbed[~bad].fingerprints.tolist()
    for name in ("energy", "forces", "stress"):
        np.testing.assert_array_equal(
            getattr(kept, name), getattr(undisturbed[~bad], name)
        )
    assert np.isfinite(kept.energy).all()
    assert np.isfinite(kept.forces).all()
    assert all("label was refused" in why for why in campaign.failures["reason"])
    assert all(broken in why for why in campaign.failures["reason"])


@pytest.fixture
def explode(copper, copper_frames, committee, run):
    """A campaign of one exploration with timesteps (fs) of one's choice."""

    def explore(timestep):
        exploration = ExplorationMaker(
            md_maker=LammpsMDMaker(n_steps=40, sample_interval=5, timestep=timestep),
            n_starts=2,
            temperatures=(300.0,),
            pressures=(0.0,),
            sampling="grid",
            runs_per_job=2,
        )
        maker = copper(exploration=exploration, training=None, max_iterations=2)
        given = {"dataset": copper_frames(9, labelled=True), "committee": committee}
        return run(maker.make(**given))

    return explore


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_molecular_dynamics_explodes(explode):
    """It is counted, no wreck is labelled, and earlier labels are untouched."""
    calm, wild = explode(2.0), explode(400.0)
    assert not calm.doc.iterations[0].halted
    assert sum(wild.doc.iterations[0].halted.values()) == 2
    assert "every MD run failed or was empty" in wild.doc.stop_reason
    first = wild.doc.iterations[0].n_labelled
    assert first == len(wild.dataset()) == 10
    assert_same(wild.dataset(), calm.dataset(), rows=slice(first))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_diverged_training(copper, run, copper_frames):
    """It is tried again, then left out; labels and other members stay the same."""

    def train(rates):
        trainers = [
            MACETrainingMaker.small(max_num_epochs=3, lr=rate) for rate in rates
        ]
        training = CommitteeTrainingMaker(trainer=trainers, size=3, members_per_job=1)
        maker = copper(training=training, exploration=None, evaluation=None)
        return run(maker.make(dataset=copper_frames(9, labelled=False)))

    calm, wild = train([0.01, 0.01, 0.01]), train([0.01, 1e4, 0.01])
    assert wild.doc.stop_kind == calm.doc.stop_kind == "completed"
    assert_same(wild.dataset(), calm.dataset())
    document = wild.committee()
    assert document.ranks == [0, 2]
    assert "member 1: the training diverged" in document.failures[0]
    assert "member 1: the training diverged" in wild.failures["reason"].iloc[0]
    kept = [calm.committee().members[rank].metrics for rank in document.ranks]
    assert [member.metrics for member in document.members] == kept
