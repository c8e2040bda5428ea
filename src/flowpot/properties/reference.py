"""Compare a validation with reference calculations of the same cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jobflow import Maker
from numpy.typing import NDArray

from flowpot.dataset import Artifact, Dataset
from flowpot.documents import field_of, keep_traceback, reason_for
from flowpot.labelling import LabellingMaker
from flowpot.properties.calculations import OF_LABELS
from flowpot.properties.curves import read_arrays, to_artifact
from flowpot.properties.document import CrystalDoc, ValidationDoc
from flowpot.properties.options import ValidationOptions

_POINT = "point"
_EOS = "eos"
_BANDS = "phonons/bands"


def reference_cells(frames: Dataset, properties: Sequence[str]) -> Dataset:
    """Return the cells of some properties among those of a validation, each once."""
    return frames[np.isin(frames.column("property"), properties)].deduplicate()


def labelling_by(maker: Maker) -> LabellingMaker:
    """Return the stage that labels the cells: a static Maker's, whatever fails."""
    if isinstance(maker, LabellingMaker):
        return maker
    return LabellingMaker(static_maker=maker, min_success_fraction=0.0)


@dataclass(frozen=True)
class Reference:
    """
    What is calculated by labels, and by whose.

    Attributes
    ----------
    properties
        Some of :data:`flowpot.properties.options.AUDITABLE`.
    options
        What the cells were made with.
    source
        Name of what has labelled them.
    """

    properties: tuple[str, ...]
    options: ValidationOptions
    source: str

    @classmethod
    def by(
        cls, maker: Maker | None, properties: Sequence[str], options: ValidationOptions
    ) -> "Reference":
        """Return the reference by a static Maker, or by a LabellingMaker with one."""
        source = type(getattr(maker, "static_maker", maker)).__name__
        return cls(tuple(properties), options, source)

    def add_to(self, document: ValidationDoc, labels: Any) -> None:
        """
        Add reference calculations to a validation, in place.

        Parameters
        ----------
        document
            The validation.
        labels
            LabellingDoc of the cells; None if that stage has failed.
        """
        document.n_sent = field_of(labels, "n_sent") or 0
        document.seconds += field_of(labels, "seconds") or 0.0
        labelled = field_of(labels, "dataset")
        if labelled is None:
            why = field_of(labels, "failure") or "its stage has failed"
            document.notes.append(f"There is no reference by {self.source}: {why}")
            return
        document.labelled = Artifact.from_document(labelled)
        arrays = read_arrays(document.curves)
        frames, known = Dataset.load(document.dataset), Dataset.load(labelled)
        for crystal in document.crystals:
            for kind in self.properties:
                cells = frames[
                    (frames.column("crystal") == crystal.name)
                    & (frames.column("property") == kind)
                ]
                if not len(cells):
                    continue
                own = _with_labels(cells, known)
                if reason := self._add(crystal, kind, own, len(cells), arrays):
                    document.notes.append(
                        f"{kind} of {crystal.name} has no reference by {self.source}, "
                        f"of {len(own)} cells: {reason}"
                    )
        document.curves = to_artifact(arrays, "curves.npz")

    def _add(
        self,
        crystal: CrystalDoc,
        kind: str,
        cells: Dataset,
        n_cells: int,
        arrays: dict[str, NDArray[Any]],
    ) -> str:
        """Add a property of a crystal, and its curve; say why it is not known."""
        if kind == _EOS:
            _add_points(crystal, cells, arrays)
        elif len(cells) < n_cells:
            return f"all {n_cells} are needed"
        try:
            with TemporaryDirectory() as folder:
                found = OF_LABELS[kind](cells, self.options, Path(folder))
        except Exception as error:  # noqa: BLE001 - of any package
            keep_traceback(error)
            return reason_for(error)
        if (bands := found.arrays.get("bands")) is not None:
            ours = arrays.get(f"{crystal.name}/{_BANDS}")
            if ours is not None and ours.shape[1:] == bands.shape:
                arrays[f"{crystal.name}/phonons/reference_bands"] = bands
        self._set(crystal, found.values)
        return ""

    def _set(self, crystal: CrystalDoc, values: dict[str, float]) -> None:
        for quantity in crystal.quantities:
            if quantity.name not in values:
                continue
            quantity.calculated = values[quantity.name]
            if quantity.reference is None:
                quantity.reference = values[quantity.name]
                quantity.reference_source = self.source


def _with_labels(cells: Dataset, known: Dataset) -> Dataset:
    """
    Return those of the cells that have labels, in their order, with these.

    Each stays as it is: the labelled one may be another property's, and its edges may
    differ by rounding, of which the fit of elastic constants makes strains.
    """
    rows = {name: row for row, name in enumerate(known.fingerprints.tolist())}
    names = cells.fingerprints.tolist()
    has_label = np.array([name in rows for name in names])
    found = known[np.array([rows[name] for name in names if name in rows], dtype=int)]
    return cells[has_label].with_labels(found.energy, found.forces, found.stress)


def _add_points(
    crystal: CrystalDoc, cells: Dataset, arrays: dict[str, NDArray[Any]]
) -> None:
    """Add the energies of an equation of state, and how many are inside the band."""
    prefix = f"{crystal.name}/{_EOS}"
    energies = cells.energy / cells.n_atoms
    volumes = np.abs(np.linalg.det(cells.cell)) / cells.n_atoms
    arrays[f"{prefix}/reference_volumes"] = volumes
    arrays[f"{prefix}/reference_energies"] = energies
    errors = arrays.get(f"{prefix}/band_errors")
    if errors is None or not len(cells):
        return
    points = cells.column(_POINT).astype(int)
    mean = arrays[f"{prefix}/band_members"].mean(axis=0)
    inside = np.abs(energies - mean[points]) <= errors[points]
    crystal.band_covers = float(inside.mean())
