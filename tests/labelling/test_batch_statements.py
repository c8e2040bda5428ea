"""A batch states what its labels were made with, and what they cost."""

import pytest
from ase.build import bulk

from flowpot.dataset import Dataset
from flowpot.demo import silicon_labels
from flowpot.labelling.batches import label_batch


@pytest.mark.qe
def test_settings_and_core_seconds_are_those_of_pw(clean_dir):
    frames = Dataset.from_atoms([bulk("Si", a=5.47)])
    document = label_batch(silicon_labels(), frames, clean_dir)
    assert document.n_labelled == 1
    system = document.input["parameters"]["system"]
    assert (system["ecutwfc"], system["degauss"]) == (24.0, 0.0075)
    assert document.input["protocol"] == "fast"
    assert "Si" in document.input["pseudopotentials"]
    (run,) = document.runs
    processes = round(run.core_seconds / run.seconds)
    assert processes >= 1
