"""Files that users name: as a Path, relative, or in their home folder."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from monty.json import MontyDecoder, MontyEncoder

from flowpot.training import MACETrainingMaker, MetatrainTrainingMaker
from flowpot.training.backend import Run
from flowpot.training.mace.energies import kept_energies
from flowpot.training.sets import TrainingSets

from .conftest import ATOM

FORMS = {
    "relative": lambda name: name,
    "Path": Path,
    "absolute Path": lambda name: Path(name).absolute(),
    "home": lambda name: f"~/{name}",
    "home Path": lambda name: Path(f"~/{name}"),
}


@pytest.fixture(params=FORMS)
def form(request, clean_dir, monkeypatch):
    """Write the name of a file of the present folder, which is the home folder."""
    monkeypatch.setenv("HOME", str(clean_dir))
    return FORMS[request.param]


@pytest.fixture
def elsewhere(form, tmp_path_factory, monkeypatch):
    """Read a Maker from JSON, in another folder, as a job does."""

    def read(maker):
        text = json.dumps(maker, cls=MontyEncoder)
        monkeypatch.chdir(tmp_path_factory.mktemp("job"))
        return MontyDecoder().process_decoded(json.loads(text))

    return read


def test_a_foundation_model(form, elsewhere, random_mace, silicon_set):
    torch.save(random_mace(1), "foundation.model")
    given = form("foundation.model")
    maker = elsewhere(MACETrainingMaker(foundation_model=given, device="cpu"))
    maker.check()
    assert maker.model_options()["num_interactions"] == 2
    maker.prepare(TrainingSets.load(silicon_set), Run(Path(), seed=1))
    options = yaml.safe_load(Path("options.yaml").read_text())
    assert options["foundation_model"] == "start.model"


@pytest.mark.parametrize("name", ["E0s", "statistics_file"])
def test_reference_energies(form, elsewhere, silicon_set, name):
    content = {"14": ATOM + 1}
    if name == "statistics_file":
        content = {"atomic_energies": repr({14: ATOM + 1})}
    Path("energies.json").write_text(json.dumps(content))
    chosen = {name: form("energies.json")}
    maker = elsewhere(MACETrainingMaker(hyperparameters=chosen, device="cpu"))
    maker.check()
    maker.prepare(TrainingSets.load(silicon_set), Run(Path(), seed=1))
    assert kept_energies(Path())[0] == {14: ATOM + 1}


@pytest.mark.parametrize("field", ["foundation_model", "model_checkpoint"])
def test_a_checkpoint_of_metatrain(form, elsewhere, silicon_set, field):
    Path("pet.ckpt").write_bytes(b"")
    home, given = Path.cwd(), {field: form("pet.ckpt")}
    if field == "model_checkpoint":
        given = {"hyperparameters": {"training": given}}
    made = MetatrainTrainingMaker(architecture="llpr", device="cpu", **given)
    maker = elsewhere(made)
    maker.prepare(TrainingSets.load(silicon_set), Run(Path(), seed=1))
    options = yaml.safe_load(Path("options.yaml").read_text())
    found = options["architecture"]["training"]["model_checkpoint"]
    assert found == str(home / "pet.ckpt")


def test_a_path_without_a_file_is_named(clean_dir):
    maker = MACETrainingMaker(foundation_model=Path("gone.model"), device="cpu")
    with pytest.raises(ValueError, match=r"foundation_model is '/.*gone.model': give"):
        maker.check()
