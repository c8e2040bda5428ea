"""A small campaign on carbon, whose labels are those of the potential LCBOP."""

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, graphene
from md_campaign import MDCampaign
from teachers import CARBON

from flowpot import BatchedMDMaker, ExplorationMaker
from flowpot.augmentation import Distortions, Strains
from flowpot.training import MACETrainingMaker

TRAINER = MACETrainingMaker.small(
    model="ScaleShiftMACE",
    r_max=3.2,
    batch_size=5,
    max_num_epochs=30,
    lr_scheduler_gamma=0.92,
    energy_weight=30.0,  # forces alone leave the phases' energies apart
)
EXPLORATION = ExplorationMaker(
    md_maker=BatchedMDMaker(n_steps=300, sample_interval=30, bulk_modulus=300),
    n_starts=24,
    temperatures=(300.0, 4000.0),
    pressures=(-5.0, 5.0),
    member="round robin",
)
DISTORTIONS = Distortions(n_frames=12, fraction=0.1, strain=(-0.06, 0.1))
STRAINS = Strains(n_frames=5, limits=(-0.08, 0.12), modes=("isotropic",))


def inputs() -> list[Atoms]:
    """Return graphene, graphite and diamond: all that the campaign begins with."""
    sheet = graphene(a=2.46, size=(3, 2, 1), vacuum=7.5)
    layers = Atoms(
        "C4",
        scaled_positions=[
            (0, 0, 0.25),
            (1 / 3, 2 / 3, 0.25),
            (0, 0, 0.75),
            (2 / 3, 1 / 3, 0.75),
        ],
        cell=[(2.46, 0, 0), (-1.23, 1.23 * np.sqrt(3), 0), (0, 0, 6.7)],
        pbc=True,
    )
    return [sheet, layers * (2, 1, 1), bulk("C", "diamond", a=3.57) * (2, 2, 2)]


def carbon_campaign(folder: Path, **changes: Any) -> MDCampaign:
    """Return the campaign; ``changes`` are other values of its fields."""
    settings = {
        "teacher": CARBON,
        "inputs": inputs(),
        "kinds": (DISTORTIONS, STRAINS),
        "trainer": TRAINER,
        "exploration": EXPLORATION,
    }
    return MDCampaign(folder, **settings | changes)
