"""Whether a calculation had bands enough: smearing needs empty ones."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from ase.units import Bohr, Hartree, Ry
from scipy.special import erfcinv

from flowpot.labelling.espresso.command import OUTPUT_FILE
from flowpot.labelling.espresso.namelists import read_parameters
from flowpot.labelling.espresso.outputs import PwReport, read_report, text_of
from flowpot.labelling.espresso.scratch import find_xml

_TOLERANCE = 1e-3  # eV/atom: energy that missing bands may hold
_MOST = 0.01  # largest occupation of the highest band that is ever accepted
_KINETIC = Hartree * Bohr**2 / 2  # hbar^2 / 2 m (eV A^2)
_GAUSSIAN_SHARE = 0.1
"""
Energy of an occupied Gaussian tail over that of an exponential one.

For f = erfc(x) / 2 the integral of (t - x) f(t) from x on is 0.07 f where f = 0.01, and
less where f is smaller. The tail of Fermi and Dirac gives f itself.
"""
_WIDER = 0.5  # widths by which cold and Methfessel-Paxton's tails outreach Gauss's
_PRINTED = re.compile(r"bands \(ev\):\s*\n\s*\n((?:[ \d.*+-]+\n)+)")


@dataclass(frozen=True)
class HighestBand:
    """
    Occupation of the highest band, and the largest one that does not matter.

    Bands above the highest one would go on holding electrons. A state at the energy e
    lowers the free energy by the integral of the occupation f from e on. With a
    constant density of states g, the missing bands therefore hold

        g w^2 M,   M = integral over t from x on of (t - x) f(t),   x = (e - mu) / w

    of energy, where w is the smearing's width and e the energy of the highest band. M
    is f for the exponential tail of Fermi and Dirac and below 0.1 f for the others, all
    Gaussian. g is that of free electrons at the energy to which the bands reach. The
    limit is the f at which this is 1 meV per atom, and 0.01 at most.

    Parameters
    ----------
    occupation
        Largest occupation of the highest band, over k-points and spins; a full band has
        1. Its sign is left out: Methfessel and Paxton's may be negative.
    n_bands
        Number of bands.
    n_atoms
        Number of atoms.
    volume
        Volume of the cell (A^3).
    width
        Width of the smearing (eV); 0 for tetrahedra, which have none: then the limit is
        0.01.
    fermi_dirac
        Whether the smearing is that of Fermi and Dirac.
    electrons_per_band
        2, or 1 for spinors.

    Examples
    --------
    >>> band = HighestBand(0.022, 20, 2, 40.0, 6.8, fermi_dirac=True)
    >>> f"{band.missing_energy:.2f} eV/atom, limit {band.limit:.0e}"
    '0.84 eV/atom, limit 3e-05'
    """

    occupation: float
    n_bands: int
    n_atoms: int
    volume: float
    width: float
    fermi_dirac: bool
    electrons_per_band: int = 2

    @property
    def top(self) -> float:
        """Energy of the highest band above the lowest, of free electrons (eV)."""
        density = self.electrons_per_band * self.n_bands / self.volume
        return float(_KINETIC * (3 * math.pi**2 * density) ** (2 / 3))

    @property
    def missing_energy(self) -> float:
        """Estimate of the energy that the missing bands hold (eV/atom)."""
        return self.occupation * self._energy_per_occupation

    @property
    def limit(self) -> float:
        """Largest occupation that does not matter."""
        if self.width == 0:
            return _MOST
        return min(_MOST, _TOLERANCE / self._energy_per_occupation)

    @property
    def is_empty(self) -> bool:
        """Whether the occupation does not matter."""
        return self.occupation <= self.limit

    @property
    def bands_needed(self) -> int:
        """
        Number of bands with which the highest one should be empty.

        Free electrons' bands reach up to an energy that grows with their number to the
        power 2/3. At least max(5 %, 4) bands are added, as PwBaseWorkChain of
        aiida-quantumespresso does.
        """
        distance = self._distance(self.limit) - self._distance(self.occupation)
        if not self.fermi_dirac:
            distance += _WIDER
        growth = (1 + max(distance, 0.0) * self.width / self.top) ** 1.5
        least = self.n_bands + max(self.n_bands // 20, 4)
        return max(least, math.ceil(self.n_bands * growth))

    def __str__(self) -> str:
        """Say what is wrong, for an error or a remedy."""
        return f"the highest band has occupation {self.occupation:.2g}"

    @property
    def _energy_per_occupation(self) -> float:
        """Energy of the missing bands over the occupation of the highest (eV/atom)."""
        states = 1.5 * self.electrons_per_band * self.n_bands / self.top  # 1/eV
        share = 1.0 if self.fermi_dirac else _GAUSSIAN_SHARE
        return states * self.width**2 * share / self.n_atoms

    def _distance(self, occupation: float) -> float:
        """Return the distance from the Fermi level at an occupation, in widths."""
        f = min(max(occupation, 1e-12), 0.999)
        return math.log(1 / f - 1) if self.fermi_dirac else float(erfcinv(2 * f))


def needs_empty_bands(parameters: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether occupations follow from a Fermi level, so that bands must be empty."""
    return _width(parameters.get("system", {})) is not None


