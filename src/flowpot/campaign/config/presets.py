"""
Settings of whole campaigns: fields of `ActiveLearningMaker`.

``smoke`` is for any structure. ``carbon-exploration`` and ``carbon-accuracy`` are runs
A and B of the AiiDA-TrainsPot paper, for carbon alone: Grimme's D2 binds the layers of
graphite, and there are 20 trajectories of 10 ns at up to 5000 K in cells of 600 light
atoms. They refuse other elements (see ``elements`` of `ActiveLearningMaker`): D2 is
wrong for a metal, and as many steps of heavier atoms take weeks.

The values are from the Methods of the paper. Those that are not named here are
defaults: SSSP 1.3 PBE precision, MACE with 4.5 A, two layers, batches of 1 and 500
epochs, committees of 4, 20 trajectories, -5 to 5 kbar, at most 1000 frames selected.
"""

from typing import Any

from flowpot.augmentation import AugmentationMaker
from flowpot.evaluation import EvaluationMaker, SelectionRules
from flowpot.exploration import ExplorationMaker, LammpsMDMaker
from flowpot.labelling import EspressoStaticMaker, LabellingMaker
from flowpot.training import CommitteeTrainingMaker, MACETrainingMaker
from flowpot.validation import one_of

PRESETS = ("smoke", "carbon-exploration", "carbon-accuracy")
"""Names of the presets."""
ALIASES = {"fast-exploration": "carbon-exploration", "accuracy": "carbon-accuracy"}
"""Earlier names of presets, which remain valid."""

_NANOSECOND = 1_000_000  # steps of 1 fs


def fields_of(preset: str) -> dict[str, Any]:
    """
    Return the fields of a preset by its name.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    name = str(preset).replace("_", "-")
    name = ALIASES.get(name, name)
    one_of(PRESETS, preset=name)
    fields = {
        "smoke": smoke,
        "carbon-exploration": carbon_exploration,
        "carbon-accuracy": carbon_accuracy,
    }
    return fields[name]()


def carbon_exploration() -> dict[str, Any]:
    """Return the fields of run A: ten iterations with cheap labels, up to 5000 K."""
    return _carbon("carbon_exploration", "fast", 5000.0) | {"max_iterations": 10}


def carbon_accuracy() -> dict[str, Any]:
    """Return the fields of run B: two iterations, precise labels, up to 1000 K."""
    return _carbon("carbon_accuracy", "stringent", 1000.0) | {"max_iterations": 2}


def smoke() -> dict[str, Any]:
    """Return fields of small stages: minutes on a laptop for cells of a few atoms."""
    # Its mean binding energy is set: in so few steps it would not be learned.
    trainer = MACETrainingMaker.small(model="ScaleShiftMACE")
    return {
        "augmentation": AugmentationMaker.preset("smoke"),
        "labelling": LabellingMaker(
            static_maker=EspressoStaticMaker(protocol="fast", kspacing=0.5)
        ),
        "training": CommitteeTrainingMaker(trainer=trainer, size=2),
        "exploration": ExplorationMaker(
            md_maker=LammpsMDMaker(n_steps=500, sample_interval=25),
            n_starts=2,
            temperatures=(300.0, 900.0),
            pressures=(0.0,),
            sampling="grid",
            runs_per_job=4,
        ),
        "evaluation": EvaluationMaker(
            pilot_labels=0,  # a pilot would cost as many labels as the start
            rules=SelectionRules(max_selected=12, audit_min=4, audit_max=8),
        ),
        "tolerance": {"energy": 0.03, "forces": 0.2, "stress": 0.01},
        "max_iterations": 2,
    }


def _carbon(augmentation: str, protocol: str, hottest: float) -> dict[str, Any]:
    """Return the fields that runs A and B share: 10 ns trajectories with D2."""
    return {
        "augmentation": AugmentationMaker.preset(augmentation),
        "labelling": LabellingMaker(
            static_maker=EspressoStaticMaker(protocol=protocol)
        ),
        "exploration": ExplorationMaker(
            md_maker=LammpsMDMaker(
                n_steps=10 * _NANOSECOND,
                sample_interval=_NANOSECOND,
                dispersion="d2",
            ),
            temperatures=(0.0, hottest),
        ),
        "tolerance": {"energy": 0.002, "forces": 0.05, "stress": 0.01},
        "elements": ["C"],
    }
