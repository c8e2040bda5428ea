"""Augmentation: a few structures in, many frames out."""

from flowpot.augmentation.augment import Augmented, augment, isolated_atoms
from flowpot.augmentation.deformation import deform, strain
from flowpot.augmentation.displacement import distort
from flowpot.augmentation.generator import (
    Batch,
    Generator,
    ParentGenerator,
    dataset_of,
    generators,
)
from flowpot.augmentation.inputs import Inputs, Parent, prepare_inputs
from flowpot.augmentation.kinds.alloy import Alloys, alloy
from flowpot.augmentation.kinds.cluster import Clusters, cluster
from flowpot.augmentation.kinds.dimer import Dimers, dimer_curve
from flowpot.augmentation.kinds.distortion import Distortions, Strains
from flowpot.augmentation.kinds.random_structure import (
    RandomStructures,
    random_structure,
)
from flowpot.augmentation.kinds.slab import Slabs, slabs
from flowpot.augmentation.kinds.substitution import Substitution, substitute
from flowpot.augmentation.kinds.thermal import (
    ThermalDisplacements,
    thermal_displacements,
)
from flowpot.augmentation.kinds.vacancy import Vacancies
from flowpot.augmentation.makers import AugmentationDoc, AugmentationMaker
from flowpot.augmentation.removal import remove_atoms
from flowpot.augmentation.supercell import (
    Supercells,
    shortest_translation,
    supercell,
)
from flowpot.dataset.geometry.neighbours import closest_contact, nearest_distances
from flowpot.dataset.geometry.vacuum import add_vacuum

__all__ = [
    "Alloys",
    "AugmentationDoc",
    "AugmentationMaker",
    "Augmented",
    "Batch",
    "Clusters",
    "Dimers",
    "Distortions",
    "Generator",
    "Inputs",
    "Parent",
    "ParentGenerator",
    "RandomStructures",
    "Slabs",
    "Strains",
    "Substitution",
    "Supercells",
    "ThermalDisplacements",
    "Vacancies",
    "add_vacuum",
    "alloy",
    "augment",
    "closest_contact",
    "cluster",
    "dataset_of",
    "deform",
    "dimer_curve",
    "distort",
    "generators",
    "isolated_atoms",
    "nearest_distances",
    "prepare_inputs",
    "random_structure",
    "remove_atoms",
    "shortest_translation",
    "slabs",
    "strain",
    "substitute",
    "supercell",
    "thermal_displacements",
]
