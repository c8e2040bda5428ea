"""All properties of one crystal by one member of a committee."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pymatgen.core import Structure

from flowpot.dataset import Dataset
from flowpot.documents import (
    keep_traceback,
    package_versions,
    reason_for,
    reason_of,
)
from flowpot.properties.calculations import CALCULATIONS, ForceField
from flowpot.properties.curves import to_artifact
from flowpot.properties.document import MemberDoc
from flowpot.properties.options import ValidationOptions


def calculate_member(
    model: Any,
    structure: Structure,
    options: ValidationOptions,
    member: int,
    crystal: str,
) -> MemberDoc:
    """
    Calculate the properties of a crystal, in the present folder.

    A property whose calculation raises an error has the reason in the document; the
    others go on.

    Parameters
    ----------
    model
        The member: see :meth:`ForceField.of`.
    structure
        The crystal.
    options
        What is calculated, and how.
    member, crystal
        Rank of the member and name of the crystal, which are recorded.
    """
    started, folder = time.perf_counter(), Path.cwd()
    document = MemberDoc(member=member, crystal=crystal, versions=used_versions())
    arrays: dict[str, np.ndarray] = {}
    cells: list[Dataset] = []
    for kind in options.properties:
        try:
            field = ForceField.of(model, folder)
            found = CALCULATIONS[kind](structure, field, options, folder / kind)
        except Exception as error:  # noqa: BLE001 - of any package
            document.failures[kind] = reason_for(error)
            keep_traceback(error)
            continue
        document.values[kind] = found.values
        arrays |= {f"{kind}/{name}": array for name, array in found.arrays.items()}
        if found.cells:
            kept = Dataset.from_structures(found.cells).without_labels()
            points = {"property": [kind] * len(kept), "point": range(len(kept))}
            cells.append(kept.with_info(**points))
    if arrays:
        document.curves = to_artifact(arrays, "curves.npz")
    if cells:
        document.cells = Dataset.concatenate(cells).to_artifact("cells.h5")
    document.seconds = time.perf_counter() - started
    return document


def lost_member(
    member: int, crystal: str, job: str, properties: Sequence[str]
) -> MemberDoc:
    """
    Return the document of a job that has left none.

    Parameters
    ----------
    member, crystal
        Rank of the member and name of the crystal.
    job
        Uuid of the job.
    properties
        What it was to calculate.
    """
    reason = reason_of(job) or "its job was killed: see its log"
    failures = dict.fromkeys(properties, reason)
    return MemberDoc(member=member, crystal=crystal, failures=failures)


def used_versions() -> dict[str, str]:
    """Return the versions of what calculates the properties."""
    return package_versions("atomate2", "phonopy", "pymatgen", "ase")
