"""
Where artifacts are kept: a folder, or anything else that fsspec can write to.

Content lies under the root at a place named by its hash, so that equal content is
stored once. The URL of a place is the root's, as it was given, with the rest appended;
a password in it is left out, for URLs are written to databases and reports.
"""

import hashlib
import re
import uuid
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from flowpot.dataset.storage import replacing
from flowpot.settings import get_settings

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^@/\s]*@")
_LOCAL = re.compile(r"^(?:file|local)://|^(?!\w[\w+.-]*://|\w+::)")
"""What a root on this machine's own disks begins with."""


def store(root: str, name: str, content: bytes) -> str:
    """
    Keep content under a root, once, whole or not at all.

    What lies there already counts only if it is the content: a damaged file is
    replaced.

    Parameters
    ----------
    root
        Absolute path of a folder, or fsspec URL.
    name
        The content's file name, whose suffix it keeps.
    content
        The bytes.

    Returns
    -------
    str
        URL to read it from, by `read`.
    """
    root = _absolute(root)
    digest = hashlib.sha256(content).hexdigest()
    rest = f"{digest[:2]}/{digest}{Path(name).suffix}"
    fs, path = fsspec.core.url_to_fs(f"{root}/{rest}")
    if not _holds(fs, path, content):
        _put(fs, path, content)
    return f"{_without_password(root)}/{rest}"


def read(uri: str) -> bytes:
    """
    Read what lies at a URL that `store` returned.

    Where the URL lies under ``FLOWPOT_ARTIFACT_ROOT``, it is opened as that says, with
    its password.
    """
    own = get_settings().ARTIFACT_ROOT
    root = _absolute(own) if own else ""
    public = _without_password(root)
    if root and uri.startswith(f"{public}/"):
        uri = root + uri.removeprefix(public)
    fs, path = fsspec.core.url_to_fs(uri)
    return bytes(fs.cat_file(path))


def _absolute(root: str) -> str:
    """
    Write a root so that it means the same in every folder and on every worker.

    Raises
    ------
    ValueError
        Where it is a relative path: each job runs in a folder of its own.
    """
    if not _LOCAL.match(root):
        return root.rstrip("/")
    path = Path(_LOCAL.sub("", root, count=1)).expanduser()
    if not path.is_absolute():
        raise ValueError(
            f"FLOWPOT_ARTIFACT_ROOT is {root!r}: each job runs in a folder of its own, "
            f"so set an absolute path, such as {str(path.absolute())!r}, or a URL"
        )
    return f"file://{path}".rstrip("/")


def _without_password(root: str) -> str:
    return _PASSWORD.sub(r"\1@", root)


def _holds(fs: AbstractFileSystem, path: str, content: bytes) -> bool:
    """Whether a file is there and has this content."""
    try:
        return bool(fs.cat_file(path) == content)
    except FileNotFoundError:
        return False


def _put(fs: AbstractFileSystem, path: str, content: bytes) -> None:
    """Write a file that appears whole, wherever the file system allows that."""
    if isinstance(fs, LocalFileSystem):
        with replacing(Path(path)) as temporary:
            temporary.write_bytes(content)
        return
    _make_folder(fs, path.rsplit("/", 1)[0])
    if type(fs).mv is AbstractFileSystem.mv:
        # It has no renaming of its own: an object store, which shows an object when
        # its upload has ended.
        fs.pipe_file(path, content)
        return
    part = f"{path}.{uuid.uuid4().hex}.part"
    fs.pipe_file(part, content)
    _rename(fs, part, path, content)


def _rename(fs: AbstractFileSystem, part: str, path: str, content: bytes) -> None:
    """Put a file in the place of one that is damaged, or not there."""
    try:
        fs.mv(part, path)
    except Exception:
        # Some protocols do not rename onto a file; another worker's is as good.
        if not fs.exists(path):
            raise
    if not _holds(fs, path, content):
        fs.rm_file(path)
        fs.mv(part, path)
    elif fs.exists(part):
        fs.rm_file(part)


def _make_folder(fs: AbstractFileSystem, folder: str) -> None:
    """Make a folder and those above it, beside other workers that do the same."""
    attempts = folder.count("/") + 1
    for attempt in range(attempts):  # each may find that another made one level
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
    """Say what a file system complains of, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
