"""Which models a LAMMPS program can have built in."""

import re
import warnings
from collections.abc import Mapping
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_OLDEST = {"mliap": date(2025, 12, 15), "symmetrix/mace": date(2025, 9, 10)}
"""Releases of LAMMPS by pair style; ML-IAP's is that for non-linear models."""
_BACKENDS = dict.fromkeys(("mliap", "mace", "symmetrix"), "mace")
_BACKENDS["metatomic"] = "metatomic"
_NON_LINEAR = "NonLinear"
_FIRST_BLOCK = "RealAgnosticInteractionBlock"
_RESIDUAL = "RealAgnosticResidualInteractionBlock"
_L_MAX = 3


class UnsuitedError(ValueError):
    """A model, and a LAMMPS program that cannot have it or would get it wrong."""


def check_convertible(engine: str, backend: str, options: Mapping[str, Any]) -> None:
    """
    Refuse an engine that models of some hyperparameters cannot be converted for.

    Parameters
    ----------
    engine
        Of `LammpsMDMaker`.
    backend
        Of the training: ``mace`` or ``metatomic``.
    options
        mace_run_train's, with defaults filled in. Empty: not known.

    Raises
    ------
    UnsuitedError
        Naming the hyperparameter. symmetrix has spherical harmonics up to l = 3, and
        first blocks without a residual connection.
    """
    if (wanted := _BACKENDS.get(engine, backend)) != backend:
        raise UnsuitedError(
            f"engine is {engine!r}, which has models of {wanted}, and {backend} is "
            "what is trained: use the engine 'python', or train with the other"
        )
    if engine != "symmetrix" or not options:
        return
    wrong: dict[str, Any] = {}
    if options.get("max_ell", _L_MAX) != _L_MAX:
        wrong["max_ell"] = _L_MAX
    if "Residual" in options.get("interaction_first", _RESIDUAL):
        wrong["interaction_first"] = _FIRST_BLOCK
    if wrong:
        raise UnsuitedError(
            f"engine is 'symmetrix', which cannot have models of these hyperparameters:"
            f" train with hyperparameters={wrong!r}, or use the engine 'python'"
        )


def check_converter(style: str) -> None:
    """Refuse to convert for ML-IAP without the package that MACE's converter needs."""
    if style == "mliap" and find_spec("cuequivariance") is None:
        raise UnsuitedError(
            "engine is 'mliap', and cuequivariance is not installed, which MACE's "
            "converter needs: `pip install cuequivariance-torch`"
        )


def check_release(style: str, banner: str, model: Path) -> None:
    """
    Refuse a LAMMPS program whose release gives wrong forces.

    Parameters
    ----------
    style
        The pair style.
    banner
        What ``lmp -h`` prints.
    model
        MACE's model file. For ML-IAP only non-linear models need a later release.

    Raises
    ------
    UnsuitedError
        Naming both releases.
    """
    oldest, found = _OLDEST.get(style), release(banner)
    if oldest is None or found is None or found >= oldest:
        return
    if style == "mliap" and not is_non_linear(model):
        return
    raise UnsuitedError(
        f"LAMMPS is of {found:%d %b %Y}, and the pair style {style!r} with this model "
        f"needs {oldest:%d %b %Y} or later: set lammps_command to such a program"
    )


def needs_release(style: str) -> bool:
    """Say whether a pair style is right from some release on."""
    return style in _OLDEST


def release(banner: str) -> date | None:
    """
    Find the release of LAMMPS in what ``lmp -h`` prints.

    Examples
    --------
    >>> release("Massively Parallel Simulator - 22 Jul 2025 - Update 4")
    datetime.date(2025, 7, 22)
    """
    found = re.search(r"Simulator - (\d{1,2} [A-Z][a-z]{2} \d{4})", banner)
    if found is None:
        return None
    return datetime.strptime(found[1], "%d %b %Y").replace(tzinfo=UTC).date()


def is_non_linear(model: Path) -> bool:
    """Say whether a MACE model has non-linear interaction blocks."""
    blocks = _load(model).interactions
    return any(_NON_LINEAR in type(block).__name__ for block in blocks)


def dtype_option(model: str) -> list[str]:
    """Return the converter's option for the precision that a model was trained in."""
    if not Path(model).is_file():
        return []
    dtype = next(_load(Path(model)).parameters()).dtype
    return [f"--dtype={str(dtype).removeprefix('torch.')}"]


def _load(model: Path) -> Any:
    import torch  # noqa: PLC0415, takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(model, map_location="cpu", weights_only=False)
