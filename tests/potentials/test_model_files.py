"""Model files that are damaged, or none: one plain message, before they are run."""

import zipfile

import pytest
import torch

from flowpot.dataset import Artifact
from flowpot.potentials import load_potential
from flowpot.potentials.model_files import ModelError


@pytest.fixture
def model(random_mace, tmp_path):
    """The file of a MACE model."""
    path = tmp_path / "a.model"
    torch.save(random_mace(1), path)
    return path


def test_a_changed_weight_is_seen(model):
    """torch itself does not look at the checksums that it writes."""
    with zipfile.ZipFile(model) as archive:
        tensors = [part for part in archive.infolist() if "/data/" in part.filename]
        weights = max(tensors, key=lambda part: part.file_size)
        at = weights.header_offset + 200 + weights.file_size // 2
    content = bytearray(model.read_bytes())
    content[at] ^= 0x40
    model.write_bytes(content)
    assert torch.load(model, weights_only=False) is not None
    with pytest.raises(
        ModelError, match=r"a.model: it cannot be read as a model.*chec"
    ):
        load_potential(model)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
@pytest.mark.parametrize("suffix", [".model", ".pt"])
def test_a_truncated_model(suffix, share, model, tmp_path):
    content = model.read_bytes()
    path = tmp_path / f"b{suffix}"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match=rf"b{suffix}: it cannot be read as a model"):
        load_potential(path)


@pytest.mark.parametrize("name", ["a.model", "a.pt"])
def test_what_is_no_model(name):
    artifact = Artifact.from_bytes(name, b"weights")
    with pytest.raises(ModelError, match=f"{name}: it cannot be read as a model of m"):
        load_potential(artifact)
