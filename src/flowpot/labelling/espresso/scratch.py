"""Where pw.x keeps its scratch files: density, wavefunctions, XML."""

import hashlib
import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flowpot.labelling.espresso.command import ERROR_FILE, OUTPUT_FILE
from flowpot.labelling.espresso.namelists import INPUT_FILE, read_parameters

_OWN = "flowpot-"  # how names of folders begin that are one calculation's
_PLACES = ("outdir", "wfcdir")  # keys of CONTROL that name folders of scratch files
_KEPT = re.compile(
    rf"(?:{re.escape(INPUT_FILE)}|{re.escape(OUTPUT_FILE)}(?:\.\d+)?|"
    rf"{re.escape(ERROR_FILE)})(?:\.gz)?"
)  # also with a prefix such as "pw"


def own_places(control: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """
    Return the user's folders for scratch files, as those of one calculation.

    Calculations that share a folder outside of their own would overwrite each other's
    files, so each gets a folder in it.

    Parameters
    ----------
    control
        The user's keys of CONTROL, in lower case.
    folder
        Folder in which pw.x runs.

    Returns
    -------
    dict
        New values of ``outdir`` and ``wfcdir``, where they change.
    """
    name = hashlib.sha256(f"{socket.gethostname()}:{folder}".encode()).hexdigest()
    return {
        key: str(_place(control[key], folder) / f"{_OWN}{name[:16]}")
        for key in _PLACES
        if key in control and not _is_inside(control[key], folder)
    }


def scratch_folder(control: Mapping[str, Any], folder: Path) -> Path:
    """Return the folder of density and XML, by the input's keys of CONTROL."""
    return _place(control.get("outdir", "./"), folder)


def scratch_places(control: Mapping[str, Any], folder: Path) -> list[Path]:
    """Return all folders of scratch files, by the input's keys of CONTROL."""
    places = [_place(control[key], folder) for key in _PLACES if key in control]
    return list(dict.fromkeys(places))


def find_xml(folder: Path) -> Path | None:
    """
    Return the XML file that pw.x has left, None if there is none.

    Parameters
    ----------
    folder
        Folder of the input file, which says where pw.x writes. With ``disk_io`` as
        ``"nowf"`` or ``"minimal"`` the file is in the folder of the density alone.
    """
    control = read_parameters(folder).get("control", {})
    place = scratch_folder(control, folder)
    prefix = control.get("prefix", "pwscf")
    paths = (place / f"{prefix}.xml", place / f"{prefix}.save" / "data-file-schema.xml")
    return next((path for path in paths if path.is_file()), None)


def remove_scratch(control: Mapping[str, Any], folder: Path) -> None:
    """
    Remove the scratch files of a calculation, wherever its input puts them.

    Parameters
    ----------
    control
        Keys of CONTROL of its input.
    folder
        Folder in which pw.x ran.
    """
    prefix = str(control.get("prefix", "pwscf"))
    home = _place("./", folder)
    for named in dict.fromkeys([home, *scratch_places(control, folder)]):
        place = named
        if not place.is_dir():
            continue
        if not place.is_relative_to(home) and place.name.startswith(_OWN):
            shutil.rmtree(place)
            continue
        remove(_of_prefix(place, prefix))
        while home in place.parents and not any(place.iterdir()):
            place.rmdir()
            place = place.parent


def remove(paths: Iterator[Path]) -> None:
    """Remove files and folders."""
    for path in list(paths):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _of_prefix(place: Path, prefix: str) -> Iterator[Path]:
    """Yield what pw.x writes under a prefix, which may have any characters."""
    for path in place.iterdir():
        if path.name.startswith(f"{prefix}.") and not _KEPT.fullmatch(path.name):
            yield path


def _is_inside(text: str, folder: Path) -> bool:
    """Whether a folder that the input names is the one where pw.x runs, or in it."""
    return _place(text, folder).is_relative_to(_place("./", folder))


def _place(text: str, folder: Path) -> Path:
    """Return a folder that the input names, as pw.x finds it from its own folder."""
    return Path(os.path.normpath(folder / Path(text.strip()).expanduser()))
