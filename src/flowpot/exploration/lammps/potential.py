"""LAMMPS's commands for the potential, by the engine that evaluates it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ase.data import chemical_symbols

from flowpot.exploration.lammps.convertible import dtype_option
from flowpot.exploration.lammps.dispersion import (
    Dispersion,
    momb_coefficients,
    momb_style,
)
from flowpot.exploration.lammps.script import FIX

# A momb cutoff of 20 A overflows the default neighbour list.
_LONG_LISTS = "neigh_modify one 20000 page 400000"
_KOKKOS = ("-k", "on", "g", "1", "-sf", "kk")
_HALF_LISTS = ("-pk", "kokkos", "newton", "on", "neigh", "half")


def external_forces(
    species: Sequence[int], dispersion: Dispersion | None = None
) -> list[str]:
    """
    Let the driver's callback move the atoms.

    Parameters
    ----------
    species
        Atomic numbers in the order of the atom types.
    dispersion
        Added by LAMMPS. Without one, a pair style without forces gives LAMMPS the
        neighbour list that it insists on.
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
    A model inside LAMMPS: a build with its pair style, and the model converted.

    Attributes
    ----------
    device
        ``cuda`` or ``cpu``.
    """

    device: str = "cuda"

    style: ClassVar[str]
    """Name of the pair style."""

    listed: ClassVar[str] = ""
    """What ``lmp -h`` lists of a program that can run it, if not the style's name."""

    devices: ClassVar[tuple[str, ...]] = ("cuda", "cpu")
    """On which it can run."""

    def __post_init__(self) -> None:
        """Refuse a device that it cannot run on."""
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
        """Return what follows the pair style's name; the model is a converted one."""

    @abstractmethod
    def coefficients(self, model: str, species: Sequence[int]) -> str:
        """Return what follows ``pair_coeff * *``, the style's name apart."""

    @property
    def options(self) -> list[str]:
        """Command-line options of LAMMPS."""
        return [*_KOKKOS, *_HALF_LISTS] if self.device == "cuda" else []

    def commands(
        self, model: str, species: Sequence[int], dispersion: Dispersion | None = None
    ) -> list[str]:
        """
        Return LAMMPS's commands.

        Parameters
        ----------
        model
            The model as it was before its conversion.
        species
            Atomic numbers in the order of the atom types.
        dispersion
            Laid over the model.
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


class MLIAP(PairStyle):
    """MACE through ML-IAP: LAMMPS with Kokkos and Python, on GPUs only."""

    style = "mliap"
    listed = "mliap/kk"  # without Kokkos, mliap knows nothing of Python
    devices = ("cuda",)  # what MACE's coupling works on

    def conversion(self, model: str, species: Sequence[int]) -> list[str]:  # noqa: ARG002
        """Run on the kind of GPU that the model is to be used on."""
        convert = ["python", "-m", "mace.cli.create_lammps_model", model]
        return [*convert, "--format=mliap", *dtype_option(model)]

    def converted(self, model: str, species: Sequence[int]) -> str:  # noqa: ARG002
        """Name the serialised Python object."""
        return f"{model}-mliap_lammps.pt"

    def arguments(self, model: str) -> str:
        """Return the model, and 0 for no neighbours of ghosts."""
        return f"unified {model} 0"

    def coefficients(self, model: str, species: Sequence[int]) -> str:  # noqa: ARG002
        """Return the elements."""
        return _symbols(species)


class LibTorchMACE(PairStyle):
    """MACE's own fork of LAMMPS: one process, no domain decomposition."""

    style = "mace"

    def conversion(self, model: str, species: Sequence[int]) -> list[str]:  # noqa: ARG002
        """Compile the model to TorchScript."""
        convert = ["python", "-m", "mace.cli.create_lammps_model", model]
        return [*convert, *dtype_option(model)]

    def converted(self, model: str, species: Sequence[int]) -> str:  # noqa: ARG002
        """Name the TorchScript model."""
        return f"{model}-lammps.pt"

    def arguments(self, model: str) -> str:  # noqa: ARG002
        """Return the only option that is right for a message-passing model."""
        return "no_domain_decomposition"

    def coefficients(self, model: str, species: Sequence[int]) -> str:
        """Return the model and the elements."""
        return f"{model} {_symbols(species)}"

    @property
    def options(self) -> list[str]:
        """Command-line options of LAMMPS."""
        return [*_KOKKOS] if self.device == "cuda" else []


class Symmetrix(PairStyle):
    """MACE in C++ by symmetrix; CPUs and GPUs."""

    style = "symmetrix/mace"

    def conversion(self, model: str, species: Sequence[int]) -> list[str]:
        """Extract the model for the frame's elements."""
        extract = ["symmetrix_extract_mace", "--model", model, "--atomic-numbers"]
        return [
            *extract,
            *map(str, species),
            *("--output", self.converted(model, species)),
        ]

    def converted(self, model: str, species: Sequence[int]) -> str:
        """Name the JSON file, which has the atomic numbers in its name."""
        numbers = "-".join(map(str, species))
        return f"{model.removesuffix('.model')}-{numbers}.json"

    def arguments(self, model: str) -> str:  # noqa: ARG002
        """Return no command."""
        return ""

    def coefficients(self, model: str, species: Sequence[int]) -> str:
        """Return the model and the elements."""
        return f"{model} {_symbols(species)}"


class Metatomic(PairStyle):
    """Any metatomic model, as metatrain exports it."""

    style = "metatomic"

    def conversion(self, model: str, species: Sequence[int]) -> list[str]:  # noqa: ARG002
        """Return no command: the exported model is read as it is."""
        return []

    def converted(self, model: str, species: Sequence[int]) -> str:  # noqa: ARG002
        """Name the model itself."""
        return model

    def arguments(self, model: str) -> str:
        """Return the model and the device."""
        return f"{model} device {self.device}"

    def coefficients(self, model: str, species: Sequence[int]) -> str:  # noqa: ARG002
        """Return the atomic numbers, by which metatomic knows its types."""
        return " ".join(map(str, species))

    @property
    def options(self) -> list[str]:
        """None: torch uses the GPU in builds with Kokkos and without."""
        return []


PAIR_STYLES: dict[str, type[PairStyle]] = {
    "mliap": MLIAP,
    "mace": LibTorchMACE,
    "symmetrix": Symmetrix,
    "metatomic": Metatomic,
}


def _symbols(species: Sequence[int]) -> str:
    return " ".join(chemical_symbols[z] for z in species)
