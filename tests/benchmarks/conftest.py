"""What benchmarks share."""

import os
import sys
from pathlib import Path

import pytest
import torch

# The studies are scripts, which import each other by their names alone.
sys.path += [str(Path(__file__).parent), str(Path(__file__).parent / "science")]


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory) -> Path:
    """Where the models of the study on silicon are kept."""
    torch.set_num_threads(1)
    kept = os.environ.get("FLOWPOT_STUDY")
    return Path(kept) if kept else tmp_path_factory.mktemp("study")
