"""Properties of one crystal by one potential, through atomate2's flows."""

from flowpot.properties.calculations.base import Calculated, ForceField
from flowpot.properties.calculations.elastic import elastic, elastic_of_labels
from flowpot.properties.calculations.eos import eos, eos_of_labels
from flowpot.properties.calculations.nve import nve
from flowpot.properties.calculations.phonons import phonons, phonons_of_labels

CALCULATIONS = {"eos": eos, "elastic": elastic, "phonons": phonons, "nve": nve}
"""Functions by the names of the properties."""

OF_LABELS = {
    "eos": eos_of_labels,
    "elastic": elastic_of_labels,
    "phonons": phonons_of_labels,
}
"""The same of labelled cells, in the order in which the functions above give them."""

__all__ = ["CALCULATIONS", "OF_LABELS", "Calculated", "ForceField"]
