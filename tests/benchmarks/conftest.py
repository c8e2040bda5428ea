"""What benchmarks share."""

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory) -> Path:
    """Where the models of the study on silicon are kept."""
    torch.set_num_threads(1)
    kept = os.environ.get("FLOWPOT_STUDY")
    return Path(kept) if kept else tmp_path_factory.mktemp("study")
