"""What LAMMPS is told of a potential: its pair style, or forces from outside."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from flowpot.exploration.lammps.dispersion import (
    Dispersion,
    momb_coefficients,
    momb_style,
)
from flowpot.exploration.lammps.script import FIX

# A momb cutoff of 20 A overflows the default neighbour list.
_LONG_LISTS = "neigh_modify one 20000 page 400000"
KOKKOS = ("-k", "on", "g", "1", "-sf", "kk")
_HALF_LISTS = ("-pk", "kokkos", "newton", "on", "neigh", "half")


def external_forces(
    species: Sequence[int], dispersion: Dispersion | None = None
) -> list[str]:
    """
    Return the commands by which the driver's callback gives LAMMPS the forces.

    Parameters
    ----------
    species
        Atomic numbers in the order of the atom types.
    dispersion
        Dispersion that LAMMPS adds. None: a pair style without forces, because LAMMPS
        insists on a neighbour list.
    """
    if dispersion is None:
        pair = ["pair_style zero 1.0 nocoeff", "pair_coeff * *"]
    else:
        pair = [
            f"pair_style {momb_style()}",
            *momb_coefficients(species, overlay=False),
            _LONG_LISTS,
        ]
    return [
        *pair,
        f"fix {FIX} all external pf/callback 1 1",
        f"fix_modify {FIX} energy yes virial yes",
    ]


@dataclass(frozen=True)
class PairStyle(ABC):
    """
    A pair style by which a build of LAMMPS evaluates a converted model.

    Attributes
    ----------
    device
        ``cuda`` or ``cpu``.
    """

    device: str = "cuda"

    style: ClassVar[str]
    """Name of the pair style."""

    backend: ClassVar[str] = "mace"
    """Backend whose models it evaluates: see `flowpot.potentials.Potential`."""

    listed: ClassVar[str] = ""
    """Name in the list of ``lmp -h`` that shows that it can run; "": the style's."""

    devices: ClassVar[tuple[str, ...]] = ("cuda", "cpu")
    """Devices on which it can run."""

    def __post_init__(self) -> None:
        """Check the device."""
        if self.device not in self.devices:
            raise ValueError(
                f"device is {self.device!r} and the pair style {self.style!r}: use "
                f"{' or '.join(map(repr, self.devices))}"
            )

    @abstractmethod
    def conversion(self, model: str, species: Sequence[int]) -> list[str]:
        """Return the command that converts a model file; empty where none is needed."""

    @abstractmethod
    def converted(self, model: str, species: Sequence[int]) -> str:
        """Name the file that the conversion writes."""

    @abstractmethod
    def arguments(self, model: str) -> str:
        """Return the arguments of the pair style, for a converted model."""

    @abstractmethod
    def coefficients(self, model: str, species: Sequence[int]) -> str:
        """Return the arguments of ``pair_coeff * *``, without the style's name."""

    @classmethod
    def needed_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return the training options that its models must have instead of others.

        Parameters
        ----------
        options
            Those of ``mace_run_train``, with defaults filled in. Empty: not known.
        """
        del options
        return {}

    @property
    def options(self) -> list[str]:
        """Command-line options of LAMMPS."""
        return [*KOKKOS, *_HALF_LISTS] if self.device == "cuda" else []

    def commands(
        self, model: str, species: Sequence[int], dispersion: Dispersion | None = None
    ) -> list[str]:
        """
        Return LAMMPS's commands.

        Parameters
        ----------
        model
            File of the model before its conversion.
        species
            Atomic numbers in the order of the atom types.
        dispersion
            Dispersion that is added to the model's forces.
        """
        file = self.converted(model, species)
        style = f"{self.style} {self.arguments(file)}".rstrip()
        coefficients = self.coefficients(file, species)
        if dispersion is None:
            return [f"pair_style {style}", f"pair_coeff * * {coefficients}"]
        return [
            f"pair_style hybrid/overlay {style} {momb_style()}",
            f"pair_coeff * * {self.style} {coefficients}",
            *momb_coefficients(species, overlay=True),
            _LONG_LISTS,
        ]
