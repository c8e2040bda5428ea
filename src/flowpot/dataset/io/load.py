"""One Dataset from whatever holds frames."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ase import Atoms
from pymatgen.core import IMolecule, IStructure

from flowpot.dataset.artifact import Artifact

if TYPE_CHECKING:
    from flowpot.dataset.dataset import Dataset


def datasets(source: Any, kind: "type[Dataset]") -> Iterator["Dataset"]:
    """
    Return the datasets that a source holds, in order.

    Parameters
    ----------
    source
        A Dataset, an Artifact, a path, ASE Atoms, a pymatgen Structure or Molecule, a
        stage's document (an object with ``dataset``), a list of any of these, or
        what these are in a JobStore.
    kind
        The class Dataset.

    Raises
    ------
    TypeError
        Where the source is none of these.
    """
    if isinstance(source, kind):
        yield source
    elif isinstance(source, Artifact):
        yield kind.from_bytes(source.read_bytes())
    elif isinstance(source, str | Path):
        yield kind.read(source)
    elif isinstance(source, Atoms):
        yield kind.from_atoms([source])
    elif isinstance(source, IStructure | IMolecule):
        yield kind.from_structures([source])
    elif isinstance(source, Mapping):
        yield from datasets(_from_mapping(source), kind)
    elif not isinstance(getattr(source, "dataset", source), type(source)):
        # A reference to a job's output has any attribute, and each is a reference.
        yield from datasets(source.dataset, kind)
    elif isinstance(source, list | tuple):
        for each in source:
            yield from datasets(each, kind)
    else:
        raise TypeError(
            f"no frames in a {type(source).__name__}: give a Dataset, an Artifact, a "
            "path, Atoms, a Structure, a stage's document, or a list of these"
        )


def _from_mapping(source: Mapping[str, Any]) -> Any:
    """Find what a document, or a Dataset, read back as a dict holds."""
    for name in ("dataset", "artifact"):
        if name in source:
            return source[name]
    if "sha256" in source:
        return Artifact.from_document(source)
    raise TypeError(
        f"a dict with keys {sorted(source)} holds no frames: give a stage's document, "
        "which has `dataset`, or an Artifact"
    )
