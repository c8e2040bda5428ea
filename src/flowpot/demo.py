"""The demo: train a committee for silicon, from two structures, on a laptop."""

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import Console

from flowpot.augmentation import AugmentationMaker, Distortions, Strains
from flowpot.campaign import ActiveLearningMaker, Campaign
from flowpot.console import program, say
from flowpot.evaluation import CommitteeCalculator, EvaluationMaker, SelectionRules
from flowpot.exploration import ExplorationMaker, LammpsMDMaker
from flowpot.exploration.sanity import SanityLimits
from flowpot.labelling import EspressoStaticMaker, LabellingMaker
from flowpot.local_run import run_in_folder
from flowpot.properties import (
    CommitteeCurve,
    EquationOfState,
    committee_curve,
    scaled,
)
from flowpot.report.figures import save_figures
from flowpot.training import CommitteeTrainingMaker, MACETrainingMaker

CORES = 2

_LATTICE = 5.47  # A

_TRAINING = {
    # Its mean binding energy is set, not learned: there are few epochs to learn it.
    "model": "ScaleShiftMACE",
    # Diamond and lonsdaleite differ from the third neighbours on, at 4.5 A.
    "r_max": 4.8,
    # As MACE's own: with 2 and 2 the errors of forces are twice as large.
    "max_ell": 3,
    "correlation": 3,
    "lr": 0.02,
    "lr_scheduler_gamma": 0.99,
    "max_num_epochs": 200,
    # With less weight on energies, members have all frames 5 to 10 meV/atom too high.
    "energy_weight": 30.0,
    "forces_weight": 30.0,
    # Stage two has more weight on energies, and a small learning rate.
    "swa": True,
    "start_swa": 120,
    "swa_lr": 0.002,
    "swa_energy_weight": 1000.0,
    "swa_forces_weight": 300.0,
    "swa_stress_weight": 1000.0,
}


def silicon_structures() -> list[Atoms]:
    """
    Return the primitive cells of diamond and of hexagonal diamond (lonsdaleite).

    They have 2 and 4 atoms, and bonds as long as in diamond with the PBE lattice
    constant, 5.47 A. Both have a band gap: their labels converge with few k-points.
    """
    a, c, u = _LATTICE / np.sqrt(2), 2 * _LATTICE / np.sqrt(3), 1 / 16
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
    return [bulk("Si", "diamond", a=_LATTICE), hexagonal]


def silicon_labels() -> EspressoStaticMaker:
    """
    Return the Maker of the labels, with settings that are converged for these cells.

    Labels of strained and distorted cells differ from those with 36 Ry and 0.25 1/A by
    1.8 meV/atom, but for what all have in common, 26 meV/A and 1.2 meV/A^3 (root mean
    squares): an eighth of the campaign's tolerances or less. The cutoff is the
    pseudopotential's: with 20 Ry, stresses are 1 meV/A^3 above the slope of the
    energies, and no potential can fit both.

    The SCF ends earlier than the protocol's, and mixes faster: forces change by 0.4
    meV/A at most, stresses by 0.02 meV/A^3, and pw.x takes a quarter to a third less.
    """
    return EspressoStaticMaker(
        protocol="fast",
        pseudo_family="debian-pbe",
        kspacing=0.35,
        user_settings={
            "SYSTEM": {"degauss": 0.0075},
            "ELECTRONS": {"conv_thr": 1e-7, "mixing_beta": 0.7},
        },
    )


def silicon_campaign(seed: int = 0) -> ActiveLearningMaker:
    """Return the campaign, with all stages, each of them small."""
    return ActiveLearningMaker(
        name="silicon",
        augmentation=AugmentationMaker(
            supercell=None,
            distortion=Distortions(
                n_frames=8, fraction=0.15, strain=(-0.06, 0.08), vacancy_fraction=0.0
            ),
            strain=Strains(n_frames=8, limits=(-0.08, 0.1)),
            vacancies=None,
            substitution=None,
            clusters=None,
            slabs=None,
        ),
        labelling=LabellingMaker(
            static_maker=silicon_labels(), batch_size=CORES, parallel=CORES
        ),
        training=CommitteeTrainingMaker(
            trainer=MACETrainingMaker.small(**_TRAINING), size=4, members_per_job=CORES
        ),
        exploration=ExplorationMaker(
            md_maker=LammpsMDMaker(
                n_steps=600,
                sample_interval=20,
                timestep=2.0,
                limits=SanityLimits(volume=(0.6, 1.7)),
                processes=CORES,
            ),
            n_starts=4,
            temperatures=(300.0, 500.0),
            pressures=(0.0, 50.0),
            sampling="grid",
            runs_per_job=16,
        ),
        evaluation=EvaluationMaker(
            pilot_labels=12,
            rules=SelectionRules(max_selected=16, audit_min=4, audit_max=8),
        ),
        tolerance={"energy": 0.02, "forces": 0.25, "stress": 0.01},
        max_iterations=4,
        seed=seed,
    )


