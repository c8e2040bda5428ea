"""Harmonic phonons of a crystal."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pymatgen.core import Structure

from flowpot.dataset import Dataset
from flowpot.properties.calculations.base import (
    Calculated,
    ForceField,
    as_structure,
    run_flow,
)
from flowpot.properties.calculations.labelled import labelled_force_field
from flowpot.properties.options import ValidationOptions

if TYPE_CHECKING:
    from atomate2.forcefields.flows.phonons import PhononMaker

_POINTS = 41  # on each line between two points of high symmetry
_MESH = 2000  # points in reciprocal space, times atoms, of the density of states
_GAMMA = "GAMMA"
_ACOUSTIC = 3
_MATRIX_ENTRIES = 9


def phonons(
    structure: Structure, field: ForceField, options: ValidationOptions, folder: Path
) -> Calculated:
    """
    Calculate frequencies at points of high symmetry, bands and density of states.

    atomate2's ``PhononMaker`` relaxes the crystal and displaces atoms of a supercell;
    phonopy does the rest. Frequencies are in THz, imaginary ones negative. Branches are
    counted from the lowest at each point: they are not followed where they cross.
    Splitting of longitudinal and transverse optical branches by long-range fields is
    not included. ``acoustic_at_gamma`` is the largest of the three frequencies that
    translations have, which would be zero.
    """
    document, calculations = run_flow(_maker(field, options).make(structure), folder)
    cells = [each.structure for each in calculations]
    return replace(_calculated(document), cells=cells)


def phonons_of_labels(
    cells: Dataset, options: ValidationOptions, folder: Path
) -> Calculated:
    """
    Calculate the same from labels of the cells that :func:`phonons` gives.

    Parameters
    ----------
    cells
        The relaxed crystal, and the supercells with their forces. The crystal need not
        be relaxed by these labels: frequencies are those of its volume.
    options
        What the cells were made with.
    folder
        Folder of what atomate2 and phonopy write.
    """
    maker = _maker(labelled_force_field(cells[1:], folder), options)
    maker.bulk_relax_maker = None
    relaxed = as_structure(cells[:1].to_structures()[0])
    document, _ = run_flow(maker.make(relaxed), folder)
    return _calculated(document)


def _maker(field: ForceField, options: ValidationOptions) -> "PhononMaker":
    """Return atomate2's Maker of the phonons of a potential."""
    try:
        from atomate2.forcefields.flows.phonons import PhononMaker  # noqa: PLC0415
        from atomate2.forcefields.jobs import ForceFieldStaticMaker  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            f"phonons need phonopy and seekpath ({error}): "
            "pip install 'flowpot[properties]'"
        ) from error

    return PhononMaker(
        bulk_relax_maker=field.relax_maker(options, relax_cell=True),
        static_energy_maker=None,
        phonon_displacement_maker=ForceFieldStaticMaker(**field.fields),
        min_length=options.supercell_length,
        displacement=options.displacement,
        store_force_constants=False,
        generate_frequencies_eigenvectors_kwargs={
            "npoints_band": _POINTS,
            "kpoint_density_dos": _MESH,
        },
    )


def _calculated(document: Any) -> Calculated:
    """Return quantities and curves of atomate2's document."""
    curve = document.phonon_bandstructure
    bands = np.asarray(curve.bands)
    labels = _labels(curve)
    values = {
        f"phonon_{label}_{branch}": float(frequency)
        for label, point in labels.items()
        for branch, frequency in enumerate(np.sort(bands[:, point]), start=1)
    }
    at_gamma = np.sort(np.abs(bands[:, labels[_GAMMA]]))
    values["acoustic_at_gamma"] = float(at_gamma[_ACOUSTIC - 1])
    values["highest_frequency"] = float(bands.max())
    values["lowest_frequency"] = float(bands.min())
    return Calculated(
        values,
        arrays={
            "points": np.array([point.frac_coords for point in curve.qpoints]),
            "distances": np.asarray(curve.distance),
            "bands": np.sort(bands, axis=0),
            "dos_frequencies": np.asarray(document.phonon_dos.frequencies),
            "dos": np.asarray(document.phonon_dos.densities),
            "labels": np.array([point.label or "" for point in curve.qpoints]),
        },
    )


def _labels(curve: Any) -> dict[str, int]:
    """Return the index of the first point with each label, Greek letters spelt out."""
    labels: dict[str, int] = {}
    for index, point in enumerate(curve.qpoints):
        if point.label:
            labels.setdefault(point.label.strip("\\"), index)
    return labels
