"""Pseudopotential families on this machine: list, check, download."""

import hashlib
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError

from flowpot.labelling.espresso.pseudos import (
    DEBIAN_FOLDER,
    FAMILIES,
    TABLE,
    PseudoFamily,
    get_family,
    install_command,
    read_table,
)
from flowpot.settings import get_settings

_ARCHIVES = {
    "sssp-1.3-pbe-precision": (
        "SSSP_1.3.0_PBE_precision.tar.gz",
        "fde94756886f32ada7bf597547557eb5",
    ),
    "sssp-1.3-pbe-efficiency": (
        "SSSP_1.3.0_PBE_efficiency.tar.gz",
        "a58f1b3373f330179fd0832c48bb9a52",
    ),
    "sssp-1.3-pbesol-precision": (
        "SSSP_1.3.0_PBEsol_precision.tar.gz",
        "443422c2ac5fd367a8ddb7aa6433077a",
    ),
    "sssp-1.3-pbesol-efficiency": (
        "SSSP_1.3.0_PBEsol_efficiency.tar.gz",
        "b6cad0d97c86d3b43ae416d6e5d8b771",
    ),
}  # as the record states them: doi.org/10.24435/materialscloud:f3-ym
_TABLES = {
    "sssp-1.3-pbesol-precision": (
        "SSSP_1.3.0_PBEsol_precision.json",
        "c355de4dc3a2067b34f257d01368322a",
    ),
    "sssp-1.3-pbesol-efficiency": (
        "SSSP_1.3.0_PBEsol_efficiency.json",
        "84fbbbd8f67b551abaec2f8a9df86801",
    ),
}  # of the same record; the tables of PBE come with flowpot
_SOURCE = "https://archive.materialscloud.org/api/records/rcyfm-68h65/files/{}/content"
_CHUNK = 1 << 18

Progress = Callable[[int, int | None], None]
"""Called with the bytes that have arrived, and their total if it is known."""


@dataclass(frozen=True)
class FamilyStatus:
    """
    Which files of a family this machine has.

    Parameters
    ----------
    name
        Name of the family.
    folder
        Folder of its files; None if there are none.
    n_elements
        Number of elements of the family.
    missing
        Elements without a file.
    damaged
        Elements whose file has another checksum than the family's.
    remedy
        What makes the family complete: a command, or what to do by hand. Empty where it
        is.
    """

    name: str
    folder: Path | None
    n_elements: int
    missing: list[str]
    damaged: list[str]
    remedy: str = ""

    @property
    def complete(self) -> bool:
        """Whether every file is there, with the right checksum."""
        return not self.missing and not self.damaged


def list_families() -> list[str]:
    """Return the names of the families that flowpot knows."""
    return list(FAMILIES)


def check_family(family: str | PseudoFamily) -> FamilyStatus:
    """
    Check the files of a family against its table.

    A family whose table is not installed has no elements, and is not complete.
    """
    try:
        family = get_family(family)
    except FileNotFoundError:
        remedy = install_command(str(family)) or ""
        return FamilyStatus(str(family), None, 0, ["all"], [], remedy)
    missing, damaged, folder = [], {}, None
    for element, entry in family.pseudos.items():
        try:
            folder = family.locate([element])
            family.verify([element])
        except FileNotFoundError:
            missing.append(element)
        except ValueError:
            assert folder is not None
            damaged[element] = folder / entry["filename"]
    remedy = _remedy(family, missing, list(damaged.values()))
    return FamilyStatus(
        family.name, folder, len(family.pseudos), missing, list(damaged), remedy
    )


def _remedy(family: PseudoFamily, missing: list[str], damaged: list[Path]) -> str:
    """
    Return what makes a family complete; "" if it is.

    A download replaces damaged files. Debian's package replaces its own files alone:
    what the user has put in their place is found first, and has to be moved away.
    """
    if not missing and not damaged:
        return ""
    command = install_command(family.name) if family.folder is None else None
    if command is None:
        return f"put its files into {family.folder or 'FLOWPOT_PSEUDO_DIR'}"
    if family.name in _ARCHIVES:
        return command
    packaged = [file for file in damaged if file.parent == DEBIAN_FOLDER.resolve()]
    own = [str(file) for file in damaged if file not in packaged]
    again = command.replace("install", "install --reinstall") if packaged else command
    steps = [f"move {', '.join(own)} to another folder"] if own else []
    return ", then ".join([*steps, *([again] if packaged or missing else [])])


