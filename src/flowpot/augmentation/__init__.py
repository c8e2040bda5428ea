"""Augmentation: a few structures in, many frames out."""

from flowpot.augmentation.alloy import Alloys, alloy
from flowpot.augmentation.augment import Augmented, augment, prepare_inputs
from flowpot.augmentation.cluster import Clusters, cluster
from flowpot.augmentation.deformation import deform, strain
from flowpot.augmentation.dimer import Dimers, dimer_curve
from flowpot.augmentation.displacement import distort
from flowpot.augmentation.distortion import Distortions
from flowpot.augmentation.document import AugmentationDoc
from flowpot.augmentation.generator import Batch, Generator, Inputs, Parent
from flowpot.augmentation.isolated import isolated_atoms
from flowpot.augmentation.makers import AugmentationMaker
from flowpot.augmentation.neighbours import nearest_distances
from flowpot.augmentation.random_structure import RandomStructures, random_structure
from flowpot.augmentation.single import Strains, Vacancies
from flowpot.augmentation.slab import Slabs, slabs
from flowpot.augmentation.substitution import Substitution, substitute
from flowpot.augmentation.supercell import (
    Supercells,
    shortest_translation,
    supercell,
)
from flowpot.augmentation.thermal import ThermalDisplacements, thermal_displacements
from flowpot.augmentation.vacancy import remove_atoms
from flowpot.augmentation.vacuum import add_vacuum
from flowpot.dataset.geometry.neighbours import closest_contact

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
    "deform",
    "dimer_curve",
    "distort",
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
