"""Families are downloaded from a real server, on this machine."""

import hashlib
import io
import json
import re
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ase.build import bulk
from typer.testing import CliRunner

from flowpot.campaign.config.fields import descriptions
from flowpot.cli import app
from flowpot.labelling.espresso import (
    EspressoStaticMaker,
    PseudoFamily,
    check_family,
    get_family,
    install_family,
    list_families,
)
from flowpot.labelling.espresso.inputs import EspressoInputGenerator
from flowpot.labelling.espresso.install import download


class RangeHandler(SimpleHTTPRequestHandler):
    """Serves files, from where the client wants them on."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if start and start >= len(content):
            self.send_error(416)
            return
        self.server.starts.append(start)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:])

    def log_message(self, *args):
        """Keep quiet."""


@pytest.fixture
def server(tmp_path):
    """A server of the folder `served`."""
    (tmp_path / "served").mkdir()
    handler = partial(RangeHandler, directory=tmp_path / "served")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        httpd.starts = []
        httpd.url = f"http://127.0.0.1:{httpd.server_port}"
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield httpd
        httpd.shutdown()
        thread.join()


@pytest.fixture
def archive(tmp_path, server) -> str:
    """An archive with one file of the name that SSSP gives silicon's; its URL."""
    name = get_family("sssp-1.3-pbe-efficiency").pseudos["Si"]["filename"]
    with tarfile.open(tmp_path / "served" / "sssp.tar.gz", "w:gz") as tar:
        for member, content in ((name, b"<UPF/>" * 200_000), ("notes.txt", b"x")):
            entry = tarfile.TarInfo(f"SSSP/{member}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return f"{server.url}/sssp.tar.gz"


def test_a_family_is_installed_and_checked(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("FLOWPOT_PSEUDO_DIR", str(tmp_path / "pseudos"))
    seen = []
    status = install_family(
        "sssp-1.3-pbe-efficiency",
        url=archive,
        md5=hashlib.md5((tmp_path / "served" / "sssp.tar.gz").read_bytes()).hexdigest(),
        progress=lambda there, total: seen.append((there, total)),
    )
    assert seen[-1][0] == seen[-1][1] > 0
    folder = tmp_path / "pseudos" / "sssp-1.3-pbe-efficiency"
    assert len(list(folder.iterdir())) == 1  # the pseudopotential, not the notes
    assert not list(folder.parent.glob("*.tar.gz*"))
    assert status.damaged == ["Si"]  # it is there, and not the one of the table
    assert len(status.missing) == status.n_elements - 1
    assert not status.complete
    located = get_family("sssp-1.3-pbe-efficiency").locate(["Si"])
    assert located == folder.resolve()


def test_a_damaged_archive_is_removed(archive, tmp_path):
    with pytest.raises(ValueError, match=r"is damaged.*try again"):
        install_family("sssp-1.3-pbe-precision", url=archive, folder=tmp_path / "p")
    assert list((tmp_path / "p").iterdir()) == []


def test_a_download_goes_on_where_it_ended(server, tmp_path):
    content = bytes(range(256)) * 4000
    (tmp_path / "served" / "data").write_bytes(content)
    target = tmp_path / "data"
    (tmp_path / "data.part").write_bytes(content[:300_000])
    download(f"{server.url}/data", target)
    assert target.read_bytes() == content
    assert server.starts == [300_000]
    assert not (tmp_path / "data.part").exists()

    (tmp_path / "data.part").write_bytes(content)  # killed before the last rename
    target.unlink()
    download(f"{server.url}/data", target)
    assert target.read_bytes() == content


def test_debian_is_complete_and_others_are_reported(tmp_path):
    assert check_family("debian-pbe").complete
    assert set(list_families()) == {
        "sssp-1.3-pbe-precision",
        "sssp-1.3-pbe-efficiency",
        "sssp-1.3-pbesol-precision",
        "sssp-1.3-pbesol-efficiency",
        "debian-pbe",
    }
    nowhere = PseudoFamily(
        "mine", str(tmp_path), {"Si": {"filename": "a", "ecutwfc": 1, "ecutrho": 4}}
    )
    assert check_family(nowhere).missing == ["Si"]


def test_each_family_that_is_known_is_documented():
    documented = descriptions(EspressoStaticMaker)["pseudo_family"]
    named = re.findall('``"(.+?)"``', documented)
    assert sorted(named) == sorted(list_families())


def test_each_family_has_a_remedy_that_can_help(tmp_path, monkeypatch):
    """SSSP is fetched; Debian's files come with a package, which replaces its own."""
    monkeypatch.setenv("FLOWPOT_PSEUDO_DIR", str(tmp_path / "mine"))
    for name in list_families():
        status = check_family(name)
        fetched = f"flowpot pseudos install {name}"
        assert status.remedy == ("" if name == "debian-pbe" else fetched)
    file = get_family("debian-pbe").pseudos["Si"]["filename"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / file).write_text("another one")
    status = check_family("debian-pbe")
    assert status.damaged == ["Si"]
    assert status.remedy == f"move {tmp_path / 'mine' / file} to another folder"


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (None, "apt install quantum-espresso-data"),
        ("cut", "apt install --reinstall quantum-espresso-data"),
    ],
)
def test_files_of_the_package_that_are_amiss(content, remedy, tmp_path, monkeypatch):
    monkeypatch.delenv("FLOWPOT_PSEUDO_DIR", raising=False)
    for module in ("install", "pseudos"):
        place = f"flowpot.labelling.espresso.{module}.DEBIAN_FOLDER"
        monkeypatch.setattr(place, tmp_path)
    if content is not None:
        for entry in get_family("debian-pbe").pseudos.values():
            (tmp_path / entry["filename"]).write_text(content)
    assert check_family("debian-pbe").remedy == remedy
    result = CliRunner().invoke(app, ["pseudos", "check", "debian-pbe"])
    assert result.exit_code == 1
    assert f"What to do: {remedy}\n" in result.output


