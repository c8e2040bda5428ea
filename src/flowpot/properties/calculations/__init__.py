"""Properties of one crystal by one potential, through atomate2's flows."""

from flowpot.properties.calculations.base import Calculated, ForceField
from flowpot.properties.calculations.elastic import elastic
from flowpot.properties.calculations.eos import eos
from flowpot.properties.calculations.nve import nve
from flowpot.properties.calculations.phonons import phonons

CALCULATIONS = {"eos": eos, "elastic": elastic, "phonons": phonons, "nve": nve}
"""Functions by the names of the properties."""

__all__ = ["CALCULATIONS", "Calculated", "ForceField"]
