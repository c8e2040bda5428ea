"""Fixtures that every test may use."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers
from jobflow import JobStore
from maggma.stores import MemoryStore
from pymongo import MongoClient
from pymongo.errors import PyMongoError

sys.path.append(str(Path(__file__).parent))  # for the modules that lie here
# A shell that starts the tests with `&` lets them, and all that they start, ignore
# Ctrl-C, and nohup a lost terminal; several tests are of what these end.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

_START_SECONDS = 60


@pytest.fixture
def jobstore() -> JobStore:
    """An in-memory JobStore with the default `data` store, as atomate2's tests use."""
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    store.connect()
    return store


@pytest.fixture
def zoo() -> dict[str, Atoms]:
    """Structures of all kinds, by name."""
    from zoo import structures

    return structures()


@pytest.fixture(autouse=True)
def speaking_loggers():
    """Undo what command lines silence for the whole process: flowpot's, and jf's."""
    logging.disable(logging.NOTSET)
    logging.getLogger("custodian").setLevel(logging.NOTSET)
    for logger in logging.root.manager.loggerDict.values():
        logger.disabled = False


@pytest.fixture
def clean_dir(tmp_path, monkeypatch):
    """Run the test in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def silicon() -> Atoms:
    """The 8-atom diamond cell of silicon at its PBE lattice constant (A)."""
    return bulk("Si", "diamond", a=5.47, cubic=True)


@pytest.fixture(scope="session")
def random_mace() -> Callable[..., Any]:
    """
    Build MACE models with random weights: by seed, species, dtype and MACE's options.

    By default they have the size of `MACETrainingMaker.small`.
    """

    def build(
        seed: int, species: tuple[str, ...] = ("Si",), dtype: str = "float32", **given
    ) -> Any:
        import torch

        modules = import_module(
            "mace.modules"
        )  # first: it lets e3nn read its constants
        o3 = import_module("e3nn.o3")
        torch.manual_seed(seed)
        previous = torch.get_default_dtype()
        torch.set_default_dtype(getattr(torch, dtype))
        blocks = modules.interaction_classes
        options = {
            "r_max": 4.2,
            "num_bessel": 8,
            "num_polynomial_cutoff": 5,
            "max_ell": 2,
            "interaction_cls": blocks["RealAgnosticResidualInteractionBlock"],
            "interaction_cls_first": blocks["RealAgnosticInteractionBlock"],
            "num_interactions": 2,
            "num_elements": len(species),
            "atomic_numbers": [atomic_numbers[symbol] for symbol in species],
            "atomic_energies": np.array([-100.0, -200.0])[: len(species)],
            "avg_num_neighbors": 16.0,
            "correlation": 2,
            "gate": torch.nn.functional.silu,
            "atomic_inter_scale": 1.0,
            "atomic_inter_shift": 0.0,
            "hidden_irreps": "16x0e",
            "MLP_irreps": "16x0e",
            **given,
        }
        for name in ("hidden_irreps", "MLP_irreps"):
            options[name] = o3.Irreps(options[name])
        try:
            return modules.ScaleShiftMACE(**options)
        finally:
            torch.set_default_dtype(previous)

    return build


@pytest.fixture(scope="session")
def random_pet() -> Callable[..., Any]:
    """Build small PET models with random weights, as metatrain exports them."""

    def build(
        seed: int, species: tuple[str, ...] = ("Si",), dtype: str = "float32"
    ) -> Any:
        import torch
        from metatrain.pet import PET
        from metatrain.utils.architectures import get_default_hypers
        from metatrain.utils.data import DatasetInfo
        from metatrain.utils.data.target_info import get_energy_target_info

        torch.manual_seed(seed)
        target = {"quantity": "energy", "unit": "eV", "num_subtargets": 1}
        target |= {"type": "scalar", "per_atom": False, "sample_kind": "system"}
        target |= {"description": ""}
        info = DatasetInfo(
            length_unit="angstrom",
            atomic_types=[atomic_numbers[symbol] for symbol in species],
            targets={"energy": get_energy_target_info("energy", target)},
        )
        small = {
            "cutoff": 4.2,
            "d_pet": 8,
            "d_node": 8,
            "d_head": 8,
            "d_feedforward": 8,
        }
        small |= {"num_heads": 1, "num_attention_layers": 1, "num_gnn_layers": 2}
        hypers = {**get_default_hypers("pet", 32)["model"], **small}
        return PET(hypers, info).to(getattr(torch, dtype)).export()

    return build


@pytest.fixture(scope="session")
def synthetic_campaign(random_mace) -> Callable[..., None]:
    """Write the documents of a campaign, of any size, to a store."""
    module = import_module("synthetic_campaign")
    members = [module.member(random_mace, seed) for seed in (1, 2)]

    def write(
        store: JobStore,
        n_frames: int = 60,
        n_iterations: int = 3,
        *,
        finished: bool = True,
        kind: str = "max_iterations",
    ) -> None:
        campaign = module.SyntheticCampaign(store, n_frames, n_iterations, members)
        campaign.write(finished=finished, kind=kind)

    return write


class MongoServer:
    """SecantusDB, a MongoDB-wire server, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}/?directConnection=true"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it on the data that its folder has."""
        log = self.folder / "server.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(Path(sys.executable).parent / "secantusd-py", "--standalone"),
                    *("--port", str(self.port), "--storage-path", self.folder / "db"),
                    *("--cache-size", "256M", "--log-level", "WARNING"),
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        _wait_until_it_answers(self.uri, self.process, log)

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def mongo_uri(tmp_path_factory):
    """The URI of a MongoDB server: FLOWPOT_TEST_MONGO_URI's, or one started here."""
    given = os.environ.get("FLOWPOT_TEST_MONGO_URI")
    if given:
        yield given
        return
    server = MongoServer(tmp_path_factory.mktemp("mongo"))
    server.start()
    try:
        yield server.uri
    finally:
        server.stop()


@pytest.fixture
def own_mongo(tmp_path_factory):
    """A MongoDB server that the test may stop and start again."""
    server = MongoServer(tmp_path_factory.mktemp("own_mongo"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_it_answers(uri: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with MongoClient(uri, serverSelectionTimeoutMS=500) as client:
        while time.monotonic() < deadline and server.poll() is None:
            try:
                client.admin.command("ping")
            except PyMongoError:
                time.sleep(0.1)
            else:
                return
    raise RuntimeError(f"the MongoDB server did not answer:\n{log.read_text()}")
