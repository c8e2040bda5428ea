"""Checks of the machine before pw.x is started."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from flowpot.labelling.espresso.command import PwCommand, run_pw
from flowpot.labelling.espresso.namelists import INPUT_FILE
from flowpot.labelling.espresso.outputs import read_report
from flowpot.labelling.espresso.pseudos import PseudoFamily, get_family
from flowpot.settings import get_settings

_VERSION_TIMEOUT = 60.0  # s
_HEAD = 512  # bytes of a program that tell a script from a binary


class PreflightError(RuntimeError):
    """The machine cannot run any calculation, whichever the frame."""


class PseudopotentialError(PreflightError, ValueError):
    """
    An element has no pseudopotential on this machine, or a wrong one.

    It is also a ValueError, with which only frames of that element fail.
    """


def preflight(
    elements: Iterable[str],
    pseudo_family: str | PseudoFamily = "sssp-1.3-pbe-precision",
    folder: Path | str = ".",
) -> dict[str, str]:
    """
    Check that this machine can run pw.x for frames of some elements.

    Every `qe static` job does this when it starts. Call it yourself only on a machine
    that runs pw.x: a submit host may have neither pw.x nor pseudopotentials.

    Parameters
    ----------
    elements
        Chemical symbols of the frames.
    pseudo_family
        Name of a family, or a family.
    folder
        Folder in which pw.x will write.

    Returns
    -------
    dict
        MD5 checksum of each element's pseudopotential.

    Raises
    ------
    PreflightError
        If something is missing, with the remedy; a `PseudopotentialError` if it is a
        pseudopotential.
    """
    check_command()
    check_writable(Path(folder))
    try:
        return get_family(pseudo_family).verify(elements)
    except (FileNotFoundError, ValueError) as error:
        raise PseudopotentialError(str(error)) from error


def check_command() -> PwCommand:
    """Return the command, if pw.x and its launcher are installed; else raise."""
    command = PwCommand(get_settings().PW_CMD)
    missing = command.missing()
    if missing is None:
        _check_startable(command)
        return command
    remedy = (
        "install Quantum ESPRESSO (`apt install quantum-espresso libopenblas0-serial`, "
        "or `qe` from conda-forge), or set FLOWPOT_PW_CMD to how pw.x is started on "
        "this machine"
    )
    if Path(command.line).expanduser().is_file():
        remedy = "put quotes around a path with spaces"
    elif "/" in missing and not missing.startswith("/"):
        remedy = f"name it by its full path, {Path.cwd()} is where the job runs"
    raise PreflightError(
        f"{missing!r} of FLOWPOT_PW_CMD={command.line!r} is not to be found: {remedy}"
    )


def _check_startable(command: PwCommand) -> None:
    """Refuse a script that the system cannot start, as it has no interpreter."""
    words = dict.fromkeys([command.argv[0], command.program or command.argv[0]])
    for path in filter(None, map(shutil.which, words)):
        try:
            with Path(path).open("rb") as file:
                head = file.read(_HEAD)
        except PermissionError:  # a binary need not be readable
            continue
        if b"\0" in head:  # no text
            continue
        name = f"{path!r} of FLOWPOT_PW_CMD={command.line!r}"
        if not head.startswith(b"#!"):
            raise PreflightError(
                f"{name} is a script whose first line names no shell: make that line "
                f"`#!/bin/sh`, or start it with `sh {path}`"
            )
        interpreter = head[2:].split()[:1]
        if interpreter and not Path(os.fsdecode(interpreter[0])).exists():
            raise PreflightError(
                f"{name} is a script for {os.fsdecode(interpreter[0])!r}, which is not "
                "installed: correct its first line"
            )


def ask_version(folder: Path) -> str:
    """
    Return the version of pw.x, which prints it before it reads its input.

    Parameters
    ----------
    folder
        Folder in which a temporary one is made to run pw.x.

    Raises
    ------
    PreflightError
        If the program prints no version.
    """
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        (Path(empty) / INPUT_FILE).touch()
        run_pw(Path(empty), check_command().argv, timeout=_VERSION_TIMEOUT)
        version = read_report(Path(empty)).version
    if version is None:
        raise PreflightError(
            "pw.x does not state its version: is FLOWPOT_PW_CMD a Quantum ESPRESSO?"
        )
    return version


def check_writable(folder: Path) -> None:
    """Make a folder if need be, and check that files can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PreflightError(
            f"folder {folder.absolute()} is not writable ({error.strerror}): run in "
            "another folder, or correct its permissions"
        ) from error
