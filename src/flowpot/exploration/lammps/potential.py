"""Pair styles by which builds of LAMMPS evaluate models, for each engine."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from ase.data import chemical_symbols

from flowpot.exploration.lammps.convertible import (
    UnsuitedError,
    check_converter,
    dtype_option,
)
from flowpot.exploration.lammps.pair_style import KOKKOS, PairStyle
from flowpot.potentials.extensions import extensions_beside

_SYMMETRIX = {"num_interactions": 2, "max_ell": 3, "correlation": 3}
"""The only values of these options that symmetrix has; they are MACE's defaults."""
_PLAIN = "MACE"
_FIRST_BLOCKS = ("RealAgnosticInteractionBlock", "RealAgnosticDensityInteractionBlock")
_LATER_BLOCKS = (
    "RealAgnosticResidualInteractionBlock",
    "RealAgnosticDensityResidualInteractionBlock",
)


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
        return [*KOKKOS] if self.device == "cuda" else []


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
