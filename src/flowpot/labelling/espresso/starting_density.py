"""Starting an SCF from the density of an earlier calculation, where that fits."""

import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from flowpot.labelling.espresso.inputs import EspressoInput
from flowpot.labelling.espresso.namelists import parse_input

_SCHEMA = "data-file-schema.xml"
_ELEMENT = re.compile(r"[A-Za-z]{1,2}")
_POLARISED = 2  # nspin of collinear spins
_SAME_MOMENT = 1e-6  # of pw.x's starting_magnetization, a share of the valence
_FROM_ATOMS = "started from superposed atoms"


@dataclass(frozen=True)
class ElectronicKind:
    """
    What two calculations must share for the density of one to start the other.

    A density without spins stays without, and one with other moments may lead to
    another magnetic order: the label would not be that of the frame.

    Parameters
    ----------
    elements
        Chemical symbols of the atoms, in order.
    spin
        How spins are described, in words.
    moments
        pw.x's ``starting_magnetization`` of each atom.
    """

    elements: Sequence[str]
    spin: str
    moments: Sequence[float]

    @classmethod
    def of_input(cls, inputs: EspressoInput) -> Self:
        """Return the kind of a calculation that is to run."""
        namelists, cards = parse_input(inputs.text)
        system = namelists["system"]
        names = _first_words(cards, "ATOMIC_SPECIES", int(system["ntyp"]))
        moments = {
            name: float(system.get(f"starting_magnetization({number})", 0.0))
            for number, name in enumerate(names, start=1)
        }
        sites = _first_words(cards, "ATOMIC_POSITIONS", int(system["nat"]))
        spin = _spin_in_words(
            lsda=system.get("nspin", 1) == _POLARISED,
            noncolin=bool(system.get("noncolin", False)),
            spinorbit=bool(system.get("lspinorb", False)),
        )
        return cls(_elements(sites), spin, [moments[name] for name in sites])

    @classmethod
    def of_schema(cls, path: Path) -> Self | None:
        """Return the kind of a calculation by pw.x's own file; None if it is not."""
        try:
            output = ET.parse(path).getroot().find("output")  # noqa: S314  pw.x's own
        except (OSError, ET.ParseError):
            return None
        if output is None or output.find("band_structure") is None:
            return None
        moments = {
            str(species.get("name")): float(
                species.findtext("starting_magnetization", "0")
            )
            for species in output.iterfind("atomic_species/species")
        }
        places = output.iterfind("atomic_structure/atomic_positions/atom")
        sites = [str(atom.get("name")) for atom in places]
        flags = {
            name: output.findtext(f"band_structure/{name}", "false").strip() == "true"
            for name in ("lsda", "noncolin", "spinorbit")
        }
        own = [moments.get(name, 0.0) for name in sites]
        return cls(_elements(sites), _spin_in_words(**flags), own)

    def obstacle(self, earlier: Self) -> str | None:
        """Return why this calculation cannot start from an earlier one; None if so."""
        if len(earlier.elements) != len(self.elements):
            return (
                f"is of a frame of {len(earlier.elements)} atoms, this one has "
                f"{len(self.elements)}"
            )
        if earlier.elements != self.elements:
            return "is of other elements, or of another order of the atoms"
        if earlier.spin != self.spin:
            return f"is of a {earlier.spin} calculation, this one is {self.spin}"
        pairs = zip(earlier.moments, self.moments, strict=True)
        if any(abs(before - now) > _SAME_MOMENT for before, now in pairs):
            return "started from other magnetic moments"
        return None


def take_start(
    prev_dir: Path | str, folder: Path, inputs: EspressoInput
) -> tuple[dict[str, str], str | None]:
    """
    Copy density and wavefunctions of an earlier calculation, to start from them.

    Parameters
    ----------
    prev_dir
        Folder of the earlier calculation, with or without ``host:`` before it.
    folder
        Folder of the calculation that is to start from it.
    inputs
        Input of that calculation. Its elements, spins and starting moments must be the
        earlier ones. Cell, positions, cutoffs and functional may differ: pw.x reads the
        density by its reciprocal vectors and renormalises it.

    Returns
    -------
    electrons
        Keys of the namelist ELECTRONS; empty if there is nothing to start from.
    warning
        Why there is nothing to start from, None otherwise.
    """
    text = str(prev_dir)
    source = Path(re.sub(r"^[\w.-]+:(?=/)", "", text))
    density = next(iter(sorted(source.glob("*.save/charge-density.*"))), None)
    if density is None:
        return {}, (
            f"prev_dir {text} holds no charge density on this machine: {_FROM_ATOMS} "
            "(keep_scratch=True keeps the density of a calculation)"
        )
    earlier = ElectronicKind.of_schema(density.with_name(_SCHEMA))
    if earlier is None:
        return {}, f"prev_dir {text} has no readable {_SCHEMA}: {_FROM_ATOMS}"
    obstacle = ElectronicKind.of_input(inputs).obstacle(earlier)
    if obstacle is not None:
        return {}, f"prev_dir {text} {obstacle}: {_FROM_ATOMS}"
    shutil.copytree(
        density.parent, folder / f"{inputs.prefix}.save", dirs_exist_ok=True
    )
    if any(density.parent.glob("wfc*")):
        return {"startingpot": "file", "startingwfc": "file"}, None
    return {"startingpot": "file"}, None


def _first_words(cards: Sequence[str], card: str, count: int) -> list[str]:
    """Return the first word of each line of a card of the input."""
    start = next(n for n, line in enumerate(cards) if line.startswith(card)) + 1
    return [line.split()[0] for line in cards[start : start + count]]


def _elements(labels: Sequence[str]) -> list[str]:
    """Return the chemical symbols in pw.x's labels of atoms, such as Fe in Fe1."""
    found = [_ELEMENT.match(label) for label in labels]
    return [match[0].capitalize() if match else "" for match in found]


def _spin_in_words(**flags: Any) -> str:
    """Describe spins by pw.x's flags ``lsda``, ``noncolin`` and ``spinorbit``."""
    if flags["noncolin"]:
        return f"non-collinear{' spin-orbit' if flags['spinorbit'] else ''}"
    return "spin-polarised" if flags["lsda"] else "spin-unpolarised"
