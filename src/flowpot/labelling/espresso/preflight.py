"""What must be there before pw.x is worth starting."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from flowpot.labelling.espresso.command import PwCommand, run_pw
from flowpot.labelling.espresso.namelists import INPUT_FILE
from flowpot.labelling.espresso.outputs import read_report
from flowpot.labelling.espresso.pseudos import PseudoFamily, get_family
from flowpot.settings import get_settings

_VERSION_TIMEOUT = 60.0  # s


class PreflightError(RuntimeError):
    """The machine cannot run the calculation: no frame is at fault."""


class PseudopotentialError(PreflightError, ValueError):
    """
    An element has no pseudopotential on this machine, or the wrong file.

    As a ValueError it fails the frames of that element and no others.
    """


def preflight(
    elements: Iterable[str],
    pseudo_family: str | PseudoFamily = "sssp-1.3-pbe-precision",
    folder: Path | str = ".",
) -> dict[str, str]:
    """
    Check the machine that is going to run pw.x.

    Every `qe static` job does this when it starts. Call it yourself only on the machine
    that also runs pw.x: a submit host may have neither pw.x nor pseudopotentials.

    Parameters
    ----------
    elements
        Chemical symbols of the frames.
    pseudo_family
        Name of a family, or a family.
    folder
        Where pw.x is going to write.

    Returns
    -------
    dict
        md5 of each element's pseudopotential.

    Raises
    ------
    PreflightError
        Where something is missing, with what to do about it: a `PseudopotentialError`
        where it is a pseudopotential.
    """
    check_command()
    check_writable(Path(folder))
    try:
        return get_family(pseudo_family).verify(elements)
    except (FileNotFoundError, ValueError) as error:
        raise PseudopotentialError(str(error)) from error


def check_command() -> PwCommand:
    """Check that pw.x, and its launcher where there is one, are on the path."""
    command = PwCommand(get_settings().PW_CMD)
    missing = command.missing()
    if missing is None:
        return command
    remedy = (
        "install Quantum ESPRESSO (`apt install quantum-espresso`, or `qe` from "
        "conda-forge), or set FLOWPOT_PW_CMD to how pw.x is started on this machine"
    )
    if Path(command.line).expanduser().is_file():
        remedy = "put quotes around a path with spaces"
    elif "/" in missing and not missing.startswith("/"):
        remedy = f"name it by its full path, {Path.cwd()} is where the job runs"
    raise PreflightError(
        f"{missing!r} of FLOWPOT_PW_CMD={command.line!r} is not to be found: {remedy}"
    )


def ask_version(folder: Path) -> str:
    """
    Ask pw.x for its version: it states it before it reads its input.

    Raises
    ------
    PreflightError
        Where it does not.
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
    """Check that files can be written into a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PreflightError(
            f"folder {folder.absolute()} is not writable ({error.strerror}): run in "
            "another folder, or correct its permissions"
        ) from error
