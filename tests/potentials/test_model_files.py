"""Model files that are damaged, or none: one plain message, before they are run."""

import zipfile

import pytest
import torch

from flowpot.dataset import Artifact
from flowpot.evaluation import CommitteeCalculator
from flowpot.exploration.members import stage_member
from flowpot.potentials import calculator, load_potential
from flowpot.potentials.extensions import pack_extensions
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


def test_files_in_the_home_folder(model, monkeypatch):
    """Whatever reads or writes one takes ``~`` for it."""
    home = model.parent
    monkeypatch.setenv("HOME", str(home))
    (home / "extensions").mkdir()
    (home / "extensions" / "a.so").write_bytes(b"code")
    assert load_potential("~/a.model", "cpu").species == ("Si",)
    assert calculator("~/a.model", "cpu").potential.species == ("Si",)
    assert pack_extensions("~/a.model") is not None
    artifact = Artifact.from_file("~/a.model")
    assert artifact.to_file("~/b.model") == home / "b.model"
    committee = CommitteeCalculator(["~/a.model", "~/b.model"], device="cpu")
    assert committee.save("~/c.committee") == home / "c.committee"
    assert len(CommitteeCalculator.load("~/c.committee", "cpu").members) == 2
    assert stage_member("~/a.model", home) == {"model": str(model)}


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "device is 'gpu': use 'auto', 'cpu', 'cuda' or 'cuda:1'"),
        ("hpu", "device is 'hpu', which torch does not know, .*: use 'auto', 'cpu'"),
        (None, "device is None: use 'auto'"),
        ("CPU", "device is 'CPU': use 'auto'"),
    ],
)
def test_a_wrong_device_is_not_blamed_on_the_file(model, device, message):
    with pytest.raises(ValueError, match=message) as told:
        load_potential(model, device)
    assert not isinstance(told.value, ModelError)


def test_a_gpu_that_is_not_there(model, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"device is 'cuda:2', and torch finds 2 GPU"):
        load_potential(model, "cuda:2")
