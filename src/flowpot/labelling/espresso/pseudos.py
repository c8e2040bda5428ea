"""Families of pseudopotentials: files, cutoffs and checksums."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from monty.json import MSONable

from flowpot.console import program
from flowpot.settings import fixed_path, get_settings

DEBIAN_FOLDER = Path("/usr/share/espresso/pseudo")
"""Folder in which Debian's package has its pseudopotentials."""


@dataclass
class PseudoFamily(MSONable):
    """
    Pseudopotential files with the cutoffs they need.

    Parameters
    ----------
    name
        Name of the family; it is recorded in every label.
    folder
        Folder of the files. None: ``FLOWPOT_PSEUDO_DIR/<name>`` or
        ``FLOWPOT_PSEUDO_DIR``, on the machine that runs pw.x.
    pseudos
        For each element ``filename``, ``ecutwfc`` and ``ecutrho`` (Ry), and optionally
        the ``md5`` checksum of the file.

    Examples
    --------
    >>> silicon = {"filename": "Si.pbe-rrkj.UPF", "ecutwfc": 20.0, "ecutrho": 80.0}
    >>> PseudoFamily("mine", "/usr/share/espresso/pseudo", {"Si": silicon}).cutoffs(
    ...     ["Si"]
    ... )
    (20.0, 80.0)
    """

    name: str
    folder: str | None = None
    pseudos: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = fixed_path(self.folder)
        for element, entry in self.pseudos.items():
            missing = {"filename", "ecutwfc", "ecutrho"} - set(entry)
            if missing:
                raise ValueError(
                    f"pseudos[{element!r}] of family {self.name!r} lacks "
                    f"{', '.join(sorted(missing))}: give file name and cutoffs (Ry)"
                )

    def entries(self, elements: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the entries of some elements, in alphabetical order of the symbols."""
        wanted = sorted(set(elements))
        missing = [element for element in wanted if element not in self.pseudos]
        if missing:
            raise ValueError(
                f"pseudo_family {self.name!r} has no pseudopotential for "
                f"{', '.join(missing)}: choose another family, or give a "
                "PseudoFamily(name, folder, pseudos) of your own"
            )
        return {element: self.pseudos[element] for element in wanted}

    def cutoffs(self, elements: Iterable[str]) -> tuple[float, float]:
        """Return cutoffs of wavefunctions and density that suit all elements (Ry)."""
        entries = self.entries(elements).values()
        wave = max(float(entry["ecutwfc"]) for entry in entries)
        density = max(float(entry["ecutrho"]) for entry in entries)
        return wave, density

    def locate(self, elements: Iterable[str]) -> Path:
        """
        Return the folder that holds the files of all elements.

        Raises
        ------
        FileNotFoundError
            If a file is missing; the message says which one, where it was looked for,
            and how to provide it.
        """
        names = [entry["filename"] for entry in self.entries(elements).values()]
        # In order of preference.
        folders: list[Path] = []
        if self.folder is not None:
            folders = [Path(self.folder).expanduser()]
        elif (configured := get_settings().PSEUDO_DIR) is not None:
            folders = [configured.expanduser() / self.name, configured.expanduser()]
        if self.folder is None and self.name.startswith("debian"):
            folders.append(DEBIAN_FOLDER)
        for folder in folders:
            if all((folder / name).is_file() for name in names):
                return folder.resolve()
        absent = [n for n in names if not any((f / n).is_file() for f in folders)]
        missing = absent or names
        noun, are = ("", "is") if len(missing) == 1 else ("s", "are")
        looked = (
            ", ".join(map(str, folders)) or "no folder: FLOWPOT_PSEUDO_DIR is unset"
        )
        command = install_command(self.name) if self.folder is None else None
        raise FileNotFoundError(
            f"pseudopotential{noun} {', '.join(missing)} of family {self.name!r} {are} "
            f"missing (looked in {looked}): put the family's files into one folder and "
            f"set FLOWPOT_PSEUDO_DIR to it{f' (`{command}`)' if command else ''}"
        )

    def verify(self, elements: Iterable[str]) -> dict[str, str]:
        """
        Check the files of some elements against the family's checksums.

        Returns
        -------
        dict
            MD5 checksum of each element's file.

        Raises
        ------
        ValueError
            If a file is not the one for which the family's cutoffs were determined.
        """
        folder = self.locate(elements)
        sums = {}
        for element, entry in self.entries(elements).items():
            file = folder / entry["filename"]
            md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
            expected = entry.get("md5")
            if expected and md5 != expected:
                raise ValueError(
                    f"{file} has md5 {md5}, but family {self.name!r} expects "
                    f"{expected}: it is another pseudopotential or a damaged file. "
                    "Replace it"
                )
            sums[element] = md5
        return sums


_DEBIAN = "debian-pbe"
_SHIPPED = {
    "sssp-1.3-pbe-precision": ("sssp_1.3.0_pbe.json", "precision"),
    "sssp-1.3-pbe-efficiency": ("sssp_1.3.0_pbe.json", "efficiency"),
    _DEBIAN: ("debian_pbe.json", "pseudos"),
}
_INSTALLED = ("sssp-1.3-pbesol-precision", "sssp-1.3-pbesol-efficiency")
FAMILIES = (*_SHIPPED, *_INSTALLED)
"""Names of the families that flowpot knows."""

TABLE = "cutoffs.json"
"""Name of SSSP's own table of cutoffs, in the folder of an installed family."""


def get_family(family: str | PseudoFamily) -> PseudoFamily:
    """
    Return a family by its name; a PseudoFamily is returned as it is.

    Parameters
    ----------
    family
        ``"sssp-1.3-pbe-precision"``, ``"sssp-1.3-pbe-efficiency"`` (Prandini et al.,
        npj Comput. Mater. 4, 72 (2018)), the same of ``pbesol``, whose table of
        cutoffs is installed with the files, or ``"debian-pbe"``: the few PBE files of
        Debian's package quantum-espresso-data, good for tests and demonstrations. The
        family decides the functional: pw.x reads it from the pseudopotentials.

    Raises
    ------
    ValueError
        If there is no such family, or its table is damaged.
    FileNotFoundError
        If it has to be installed first.
    """
    check_name(family)
    if isinstance(family, PseudoFamily):
        return family
    if family in _INSTALLED:
        configured = get_settings().PSEUDO_DIR
        remedy = f"`{install_command(family)}` fetches it into FLOWPOT_PSEUDO_DIR"
        if configured is None:
            raise FileNotFoundError(
                f"pseudo_family {family!r} is not here, FLOWPOT_PSEUDO_DIR is unset: "
                f"set it; {remedy}"
            )
        path = configured.expanduser() / family / TABLE
        if not path.is_file():
            raise FileNotFoundError(f"pseudo_family {family!r} has no {path}: {remedy}")
        return PseudoFamily(family, None, read_table(path))
    file, key = _SHIPPED[family]
    table = json.loads((files(__package__) / file).read_text())
    return PseudoFamily(family, None, table[key])


def install_command(name: str) -> str | None:
    """Return the command that puts a family's files here; None if there is none."""
    if name == _DEBIAN:
        return "apt install quantum-espresso-data"
    return f"{program()} pseudos install {name}" if name in FAMILIES else None


def check_name(family: str | PseudoFamily) -> None:
    """Refuse names of families that flowpot does not know."""
    if not isinstance(family, PseudoFamily) and family not in FAMILIES:
        raise ValueError(
            f"pseudo_family is {family!r}: use one of {', '.join(FAMILIES)}, or a "
            "PseudoFamily(name, folder, pseudos)"
        )


def read_table(path: Path) -> dict[str, dict[str, Any]]:
    """
    Read SSSP's own table of a family.

    Returns
    -------
    dict
        Entry of each element, as :class:`PseudoFamily` takes it.

    Raises
    ------
    ValueError
        If the file is not such a table.
    """
    try:
        return {
            element: {
                "filename": entry["filename"],
                "md5": entry["md5"],
                "ecutwfc": float(entry["cutoff_wfc"]),
                "ecutrho": float(entry["cutoff_rho"]),
                "library": entry.get("pseudopotential"),
            }
            for element, entry in json.loads(path.read_text()).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not SSSP's table of cutoffs ({type(error).__name__}: {error}): "
            "remove it, and install the family again"
        ) from error


def valence_electrons(file: Path) -> float:
    """
    Return the number of valence electrons of a pseudopotential.

    Version 1 of the UPF format has it as ``4.0 Z valence``, version 2 as an attribute.

    Raises
    ------
    ValueError
        If the file does not state it.
    """
    header = file.read_text(errors="replace")
    number = re.search(r"z_valence\s*=\s*\"\s*([^\"]+)\"", header) or re.search(
        r"(\S+)\s+Z valence", header
    )
    if number is None:
        raise ValueError(f"{file} states no z_valence: is it a UPF pseudopotential?")
    return float(number.group(1))
