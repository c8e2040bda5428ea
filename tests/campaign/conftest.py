"""Copper labelled by ASE's EMT, through atomate2's Maker for any calculator."""

import io

import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from atomate2.forcefields.jobs import ForceFieldStaticMaker
from jobflow import run_locally

from flowpot import (
    ActiveLearningMaker,
    Artifact,
    AugmentationMaker,
    Campaign,
    CommitteeTrainingMaker,
    Dataset,
    EvaluationMaker,
    ExplorationMaker,
    LabellingMaker,
    LammpsMDMaker,
    MACETrainingMaker,
)
from flowpot.augmentation import Distortions
from flowpot.evaluation import SelectionRules
from flowpot.training.document import CommitteeDoc, PotentialDoc

ENGINE = {"@module": "ase.calculators.emt", "@callable": "EMT"}


def small_copper(**fields) -> ActiveLearningMaker:
    """Return a campaign whose stages take seconds; fields replace its own."""
    usual = {
        "name": "copper",
        "augmentation": AugmentationMaker(
            supercell=None,
            distortion=Distortions(n_frames=7, fraction=0.1, strain=(-0.03, 0.05)),
            clusters=None,
            slabs=None,
        ),
        "labelling": LabellingMaker(
            static_maker=ForceFieldStaticMaker(
                name="qe static", force_field_name=ENGINE
            )
        ),
        "training": CommitteeTrainingMaker(
            trainer=MACETrainingMaker.small(max_num_epochs=8), size=2, members_per_job=2
        ),
        "exploration": ExplorationMaker(
            md_maker=LammpsMDMaker(n_steps=60, sample_interval=10),
            n_starts=2,
            temperatures=(300.0,),
            pressures=(0.0,),
            sampling="grid",
            runs_per_job=2,
        ),
        "evaluation": EvaluationMaker(
            rules=SelectionRules(max_selected=4, audit_min=1, audit_max=2)
        ),
        "max_iterations": 1,
        "seed": 11,
    }
    return ActiveLearningMaker(**usual | fields)


def rattled_copper(n: int, *, labelled: bool, seed: int = 0) -> Dataset:
    """Return n rattled cells, and an isolated atom."""
    frames = [bulk("Cu", cubic=True) for _ in range(n)]
    for i, atoms in enumerate(frames):
        atoms.rattle(0.02 * (1 + i % 5), seed=seed + i)
    frames.append(Atoms("Cu", cell=[15.0] * 3))
    for atoms in frames:
        atoms.calc = EMT()
        atoms.get_potential_energy()
        if atoms.pbc.all():
            atoms.get_stress()
    kinds = ["distorted"] * n + ["isolated_atom"]
    dataset = Dataset.from_atoms(frames).with_info(config_type=kinds)
    return dataset if labelled else dataset.without_labels()


@pytest.fixture(scope="session")
def copper():
    """A function that composes a small campaign on copper."""
    return small_copper


@pytest.fixture(scope="session")
def copper_frames():
    """A function that gives rattled cells of copper, labelled or not."""
    return rattled_copper


@pytest.fixture
def run(jobstore, clean_dir):
    """Run a Flow to its end and read the campaign back."""

    def run(flow) -> Campaign:
        run_locally(flow, store=jobstore, create_folders=True, log=False)
        return Campaign.from_store(jobstore, flow.output.uuid)

    return run


@pytest.fixture(scope="session")
def committee(random_mace) -> CommitteeDoc:
    """Two MACE models for copper: alike but for a tenth of their weights' size."""
    members = []
    for seed in (1, 2):
        model = random_mace(
            3, ("Cu",), "float64", hidden_irreps="8x0e", atomic_inter_scale=0.3
        )
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weight in model.parameters():
                noise = torch.randn(
                    weight.shape, generator=generator, dtype=weight.dtype
                )
                weight.mul_(1 + 0.1 * noise)
        buffer = io.BytesIO()
        torch.save(model, buffer)
        artifact = Artifact.from_bytes(f"member-{seed}.model", buffer.getvalue())
        members.append(
            PotentialDoc(model=artifact, backend="mace", seed=seed, species=["Cu"])
        )
    return CommitteeDoc(members=members, member_metrics=[{}, {}])
