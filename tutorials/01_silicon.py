"""
The campaign of tutorial 1: a potential for silicon, from two structures.

What `flowpot demo` does, composed from the Makers: two crystal structures go in; a
committee of potentials, its calibration and the labelled dataset come out. It takes
about ten minutes on two cores:

    python tutorials/01_silicon.py

You need pw.x and a PBE pseudopotential of silicon: on Debian and Ubuntu
`apt install quantum-espresso quantum-espresso-data libopenblas0-serial` gives both, and
a BLAS with which pw.x is quick.
"""

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from jobflow import JobStore, run_locally

from flowpot import (
    ActiveLearningMaker,
    AugmentationMaker,
    Campaign,
    CommitteeTrainingMaker,
    EspressoStaticMaker,
    EvaluationMaker,
    ExplorationMaker,
    LabellingMaker,
    LammpsMDMaker,
    MACETrainingMaker,
)
from flowpot.augmentation import Distortions, Strains
from flowpot.campaign import embedded_store
from flowpot.evaluation import SelectionRules
from flowpot.exploration.sanity import SanityLimits
from flowpot.report import write_results


def structures() -> list[Atoms]:
    """Return what we start from: diamond, and hexagonal diamond (lonsdaleite)."""
    lattice = 5.47  # A, PBE's
    a, c, u = lattice / np.sqrt(2), 2 * lattice / np.sqrt(3), 1 / 16
    hexagonal = Atoms(
        "Si4",
        scaled_positions=[
            (1 / 3, 2 / 3, u),
            (2 / 3, 1 / 3, 1 / 2 + u),
            (2 / 3, 1 / 3, 1 - u),
            (1 / 3, 2 / 3, 1 / 2 - u),
        ],
        cell=[a, a, c, 90, 90, 120],
        pbc=True,
    )
    return [bulk("Si", "diamond", a=lattice), hexagonal]


def compose(*, quick: bool) -> ActiveLearningMaker:
    """
    Put the stages together.

    Every stage is a Maker; what a field means is in its docstring. A stage set to None
    is left out, and each of them runs alone, too.
    """
    # 1. Augmentation: cells distorted and strained at once, cells that are only
    #    strained, and the isolated atom, whose energy MACE needs. Larger campaigns
    #    start from supercells, and have vacancies, clusters and slabs: the defaults.
    augmentation = AugmentationMaker(
        supercell=None,
        distortion=Distortions(
            n_frames=9 if quick else 8,
            fraction=0.15,
            strain=(-0.06, 0.08),
            vacancy_fraction=0.0,
        ),
        strain=Strains(n_frames=5 if quick else 8, limits=(-0.08, 0.1)),
        vacancies=None,
        substitution=None,
        clusters=None,
        slabs=None,
    )

    # 2. Labelling: pw.x, two frames at a time. Any atomate2 static Maker would do. The
    #    settings are converged to an eighth of the tolerances below, or better: a
    #    model cannot learn what is noise.
    espresso = EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=1.0 if quick else 0.35,
        user_settings={
            "SYSTEM": {"degauss": 0.0075} | ({"ecutwfc": 12.0} if quick else {}),
            "ELECTRONS": {"conv_thr": 1e-7, "mixing_beta": 0.7},
        },
    )
    labelling = LabellingMaker(static_maker=espresso, batch_size=2, parallel=2)

    # 3. Training: a committee whose members differ by their seeds. The cutoff is beyond
    #    the third neighbours, by which the two crystals differ. The second stage,
    #    "swa", weighs energies more, at a small learning rate.
    training = CommitteeTrainingMaker(
        trainer=MACETrainingMaker.small(
            model="ScaleShiftMACE",
            r_max=4.8,
            max_ell=2 if quick else 3,
            correlation=2 if quick else 3,
            lr=0.02,
            lr_scheduler_gamma=0.99,
            max_num_epochs=12 if quick else 200,
            energy_weight=30.0,
            forces_weight=30.0,
            swa=True,
            start_swa=8 if quick else 120,
            swa_lr=0.002,
            swa_energy_weight=1000.0,
            swa_forces_weight=300.0,
            swa_stress_weight=1000.0,
        ),
        size=2 if quick else 4,
        members_per_job=2,
    )

    # 4. Exploration: NPT molecular dynamics in LAMMPS, driven by one of the members.
    exploration = ExplorationMaker(
        md_maker=LammpsMDMaker(
            n_steps=60 if quick else 600,
            sample_interval=10 if quick else 20,
            timestep=2.0,
            limits=SanityLimits(volume=(0.6, 1.7)),
            processes=2,
        ),
        n_starts=2 if quick else 4,
        temperatures=(300.0, 500.0),  # K
        pressures=(0.0, 50.0),  # kbar
        sampling="grid",
        runs_per_job=16,
    )

    # 5. Evaluation: how far do the members disagree, what error does that stand for,
    #    and which frames does it make worth labelling? The pilot, drawn uniformly, is
    #    what the error model is fitted to at first.
    evaluation = EvaluationMaker(
        pilot_labels=0 if quick else 12,
        rules=SelectionRules(
            max_selected=12 if quick else 16, audit_min=4, audit_max=8
        ),
    )

    # 6. The loop over 2 to 5, until an audit finds what the committee accepts good, or
    #    a limit is reached.
    return ActiveLearningMaker(
        name="silicon",
        augmentation=augmentation,
        labelling=labelling,
        training=training,
        exploration=exploration,
        evaluation=evaluation,
        tolerance={"energy": 0.02, "forces": 0.25, "stress": 0.01},
        max_iterations=2 if quick else 4,
    )


def run(folder: Path, *, quick: bool = False) -> tuple[Campaign, JobStore]:
    """
    Run the campaign in this process.

    The store is a database in a folder; for a cluster, configure a MongoStore and hand
    the same flow to jobflow-remote's `submit_flow`.
    """
    flow = compose(quick=quick).make(structures())
    store = embedded_store(folder / "store")
    run_locally(flow, store=store, root_dir=folder / "run", create_folders=True)

    # Everything is in the store now, and is read back from it.
    return Campaign.from_store(store, "silicon"), store


def main() -> None:
    """Run, and show what came out."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("silicon-tutorial"))
    parser.add_argument("--quick", action="store_true", help="coarse, a minute or two")
    arguments = parser.parse_args()

    campaign, _ = run(arguments.folder, quick=arguments.quick)
    print(campaign.doc.stop_reason)
    print(campaign.iterations[["n_dataset", "n_explored", "n_over", "n_selected"]])
    print(campaign.dataset().describe())
    for what, path in write_results(campaign, arguments.folder / "results").items():
        print(what, path)


if __name__ == "__main__":
    main()
