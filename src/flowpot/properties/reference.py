"""Compare a validation with reference calculations of the same cells."""

from typing import Any

import numpy as np
from jobflow import Maker

from flowpot.dataset import Artifact, Dataset
from flowpot.documents import field_of
from flowpot.labelling import LabellingMaker
from flowpot.properties.calculations.eos import values_at_minimum
from flowpot.properties.curves import read_arrays, to_artifact
from flowpot.properties.document import CrystalDoc, ValidationDoc

_POINT = "point"


def reference_cells(frames: Dataset) -> Dataset:
    """Return the cells of the equations of state among those of a validation."""
    return frames[frames.column("property") == "eos"]


def labelling_by(maker: Maker) -> LabellingMaker:
    """Return the stage that labels the cells: a static Maker's, whatever fails."""
    if isinstance(maker, LabellingMaker):
        return maker
    return LabellingMaker(static_maker=maker, min_success_fraction=0.0)


def compared(document: ValidationDoc, labels: Any, maker: Maker | None) -> None:
    """
    Add reference calculations to a validation, in place.

    Parameters
    ----------
    document
        The validation.
    labels
        LabellingDoc of the cells; None if that stage has failed.
    maker
        What has calculated them.
    """
    source = type(getattr(maker, "static_maker", maker)).__name__
    document.n_sent = field_of(labels, "n_sent") or 0
    document.seconds += field_of(labels, "seconds") or 0.0
    labelled = field_of(labels, "dataset")
    if labelled is None:
        why = field_of(labels, "failure") or "its stage has failed"
        document.notes.append(f"There is no reference by {source}: {why}")
        return
    document.labelled = Artifact.from_document(labelled)
    _add_curves(document, Dataset.load(labelled), source)


def _add_curves(document: ValidationDoc, labelled: Dataset, source: str) -> None:
    """Add the reference's equations of state."""
    arrays = read_arrays(document.curves)
    for crystal in document.crystals:
        own = labelled[labelled.column("crystal") == crystal.name]
        volumes = np.abs(np.linalg.det(own.cell)) / np.maximum(own.n_atoms, 1)
        energies = own.energy / np.maximum(own.n_atoms, 1)
        prefix = f"{crystal.name}/eos"
        arrays[f"{prefix}/reference_volumes"] = volumes
        arrays[f"{prefix}/reference_energies"] = energies
        try:
            values = values_at_minimum(volumes, energies, own[:1].to_structures()[0])
        except (ValueError, RuntimeError, IndexError) as error:
            document.notes.append(
                f"{crystal.name} has no reference by {source}, of {len(own)} cells: "
                f"{error}"
            )
        else:
            _set_references(crystal, values, source)
        crystal.band_covers = _coverage(arrays, prefix, own, energies)
    document.curves = to_artifact(arrays, "curves.npz")


def _set_references(crystal: CrystalDoc, values: dict[str, float], source: str) -> None:
    for quantity in crystal.quantities:
        if quantity.name not in values:
            continue
        quantity.calculated = values[quantity.name]
        if quantity.reference is None:
            quantity.reference = values[quantity.name]
            quantity.reference_source = source


def _coverage(
    arrays: dict[str, np.ndarray],
    prefix: str,
    own: Dataset,
    energies: np.ndarray,
) -> float | None:
    """Return the share of reference energies inside the calibrated band."""
    errors = arrays.get(f"{prefix}/band_errors")
    if errors is None or not len(own):
        return None
    points = own.column(_POINT).astype(int)
    mean = arrays[f"{prefix}/band_members"].mean(axis=0)
    return float((np.abs(energies - mean[points]) <= errors[points]).mean())