def run_demo(
    folder: Path,
    *,
    seed: int,
    console: Console,
    go_on: bool = False,
    max_iterations: int | None = None,
) -> None:
    """
    Run the campaign, or take it up where it was stopped, and show its results.

    Parameters
    ----------
    folder
        Folder of the run, with ``results/``, the database in ``store/``, and the
        jobs' folders in ``run/``.
    seed
        Seed of the campaign, if it is a new one.
    console
        Console to print on.
    go_on
        Whether to continue the demo that has ended in this folder.
    max_iterations
        Most iterations; None: the demo's own.

    Raises
    ------
    RuntimeError
        If the campaign ended without a result.
    """
    folder = Path(folder).absolute()
    maker = silicon_campaign(seed)
    command = f"{program()} demo --folder {shlex.quote(str(folder))} --seed {seed}"
    if max_iterations is not None:
        maker = replace(maker, max_iterations=max_iterations)
        command += f" --max-iterations {max_iterations}"
    campaign = run_in_folder(
        maker,
        {"structures": silicon_structures()},
        folder,
        console,
        go_on=go_on,
        command=command,
    )
    if campaign.doc.stop_kind == "failed":
        raise RuntimeError(campaign.doc.stop_reason)
    check = check_equation_of_state(campaign, folder)
    figure = plot_equation_of_state(check)
    save_figures({"equation_of_state": figure}, folder / "results")
    for question, answer in check.in_words.items():
        say(console, (question, "bold"), f" {answer}")


@dataclass(frozen=True)
class Check:
    """
    Equation of state of diamond, by the committee and by pw.x.

    Attributes
    ----------
    curve
        The committee's energies of n cells.
    reference
        Energies of the same cells by pw.x (eV/atom), shape (n,). The committee was not
        trained on them.
    """

    curve: CommitteeCurve
    reference: NDArray[np.float64]

    @property
    def in_words(self) -> dict[str, str]:
        """Return the question whether the physics is right, and its answer."""
        ours = EquationOfState.fit(self.curve.volumes, self.curve.mean)
        theirs = EquationOfState.fit(self.curve.volumes, self.reference)
        a, a_pw = (eos.cubic_lattice_constant(8) for eos in (ours, theirs))
        b, b_pw = ours.bulk_modulus, theirs.bulk_modulus
        answer = (
            f"Diamond silicon has a lattice constant of {a:.3f} A (pw.x {a_pw:.3f}, "
            f"{a / a_pw - 1:+.2%}) and a bulk modulus of {b:.0f} GPa (pw.x {b_pw:.0f}, "
            f"{b / b_pw - 1:+.0%}); the committee's 95 % band covers "
            f"{self.curve.covers(self.reference):.0%} of {len(self.reference)} points "
            "of pw.x that were never trained on"
        )
        return {"Is the physics right?": answer}


def check_equation_of_state(campaign: Campaign, folder: Path) -> Check:
    """
    Calculate the equation of state of diamond by the committee and by pw.x.

    pw.x runs with the labels' settings.

    Parameters
    ----------
    campaign
        Campaign with a committee.
    folder
        Folder of the run; finished pw.x calculations are kept in its ``labels/``.
    """
    cells = scaled(silicon_structures()[0], np.linspace(0.9, 1.12, 9).tolist())
    static_maker = replace(silicon_labels(), cache=str(folder / "labels"))
    energies = [
        static_maker.label_in(cell, folder / "check" / str(number)).output.energy
        for number, cell in enumerate(cells)
    ]
    calculator = CommitteeCalculator(campaign.committee(), campaign.calibration)
    sizes = [len(cell) for cell in cells]
    return Check(committee_curve(calculator, cells), np.array(energies) / sizes)


def plot_equation_of_state(check: Check) -> Figure:
    """Plot the committee's curve with its 95 % band, and pw.x's points."""
    curve, lowest = check.curve, check.reference.min()
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    mean, band = 1000 * (curve.mean - lowest), 1000 * curve.band
    axes.fill_between(
        curve.volumes, mean - band, mean + band, alpha=0.25, label="95 % band"
    )
    axes.plot(curve.volumes, mean, label="mean of the committee")
    points = 1000 * (check.reference - lowest)
    axes.plot(curve.volumes, points, "ko", ms=4, label="pw.x, not trained on")
    axes.set(
        xlabel="volume (\u00c5$^3$/atom)",
        ylabel="energy above pw.x's lowest (meV/atom)",
        title="Diamond silicon",
    )
    axes.legend(frameon=False)
    return figure