def _width(system: Mapping[str, Any]) -> float | None:
    """Return the width of the smearing (eV), 0 for tetrahedra; None: all is full."""
    if has_tetrahedra(system):
        return 0.0
    width = float(system.get("degauss", 0)) * Ry
    return width if system.get("occupations") == "smearing" and width > 0 else None


def has_tetrahedra(system: Mapping[str, Any]) -> bool:
    """Whether the namelist SYSTEM asks for occupations by tetrahedra, of any kind."""
    return str(system.get("occupations", "")).startswith("tetrahedra")


def is_fermi_dirac(system: Mapping[str, Any]) -> bool:
    """Whether the namelist SYSTEM asks for the smearing of Fermi and Dirac."""
    return _is_fermi_dirac(str(system.get("smearing", "")).lower())


def _is_fermi_dirac(smearing: str) -> bool:
    return smearing.startswith("f")  # of all that pw.x knows, f-d, fd and fermi-dirac


def read_highest_band(folder: Path) -> HighestBand | None:
    """
    Read the occupation of the highest band of a run with smearing or tetrahedra.

    It is read from pw.x's XML file; without one it follows from the energies of the
    bands in the output.

    Parameters
    ----------
    folder
        Folder of input and output.

    Returns
    -------
    HighestBand or None
        None if neither says it: ``disk_io`` is ``"none"``, and the output lists no
        bands because there are 100 k-points or more.
    """
    system = read_parameters(folder)["system"]
    report = read_report(folder)
    width = _width(system) or 0.0
    kind = str(system.get("smearing", "gaussian")).lower()
    xml = find_xml(folder)
    occupation = None if xml is None else _stored(xml)
    if occupation is None:
        occupation = _printed(folder, report, kind, width)
    n_bands, n_atoms, volume = report.n_bands, report.n_atoms, report.volume
    if occupation is None or n_bands is None or n_atoms is None or volume is None:
        return None
    return HighestBand(
        occupation=occupation,
        n_bands=n_bands,
        n_atoms=n_atoms,
        volume=volume,
        width=width,
        fermi_dirac=is_fermi_dirac(system),
        electrons_per_band=1 if system.get("noncolin") else 2,
    )


def _stored(path: Path) -> float | None:
    """Return the largest occupation of the highest band in pw.x's file, or None."""
    try:
        root = ET.parse(path).getroot()  # noqa: S314  pw.x's own file
    except ET.ParseError:  # on a full disk: the output may still tell
        return None
    spins = 2 if root.findtext(".//band_structure/lsda") == "true" else 1
    occupations: list[float] = []
    for entry in root.iterfind(".//ks_energies/occupations"):
        values = [float(v) for v in (entry.text or "").split()]
        n_bands = len(values) // spins
        occupations += [abs(v) for v in values[n_bands - 1 :: n_bands]]
    return max(occupations, default=None)


def _printed(folder: Path, report: PwReport, kind: str, width: float) -> float | None:
    """Return the same by the energies of the bands in the output."""
    text = text_of(folder / OUTPUT_FILE)
    last = text.rpartition("End of self-consistent calculation")[2]
    blocks = [re.findall(r"[-+]?\d+\.\d+|\*+", b) for b in _PRINTED.findall(last)]
    tops = [block[-1] for block in blocks if block]
    if not tops or not report.fermi_levels or any("*" in top for top in tops):
        return None
    level = max(report.fermi_levels)
    over = [float(top) - level for top in tops]
    if width == 0:
        return float(min(over) < 0)
    return max(abs(_occupation(kind, energy / width)) for energy in over)


def _occupation(kind: str, x: float) -> float:
    """
    Return the occupation of a band, as pw.x's function ``wgauss`` does.

    Parameters
    ----------
    kind
        Smearing, in lower case: one of pw.x's names.
    x
        Energy of the band above the Fermi level, in widths of the smearing.
    """
    if _is_fermi_dirac(kind):
        return 1 / (1 + math.exp(min(x, 700.0)))
    if kind in ("cold", "marzari-vanderbilt", "m-v", "mv"):
        y = x + math.sqrt(0.5)
        return math.erfc(y) / 2 + math.exp(-(y**2)) / math.sqrt(2 * math.pi)
    gaussian = math.erfc(x) / 2
    if kind.startswith("m"):  # Methfessel and Paxton, first order
        return gaussian - x * math.exp(-(x**2)) / (2 * math.sqrt(math.pi))
    return gaussian