def install_family(
    name: str,
    *,
    folder: Path | str | None = None,
    url: str | None = None,
    md5: str | None = None,
    progress: Progress | None = None,
    table_url: str | None = None,
    table_md5: str | None = None,
) -> FamilyStatus:
    """
    Download a family's archive, and its table where that does not come with flowpot.

    Parameters
    ----------
    name
        Name of a family of SSSP.
    folder
        Folder of all families. None: ``FLOWPOT_PSEUDO_DIR``.
    url
        URL of the archive, a mirror for example. None: SSSP's own.
    md5
        Checksum of the archive. None: that of SSSP's own.
    progress
        Called as bytes arrive.
    table_url, table_md5
        The same for the table of cutoffs, for families whose table is downloaded.

    Returns
    -------
    FamilyStatus
        Status of the family in its folder, ``<folder>/<name>``.

    Raises
    ------
    ValueError
        If the family has no archive, or what was downloaded has another checksum. Then
        it is removed: try again.
    OSError
        If the connection ends early: call again, the download goes on from there.
    """
    if name not in _ARCHIVES:
        raise ValueError(
            f"family {name!r} has no archive: use one of {', '.join(_ARCHIVES)}"
        )
    root = _root(folder)
    root.mkdir(parents=True, exist_ok=True)
    file, published = _ARCHIVES[name]
    archive = root / file
    _fetch(url or _SOURCE.format(file), archive, md5 or published, progress)
    target = root / name
    _unpack(archive, target)
    archive.unlink()
    if name not in _TABLES:
        pseudos = get_family(name).pseudos
    else:
        file, published = _TABLES[name]
        table = target / TABLE
        _fetch(table_url or _SOURCE.format(file), table, table_md5 or published)
        pseudos = read_table(table)
    return check_family(PseudoFamily(name, str(target), pseudos))


def _fetch(url: str, path: Path, md5: str, progress: Progress | None = None) -> None:
    """Download a file, and remove it again if its checksum is wrong."""
    try:
        download(url, path, progress)
    except URLError as error:
        raise OSError(
            f"{url} cannot be had ({error}): give --url of a mirror, or unpack the "
            f"archive, fetched elsewhere, into {path.parent}, in a folder with the "
            "name of the family"
        ) from error
    if _md5(path) != md5:
        path.unlink()
        raise ValueError(
            f"{path.name} from {url} is damaged (md5 differs from {md5}): it was "
            "removed, try again"
        )


def download(url: str, path: Path, progress: Progress | None = None) -> None:
    """
    Download a file, continuing where an earlier attempt ended.

    Bytes are written to ``<path>.part``, which is renamed when the file is complete.

    Parameters
    ----------
    url
        Address of the file, http or https.
    path
        Path of the file.
    progress
        Called as bytes arrive.

    Raises
    ------
    ValueError
        If the address is of another kind.
    OSError
        If the connection ends early.
    """
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"url is {url!r}: use one of http or https")
    part = path.with_name(path.name + ".part")
    size = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={size}-"})  # noqa: S310  the scheme is checked above
    try:
        response = urllib.request.urlopen(request, timeout=60)  # noqa: S310
    except HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        part.replace(path)  # nothing is left to send
        return
    with response:
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        size = size if resumed else 0
        length = response.headers.get("Content-Length")
        total = None if length is None else size + int(length)
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                size += len(chunk)
                if progress is not None:
                    progress(size, total)
    if total is not None and size < total:
        raise OSError(
            f"the connection to {url} ended after {size} of {total} bytes: call "
            "again, it goes on from there"
        )
    part.replace(path)


def _unpack(archive: Path, target: Path) -> None:
    """Unpack an archive, and move its pseudopotentials into a folder."""
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        with tarfile.open(archive) as tar:
            tar.extractall(temporary, filter="data")
        target.mkdir(exist_ok=True)
        for path in Path(temporary).rglob("*"):
            if path.suffix.lower() == ".upf":
                path.replace(target / path.name)


def _root(folder: Path | str | None) -> Path:
    """Return the folder in which families are kept."""
    chosen = folder or get_settings().PSEUDO_DIR
    if chosen is None:
        raise ValueError(
            "FLOWPOT_PSEUDO_DIR is unset: say where families are to be kept, for "
            "example by `export FLOWPOT_PSEUDO_DIR=$HOME/pseudos` in the profile of "
            "your shell (runs look there, too), and try again"
        )
    return Path(chosen).expanduser()


def _md5(path: Path) -> str:
    """Return the MD5 checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.md5(usedforsecurity=False)
        ).hexdigest()
