"""Artifacts under roots of every kind: what one worker writes, another one reads."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import fsspec
import pytest

from flowpot.dataset import Artifact
from flowpot.dataset.artifact import ArtifactError, MissingArtifactError

CONTENT = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def s3_url():
    """A bucket of an S3 server that listens on a port of this machine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ACCESS_KEY_ID", "worker")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
    yield "s3://bucket/of the group"
    server.stop()
    patch.undo()


@pytest.fixture(scope="module")
def ftp_url(tmp_path_factory):
    """A folder of an FTP server that asks for a password."""
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import ThreadedFTPServer

    authorizer = DummyAuthorizer()
    folder = tmp_path_factory.mktemp("ftp")
    authorizer.add_user("worker", "secret", str(folder), perm="elradfmwMT")
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
    server = ThreadedFTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"ftp://worker:secret@127.0.0.1:{server.socket.getsockname()[1]}/of the group"
    server.close_all()


@pytest.fixture(params=["folder", "file", "memory", "s3", "ftp"])
def root(request, tmp_path, monkeypatch):
    """A root that nothing lies under, set as the worker's."""
    place = {
        "folder": lambda: str(tmp_path / "of the group"),
        "file": lambda: f"file://{tmp_path}/of the group",
        "memory": lambda: "memory://of the group",
        "s3": lambda: request.getfixturevalue("s3_url"),
        "ftp": lambda: request.getfixturevalue("ftp_url"),
    }[request.param]()
    url = f"{place}/{uuid.uuid4().hex}"
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", url)
    return url


def places(root):
    """List the files under a root, as anyone else would."""
    fs, folder = fsspec.core.url_to_fs(root)
    fs.invalidate_cache()
    return fs, sorted(fs.find(folder))


def test_content_comes_back(root):
    artifact = Artifact.from_bytes("a model.pt", CONTENT)
    assert artifact.read_bytes() == CONTENT
    again = Artifact.from_document(artifact.model_dump_json())
    assert again.read_bytes() == CONTENT
    assert len(places(root)[1]) == 1


def test_the_url_is_whole_without_the_root(root, monkeypatch):
    """A reader who has other settings, or none, finds it: the host is in it."""
    artifact = Artifact.from_bytes("model.pt", CONTENT)
    fs, (path,) = places(root)
    scheme = root.partition("://")[0] if "://" in root else "file"
    assert artifact.uri.startswith(f"{scheme}://")
    assert "secret" not in artifact.model_dump_json()
    monkeypatch.delenv("FLOWPOT_ARTIFACT_ROOT")
    if scheme == "ftp":
        assert artifact.uri.startswith(root.replace(":secret@", "@"))
        with_password = artifact.uri.replace("worker@", "worker:secret@")
        artifact = artifact.model_copy(update={"uri": with_password})
    assert artifact.read_bytes() == CONTENT
    assert fs.cat_file(path) == CONTENT


def test_a_trailing_slash_names_the_same_place(root, monkeypatch):
    one = Artifact.from_bytes("model.pt", CONTENT)
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", f"{root}/")
    two = Artifact.from_bytes("model.pt", CONTENT)
    assert one.uri == two.uri
    assert two.read_bytes() == CONTENT
    assert len(places(root)[1]) == 1


@pytest.mark.parametrize("damaged", [CONTENT[:-1] + b"!", CONTENT[:100], b""])
def test_what_is_damaged_is_named_and_written_anew(root, damaged):
    artifact = Artifact.from_bytes("model.pt", CONTENT)
    fs, (path,) = places(root)
    fs.pipe_file(path, damaged)
    with pytest.raises(ArtifactError, match=r"'model.pt' \(.*changed or truncated"):
        artifact.read_bytes()
    assert Artifact.from_bytes("model.pt", CONTENT) == artifact
    assert artifact.read_bytes() == CONTENT
    assert len(places(root)[1]) == 1


def test_what_is_gone_is_named_and_written_anew(root):
    artifact = Artifact.from_bytes("model.pt", CONTENT)
    fs, (path,) = places(root)
    fs.rm_file(path)
    with pytest.raises(MissingArtifactError, match=r"'model.pt' is not at .*model|://"):
        artifact.read_bytes()
    Artifact.from_bytes("model.pt", CONTENT)
    assert artifact.read_bytes() == CONTENT


def test_many_workers_write_and_read_the_same_at_once(root):
    def write_and_read(_):
        return Artifact.from_bytes("a.h5", CONTENT).read_bytes() == CONTENT

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(write_and_read, range(12)))
    assert len(places(root)[1]) == 1


@pytest.mark.parametrize("relative", ["artifacts", "./here", "file://artifacts"])
def test_a_relative_root_is_refused(relative, tmp_path, monkeypatch):
    """It would be another folder for each job."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", relative)
    name = Path(relative.removeprefix("file://")).name
    with pytest.raises(ValueError, match=f"set an absolute path, such as .*{name}"):
        Artifact.from_bytes("a.h5", CONTENT)


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("s4://me:word@host/x", r"is 's4://\*\*\*@host/x': .*s4; set an absolute path"),
        ("{folder}/file", r"file', a file: set a folder"),
        ("file://{folder}/file/x", r"x', in '.*/file', which is a file: set a folder"),
    ],
)
def test_a_root_that_cannot_be_written_to_names_the_setting(
    root, message, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", root.format(folder=tmp_path))
    with pytest.raises(ValueError, match=f"^FLOWPOT_ARTIFACT_ROOT .*{message}"):
        Artifact.from_bytes("a.h5", CONTENT)


def test_home_is_a_root(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FLOWPOT_ARTIFACT_ROOT", "~/artifacts")
    artifact = Artifact.from_bytes("a.h5", CONTENT)
    assert artifact.uri.startswith(f"file://{tmp_path}/artifacts/")
    assert artifact.read_bytes() == CONTENT


def test_a_server_that_does_not_answer(monkeypatch):
    artifact = Artifact.from_bytes("a.h5", CONTENT)
    away = artifact.model_copy(update={"blob": None, "uri": "ftp://127.0.0.1:1/a.h5"})
    with pytest.raises(
        ArtifactError, match=r"'a.h5' \(ftp://127.0.0.1:1/a.h5\) cannot"
    ):
        away.read_bytes()
