"""LAMMPS's commands for the potential, for each engine."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

from ase.data import chemical_symbols

from flowpot.exploration.lammps.convertible import (
    UnsuitedError,
    check_converter,
    dtype_option,
)
from flowpot.exploration.lammps.dispersion import (
    Dispersion,
    momb_coefficients,
    momb_style,
)
from flowpot.exploration.lammps.script import FIX
from flowpot.potentials.extensions import extensions_beside

# A momb cutoff of 20 A overflows the default neighbour list.
_LONG_LISTS = "neigh_modify one 20000 page 400000"
_KOKKOS = ("-k", "on", "g", "1", "-sf", "kk")
_SYMMETRIX = {"num_interactions": 2, "max_ell": 3, "correlation": 3}
"""The only values of these options that symmetrix has; they are MACE's defaults."""
_PLAIN = "MACE"
_FIRST_BLOCKS = ("RealAgnosticInteractionBlock", "RealAgnosticDensityInteractionBlock")
_LATER_BLOCKS = (
    "RealAgnosticResidualInteractionBlock",
    "RealAgnosticDensityResidualInteractionBlock",
)
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
        return [*_KOKKOS, *_HALF_LISTS] if self.device == "cuda" else []

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


class MLIAP(PairStyle):
    """MACE through ML-IAP: LAMMPS with Kokkos and Python, on GPUs only."""

    style = "mliap"
    listed = "mliap/kk"  # without Kokkos, mliap knows nothing of Python
    devices = ("cuda",)  # what MACE's coupling works on

    def conversion(self, model: str, species: Sequence[int]) -> list[str]:  # noqa: ARG002
        """Return MACE's converter, to be run on the kind of GPU that LAMMPS uses."""
        convert = ["python", "-m", "mace.cli.create_lammps_model", model]
        return [*convert, "--format=mliap", *dtype_option(model)]

    def converted(self, model: str, species: Sequence[int]) -> str:  # noqa: ARG002
        """Name the file of the serialised Python object."""
        return f"{model}-mliap_lammps.pt"

    def arguments(self, model: str) -> str:
        """Return the model, and 0 for ghost atoms without neighbours."""
        return f"unified {model} 0"

    def coefficients(self, model: str, species: Sequence[int]) -> str:  # noqa: ARG002
        """Return the elements."""
        return _symbols(species)


class LibTorchMACE(PairStyle):
    """MACE's own fork of LAMMPS: one process, no domain decomposition."""

    style = "mace"

    def conversion(self, model: str, species: Sequence[int]) -> list[str]:  # noqa: ARG002
        """Return MACE's converter to TorchScript."""
        convert = ["python", "-m", "mace.cli.create_lammps_model", model]
        return [*convert, *dtype_option(model)]

    def converted(self, model: str, species: Sequence[int]) -> str:  # noqa: ARG002
        """Name the file of the TorchScript model."""
        return f"{model}-lammps.pt"

    def arguments(self, model: str) -> str:  # noqa: ARG002
        """Return the option without which message-passing models are wrong."""
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

    @classmethod
    def needed_options(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for what symmetrix's `extract_mace_data` does, by MACE's defaults."""
        needed: dict[str, Any] = {
            name: value
            for name, value in _SYMMETRIX.items()
            if options.get(name, value) != value
        }
        model = options.get("model", _PLAIN)
        if model not in (_PLAIN, "ScaleShiftMACE"):
            needed["model"] = _PLAIN
        first, later = (
            options.get(name, _LATER_BLOCKS[0])
            for name in ("interaction_first", "interaction")
        )
        # For its model "MACE", mace_run_train itself replaces other first blocks.
        if model != _PLAIN and first not in _FIRST_BLOCKS:
            needed["interaction_first"] = _FIRST_BLOCKS[0]
        if later not in _LATER_BLOCKS:
            needed["interaction"] = _LATER_BLOCKS[0]
        return needed

    def conversion(self, model: str, species: Sequence[int]) -> list[str]:
        """Return symmetrix's converter, for the elements of the frame."""
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
        """Return no arguments."""
        return ""

    def coefficients(self, model: str, species: Sequence[int]) -> str:
        """Return the model and the elements."""
        return f"{model} {_symbols(species)}"


class Metatomic(PairStyle):
    """Any metatomic model, as metatrain exports it."""

    style = "metatomic"
    backend = "metatomic"

    def conversion(self, model: str, species: Sequence[int]) -> list[str]:  # noqa: ARG002
        """Return no command: exported models need no conversion."""
        return []

    def converted(self, model: str, species: Sequence[int]) -> str:  # noqa: ARG002
        """Name the file of the model itself."""
        return model

    def arguments(self, model: str) -> str:
        """Return the model, the folder of its extensions and the device."""
        folder = extensions_beside(model)
        extensions = f" extensions {folder}" if folder else ""
        return f"{model}{extensions} device {self.device}"

    def coefficients(self, model: str, species: Sequence[int]) -> str:  # noqa: ARG002
        """Return the atomic numbers, by which metatomic knows its types."""
        return " ".join(map(str, species))

    @property
    def options(self) -> list[str]:
        """No options: torch uses the GPU in builds with Kokkos and without."""
        return []


PAIR_STYLES: dict[str, type[PairStyle]] = {
    "mliap": MLIAP,
    "mace": LibTorchMACE,
    "symmetrix": Symmetrix,
    "metatomic": Metatomic,
}


def has_needs(engine: str) -> bool:
    """Return whether an engine has only models of some hyperparameters."""
    return "needed_options" in vars(PAIR_STYLES.get(engine, object))


def check_convertible(
    engine: str, backend: str, options: Mapping[str, Any], foundation: Any = None
) -> None:
    """
    Raise an error if models cannot be converted for an engine.

    Parameters
    ----------
    engine
        Engine of the `LammpsMDMaker`.
    backend
        Backend of the training: ``mace`` or ``metatomic``.
    options
        See :meth:`PairStyle.needed_options`.
    foundation
        The model that the options are those of, where one is fine-tuned.

    Raises
    ------
    UnsuitedError
        If they cannot; the message names the hyperparameter, or the package that the
        conversion needs. That is checked where mace-torch is installed, since it may be
        on the workers alone.
    """
    if (style := PAIR_STYLES.get(engine)) is None:
        return  # Python evaluates the model
    if style.backend != backend:
        raise UnsuitedError(
            f"engine is {engine!r}, which has models of {style.backend}, and {backend} "
            "is what is trained: use the engine 'python', or train with the other"
        )
    needed = style.needed_options(options)
    if needed and foundation is not None:
        raise UnsuitedError(
            f"engine is {engine!r}, which cannot have models like foundation_model "
            f"{foundation!r}: choose one with {needed!r}, or train from scratch by "
            "MACETrainingMaker.convertible(), or use the engine 'python'"
        )
    if needed:
        raise UnsuitedError(
            f"engine is {engine!r}, which cannot have models of these hyperparameters:"
            f" train with hyperparameters={needed!r}, or with "
            "MACETrainingMaker.convertible(), or use the engine 'python'"
        )
    if find_spec("mace") is not None:
        check_converter(style.style)


def _symbols(species: Sequence[int]) -> str:
    return " ".join(chemical_symbols[z] for z in species)
