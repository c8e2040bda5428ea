"""One Dataset from whatever holds frames."""

import pytest
from ase.build import bulk, molecule
from jobflow import Job
from pydantic import BaseModel
from pymatgen.io.ase import AseAtomsAdaptor

from flowpot.dataset import Artifact, Dataset


class Doc(BaseModel):
    dataset: Artifact


def test_every_source(random_dataset, tmp_path, assert_same):
    dataset = random_dataset(3)
    artifact = dataset.to_artifact()
    path = dataset.write(tmp_path / "a.xyz")
    document = Doc(dataset=artifact)
    sources = [
        *(dataset, artifact, path, str(path), document, dataset.to_atoms()),
        *(document.model_dump(), artifact.model_dump(), dataset.as_dict()),
    ]
    for source in sources:
        assert_same(Dataset.load(source), dataset)
    joined = Dataset.load([sources, tuple(sources)])
    assert_same(joined, Dataset.concatenate([dataset] * 2 * len(sources)))


def test_structures():
    atoms, water = bulk("Si"), molecule("H2O")
    structure = AseAtomsAdaptor.get_structure(bulk("C"))
    small = AseAtomsAdaptor.get_molecule(water)
    loaded = Dataset.load([atoms, structure, water, small])
    assert loaded.n_atoms.tolist() == [2, 2, 3, 3]
    assert len(Dataset.load(atoms)) == len(Dataset.load(structure)) == 1
    assert len(Dataset.load([])) == 0


def test_a_reference_is_not_resolved_yet():
    reference = Job(len, function_args=([],)).output
    with pytest.raises(TypeError, match="no frames in a OutputReference"):
        Dataset.load(reference)


@pytest.mark.parametrize("source", [3, None, {"energy": 1}, [bulk("Si"), 4]])
def test_what_holds_no_frames(source):
    with pytest.raises(TypeError, match=r"give a.* document"):
        Dataset.load(source)