def test_what_cannot_be_installed(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="'debian-pbe' has no archive"):
        install_family("debian-pbe", folder=tmp_path)
    monkeypatch.delenv("FLOWPOT_PSEUDO_DIR", raising=False)
    (tmp_path / "empty.yaml").touch()
    monkeypatch.setenv("FLOWPOT_CONFIG_FILE", str(tmp_path / "empty.yaml"))
    with pytest.raises(ValueError, match="FLOWPOT_PSEUDO_DIR is unset"):
        install_family("sssp-1.3-pbe-precision")
    with pytest.raises(ValueError, match="use one of http"):
        download("file:///etc/passwd", tmp_path / "x")


CONTENT = b'<PP_HEADER z_valence="4.0"/>'
SILICON = {
    "filename": "Si.pbesol-n-rrkjus_psl.1.0.0.UPF",
    "md5": hashlib.md5(CONTENT).hexdigest(),
    "pseudopotential": "100US",
    "cutoff_wfc": 30.0,
    "cutoff_rho": 240.0,
}
"""An entry as SSSP writes it."""


@pytest.fixture
def pbesol(tmp_path, server, monkeypatch):
    """A family of one element, with its table; how it is installed."""
    monkeypatch.setenv("FLOWPOT_PSEUDO_DIR", str(tmp_path / "pseudos"))
    served = tmp_path / "served"
    with tarfile.open(served / "sol.tar.gz", "w:gz") as tar:
        entry = tarfile.TarInfo(SILICON["filename"])
        entry.size = len(CONTENT)
        tar.addfile(entry, io.BytesIO(CONTENT))
    (served / "sol.json").write_text(json.dumps({"Si": SILICON}))

    def md5(name):
        return hashlib.md5((served / name).read_bytes()).hexdigest()

    return {
        "url": f"{server.url}/sol.tar.gz",
        "md5": md5("sol.tar.gz"),
        "table_url": f"{server.url}/sol.json",
        "table_md5": md5("sol.json"),
    }


@pytest.mark.parametrize("kind", ["precision", "efficiency"])
def test_pbesol_brings_its_own_table(pbesol, kind):
    name = f"sssp-1.3-pbesol-{kind}"
    with pytest.raises(FileNotFoundError, match=f"flowpot pseudos install {name}"):
        get_family(name)
    assert not check_family(name).complete
    status = install_family(name, **pbesol)
    assert status.complete
    assert (status.n_elements, status.folder.name) == (1, name)
    family = get_family(name)
    assert family.cutoffs(["Si"]) == (30.0, 240.0)
    assert family.verify(["Si"]) == {"Si": SILICON["md5"]}
    assert check_family(name).complete


def test_pbesol_labels_are_asked_with_its_files(pbesol, tmp_path):
    """And there is a remedy where the family is not here."""
    name = "sssp-1.3-pbesol-efficiency"
    EspressoStaticMaker(pseudo_family=name)  # made where the files need not be
    generator = EspressoInputGenerator(pseudo_family=name)
    with pytest.raises(FileNotFoundError, match="pseudos install"):
        generator.get_input_set(bulk("Si"))
    install_family(name, **pbesol)
    inputs = generator.get_input_set(bulk("Si"))
    assert inputs.parameters["system"]["ecutwfc"] == 30
    assert SILICON["filename"] in inputs.write(tmp_path).read_text()


def test_another_table_is_refused(pbesol, tmp_path):
    name = "sssp-1.3-pbesol-precision"
    with pytest.raises(ValueError, match=r"cutoffs\.json .* is damaged"):
        install_family(name, **(pbesol | {"table_md5": None}))  # not the published one
    install_family(name, **pbesol)
    (tmp_path / "pseudos" / name / "cutoffs.json").write_text('{"Si": 1}')
    with pytest.raises(ValueError, match="is not SSSP's table of cutoffs"):
        get_family(name)
