"""
The place that artifacts are kept in: a folder, or a URL that fsspec can write to.

The path of content under this root is its hash, so that equal content is stored once.
URLs of artifacts leave out a password that the root's URL has, since they are written
to databases and reports.
"""

import hashlib
import re
import uuid
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from flowpot.dataset.storage import replacing
from flowpot.redaction import redact
from flowpot.settings import get_settings

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^@/\s]*@")
_LOCAL = re.compile(r"^(?:file|local)://|^(?!\w[\w+.-]*://|\w+::)")
"""Beginning of a root that is a local folder."""


def store(root: str, name: str, content: bytes) -> str:
    """
    Write content to its place under a root, whole or not at all.

    A file that is there already stays if it has this content, and is replaced if it is
    damaged.

    Parameters
    ----------
    root
        Absolute path of a folder, or fsspec URL.
    name
        File name of the content: its suffix is kept.
    content
        The bytes.

    Returns
    -------
    str
        URL to `read` the content from.

    Raises
    ------
    ValueError
        Where the root is a relative path, a file, or a URL that fsspec cannot open.
    """
    root = _absolute(root)
    digest = hashlib.sha256(content).hexdigest()
    rest = f"{digest[:2]}/{digest}{Path(name).suffix}"
    try:
        fs, path = fsspec.core.url_to_fs(f"{root}/{rest}")
    except (ValueError, ImportError) as error:  # an unknown protocol, or its package
        raise ValueError(
            f"FLOWPOT_ARTIFACT_ROOT is {redact(repr(root))}: {error}; set an absolute "
            "path, or a URL that fsspec knows and whose package is installed"
        ) from error
    if not _holds(fs, path, content):
        _put(fs, path, content)
    return f"{_without_password(root)}/{rest}"


def read(uri: str) -> bytes:
    """
    Read the content at a URL that `store` returned.

    A URL under ``FLOWPOT_ARTIFACT_ROOT`` is opened with the password that this has.

    Raises
    ------
    FileNotFoundError
        Where nothing is there; other errors are those of the file system.
    """
    setting = get_settings().ARTIFACT_ROOT
    root = _absolute(setting) if setting else ""
    public = _without_password(root)
    if root and uri.startswith(f"{public}/"):
        uri = root + uri.removeprefix(public)
    fs, path = fsspec.core.url_to_fs(uri)
    return bytes(fs.cat_file(path))


def _absolute(root: str) -> str:
    """
    Return a root as a URL that means the same in every folder and on every worker.

    Raises
    ------
    ValueError
        Where it is a relative path (each job runs in a folder of its own) or a file.
    """
    if not _LOCAL.match(root):
        return root.rstrip("/")
    path = Path(_LOCAL.sub("", root, count=1)).expanduser()
    if not path.is_absolute():
        raise ValueError(
            f"FLOWPOT_ARTIFACT_ROOT is {root!r}: each job runs in a folder of its own, "
            f"so set an absolute path, such as {str(path.absolute())!r}, or a URL"
        )
    if file := next((p for p in (path, *path.parents) if p.is_file()), None):
        where = "a file" if file == path else f"in {str(file)!r}, which is a file"
        raise ValueError(f"FLOWPOT_ARTIFACT_ROOT is {root!r}, {where}: set a folder")
    return f"file://{path}".rstrip("/")


def _without_password(root: str) -> str:
    return _PASSWORD.sub(r"\1@", root)


def _holds(fs: AbstractFileSystem, path: str, content: bytes) -> bool:
    """Return whether a file is there and has this content."""
    try:
        return bool(fs.cat_file(path) == content)
    except FileNotFoundError:
        return False


def _put(fs: AbstractFileSystem, path: str, content: bytes) -> None:
    """Write a file, whole or not at all if the file system allows that."""
    if isinstance(fs, LocalFileSystem):
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(content)
        return
    _make_folder(fs, path.rsplit("/", 1)[0])
    if type(fs).mv is AbstractFileSystem.mv:
        # The file system cannot rename: an object store, which shows an object only
        # once its upload has ended.
        fs.pipe_file(path, content)
        return
    part = f"{path}.{uuid.uuid4().hex}.part"
    fs.pipe_file(part, content)
    try:
        fs.mv(part, path)
    except Exception:
        # Some protocols do not rename onto a file; one that another worker has written
        # meanwhile is as good.
        if not fs.exists(path):
            raise
    if not _holds(fs, path, content):
        fs.rm_file(path)
        fs.mv(part, path)
    elif fs.exists(part):
        fs.rm_file(part)


def _make_folder(fs: AbstractFileSystem, folder: str) -> None:
    """Make a folder and those above it, while other workers may do the same."""
    # Each attempt may fail because another worker has made one of the folders.
    attempts = folder.count("/") + 1
    for attempt in range(attempts):
        try:
            fs.makedirs(folder, exist_ok=True)
        except Exception:
            fs.invalidate_cache()
            if fs.isdir(folder):
                return
            if attempt == attempts - 1:
                raise
        else:
            return


def describe(error: Exception) -> str:
    """Return the type and message of a file system's error, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
