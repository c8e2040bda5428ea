"""Frames from whatever holds them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ase import Atoms
from pymatgen.core import IMolecule, IStructure

from flowpot.dataset import checks
from flowpot.dataset.arrays import Columns
from flowpot.dataset.artifact import Artifact
from flowpot.dataset.io import ase as ase_frames
from flowpot.dataset.io import files, hdf5
from flowpot.dataset.io import pymatgen as pymatgen_frames


def pieces(source: Any) -> Iterator[dict[str, Any]]:
    """
    Read the frames that a source holds, piece by piece, in order.

    Parameters
    ----------
    source
        A Dataset, an Artifact, a path, ASE Atoms, a pymatgen Structure or Molecule, a
        stage's document (an object with ``dataset``), a list of any of these, or
        what these are in a JobStore.

    Yields
    ------
    dict
        The columns of a Dataset, by name.

    Raises
    ------
    TypeError
        Where the source is none of these.
    """
    if isinstance(source, Columns):
        yield source.fields
    elif isinstance(source, Artifact):
        yield hdf5.from_bytes(source.read_bytes())
    elif isinstance(source, str | Path):
        yield from files.stream(source)
    elif isinstance(source, Atoms):
        yield checks.checked(ase_frames.from_atoms([source]))
    elif isinstance(source, IStructure | IMolecule):
        yield checks.checked(pymatgen_frames.from_structures([source]))
    elif isinstance(source, Mapping):
        yield from pieces(_from_mapping(source))
    elif not isinstance(getattr(source, "dataset", source), type(source)):
        # A reference to a job's output has any attribute, and each is a reference.
        yield from pieces(source.dataset)
    elif isinstance(source, list | tuple):
        for part in source:
            yield from pieces(part)
    else:
        raise TypeError(
            f"no frames in a {type(source).__name__}: give a Dataset, an Artifact, a "
            "path, Atoms, a Structure, a stage's document, or a list of these"
        )


def _from_mapping(source: Mapping[str, Any]) -> Any:
    """Return what a document or a Dataset, read back as a dict, holds frames in."""
    for name in ("dataset", "artifact"):
        if name in source:
            return source[name]
    if "sha256" in source:
        return Artifact.from_document(source)
    raise TypeError(
        f"a dict with keys {sorted(source)} holds no frames: give a stage's document, "
        "which has `dataset`, or an Artifact"
    )
