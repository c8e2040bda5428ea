"""
Does a campaign on carbon reproduce its teacher's physics?

Small forms of figures of the AiiDA-TrainsPot paper, all of one campaign: four small
MACE models, trained in some iterations on graphene, graphite and diamond and on what
they choose of their own molecular dynamics up to 4000 K; the potential LCBOP labels.

    python tests/benchmarks/science/carbon.py --folder study

The campaign is kept in the folder and taken up again. The parts, of which ``--parts``
chooses: ``iterations`` (Fig. 4), ``calibration`` (Fig. 5b), ``phases`` (Figs. 7 and 9),
``defects`` (Table 1), ``amorphous`` (the radial distribution function). Each writes a
table as JSON and a figure to ``--results``.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from ase.calculators.calculator import Calculator

sys.path.append(str(Path(__file__).parents[1]))

from carbon_amorphous import Quench, amorphous_figure, summary
from carbon_campaign import carbon_campaign
from carbon_defects import defects_figure, four_ways
from carbon_iterations import (
    calibration_figure,
    calibrations,
    errors_by_iteration,
    errors_figure,
)
from carbon_phases import compared, phases_figure
from md_campaign import Generation, MDCampaign
from outcome import RESULTS, keep
from teachers import as_member, cached

QUENCHES = 1  # of the teacher, which is slower than the models


@dataclass(frozen=True)
class Study:
    """A campaign, and where the results of its parts are kept."""

    campaign: MDCampaign
    generations: list[Generation]
    results: Path

    def iterations(self) -> None:
        """Keep the errors by set."""
        rows = errors_by_iteration(self.generations, self.campaign.external())
        what = (
            "RMSE by iteration (eV/atom, eV/A, eV/A^3): of sets, mean and standard "
            "deviation over the members; of the committee's mean on an external set of "
            "the teacher's dynamics, and on what it has explored, before learning it"
        )
        table = {"iterations": rows}
        keep("carbon_iterations", what, table, errors_figure(rows), self.results)

    def calibration(self) -> None:
        """Keep the comparison of both rules."""
        rows = calibrations(self.generations)
        figure = calibration_figure(self.generations[-1], rows[-1])
        what = (
            "explored frames of each iteration, all labelled, but for those that the "
            "calibration was told of: share over tolerance, TPR and PPV of the error "
            "model's flags and of the paper's line through the origin"
        )
        keep("carbon_calibration", what, {"iterations": rows}, figure, self.results)

    def phases(self) -> None:
        """Keep the equations of state."""
        teacher = self._teacher()
        table, curves = compared(self.generations[-1], teacher)
        what = (
            "minima of energy (bond in A, eV/atom, GPa) of seven phases; errors in "
            "eV/atom and the share of the teacher's energies inside of the 95 % band, "
            "for lengths within 7 % and for the whole curve (-12 to +24 %)"
        )
        figure = phases_figure(table, curves)
        keep("carbon_phases", what, table, figure, self.results)

    def defects(self) -> None:
        """Keep the formation energies."""
        table = four_ways(self.generations[-1].members, self._teacher())
        what = (
            "formation energies (eV) in a sheet of 50 atoms, relaxed by - energy by; "
            "each member relaxes; 95 %: where one more member would lie"
        )
        keep("carbon_defects", what, table, defects_figure(table), self.results)

    def amorphous(self) -> None:
        """Keep the radial distribution function."""
        folder, quench = self.campaign.folder / "amorphous", Quench()
        teacher = as_member("carbon", folder / "lammps")
        members = enumerate(self.generations[-1].documents)
        runs = {
            "committee": [
                cached(
                    folder / f"member-{i}.pkl",
                    lambda m=m, i=i: quench.run(m, i, folder / f"member-{i}"),
                )
                for i, m in members
            ],
            "teacher": [
                cached(
                    folder / f"teacher-{i}.pkl",
                    lambda i=i: quench.run(teacher, i, folder / f"teacher-{i}"),
                )
                for i in range(QUENCHES)
            ],
        }
        what = (
            "64 atoms of 3.5 g/cm^3, from random places to a liquid of 5000 K in "
            "0.3 ps and to 300 K in 0.7 ps: shares of atoms by neighbours up to "
            "1.85 A, and place (A) and height of peaks of g(r)"
        )
        table = {name: summary(own) for name, own in runs.items()}
        keep("carbon_amorphous", what, table, amorphous_figure(runs), self.results)

    def _teacher(self) -> Calculator:
        return self.campaign.teacher.calculator(self.campaign.folder / "lammps")


PARTS = ("iterations", "calibration", "phases", "defects", "amorphous")


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[1])
    parser.add_argument("--folder", type=Path, default=Path("study"))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.folder.absolute() / "carbon"
    campaign = carbon_campaign(folder, seed=given.seed, n_iterations=given.iterations)
    study = Study(campaign, campaign.generations(), given.results)
    for part in given.parts.split(","):
        getattr(study, part)()


if __name__ == "__main__":
    main()
