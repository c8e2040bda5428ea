"""The demo: a committee for silicon, from two structures, on a laptop."""

from pathlib import Path

from ase import Atoms
from ase.build import bulk
from rich.console import Console

from flowpot.augmentation import AugmentationMaker, Distortions, Strains, Vacancies
from flowpot.campaign import ActiveLearningMaker
from flowpot.evaluation import EvaluationMaker, SelectionRules
from flowpot.exploration import ExplorationMaker, LammpsMDMaker
from flowpot.exploration.lammps.sanity import SanityLimits
from flowpot.labelling import EspressoStaticMaker, LabellingMaker
from flowpot.local_run import run_in_folder
from flowpot.training import CommitteeTrainingMaker, MACETrainingMaker

CORES = 2

_TRAINING = {
    # The mean binding energy is given, not learned: there are few epochs to learn it.
    "model": "ScaleShiftMACE",
    "lr": 0.01,
    "lr_scheduler_gamma": 0.97,
    "max_num_epochs": 60,
    # Stage two weighs energies more, at a small learning rate.
    "swa": True,
    "start_swa": 40,
    "swa_lr": 0.002,
    "swa_energy_weight": 100.0,
    "swa_forces_weight": 100.0,
    "swa_stress_weight": 100.0,
}


def silicon_structures() -> list[Atoms]:
    """
    Give the two inputs: the diamond structure, and what it becomes under pressure.

    The 8-atom cubic cell with the PBE lattice constant, 5.47 A, and the 4-atom
    tetragonal cell of beta-tin (space group I4_1/amd), a = 4.81 A, c = 2.66 A.
    """
    beta_tin = Atoms(
        "Si4",
        scaled_positions=[(0, 0, 0), (0, 0.5, 0.25), (0.5, 0.5, 0.5), (0.5, 0, 0.75)],
        cell=[4.81, 4.81, 2.66],
        pbc=True,
    )
    return [bulk("Si", "diamond", a=5.47, cubic=True), beta_tin]


def silicon_campaign(seed: int = 0) -> ActiveLearningMaker:
    """Compose the campaign: every stage small, none of them left out."""
    return ActiveLearningMaker(
        name="silicon",
        augmentation=AugmentationMaker(
            supercell=None,
            distortion=Distortions(
                n_frames=13, fraction=0.15, strain=(-0.06, 0.08), vacancy_fraction=0.0
            ),
            strain=Strains(n_frames=5, limits=(-0.08, 0.1)),
            vacancies=Vacancies(n_frames=1, fraction=0.05),
            substitution=None,
            clusters=None,
            slabs=None,
        ),
        labelling=LabellingMaker(
            static_maker=EspressoStaticMaker(
                protocol="fast",
                pseudo_family="debian-pbe",
                kspacing=0.5,
                user_settings={"SYSTEM": {"ecutwfc": 20.0, "ecutrho": 80.0}},
            ),
            batch_size=CORES,
            parallel=CORES,
        ),
        training=CommitteeTrainingMaker(
            trainer=MACETrainingMaker.small(**_TRAINING), size=4, members_per_job=CORES
        ),
        exploration=ExplorationMaker(
            md_maker=LammpsMDMaker(
                n_steps=500,
                sample_interval=25,
                timestep=2.0,
                limits=SanityLimits(volume=(0.6, 1.7)),
                processes=CORES,
            ),
            n_starts=3,
            temperatures=(300.0, 900.0),
            pressures=(0.0, 50.0),
            sampling="grid",
            runs_per_job=16,
        ),
        evaluation=EvaluationMaker(
            pilot_labels=0,  # a pilot would cost as many labels as the start
            rules=SelectionRules(max_selected=16, audit_min=4, audit_max=8),
        ),
        tolerance={"energy": 0.03, "forces": 0.2, "stress": 0.01},
        max_iterations=2,
        seed=seed,
    )


def run_demo(folder: Path, *, seed: int, console: Console) -> None:
    """
    Run the campaign, or take it up where it was stopped, and show its results.

    Parameters
    ----------
    folder
        Of the run: ``results/``, the database in ``store/``, the jobs' folders in
        ``run/``.
    seed
        Of a new campaign.
    console
        To print on.

    Raises
    ------
    RuntimeError
        If the campaign ended without a result.
    """
    folder = Path(folder).absolute()
    campaign = run_in_folder(
        silicon_campaign(seed),
        {"structures": silicon_structures()},
        folder,
        console,
    )
    if campaign.doc.stop_kind == "failed":
        raise RuntimeError(campaign.doc.stop_reason)
