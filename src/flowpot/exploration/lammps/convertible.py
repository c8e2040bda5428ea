"""Which models a LAMMPS program can evaluate by itself, without Python."""

import re
import warnings
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_OLDEST = {"mliap": date(2025, 12, 15), "symmetrix/mace": date(2025, 9, 10)}
"""Oldest release of LAMMPS by pair style; for ML-IAP, with non-linear models."""
_NON_LINEAR = "NonLinear"


class UnsuitedError(ValueError):
    """A model that a LAMMPS program cannot evaluate, or would evaluate wrongly."""


def check_converter(style: str) -> None:
    """Raise UnsuitedError if a package is missing that MACE's converter needs."""
    if style == "mliap" and find_spec("cuequivariance") is None:
        raise UnsuitedError(
            "engine is 'mliap', and cuequivariance is not installed, which MACE's "
            "converter needs: `pip install cuequivariance-torch`"
        )


def check_release(style: str, banner: str, model: Path) -> None:
    """
    Raise an error if the release of a LAMMPS program gives wrong forces.

    Parameters
    ----------
    style
        Name of the pair style.
    banner
        Output of ``lmp -h``.
    model
        File of MACE's model. For ML-IAP only non-linear models need a later release.

    Raises
    ------
    UnsuitedError
        If the release is too old; the message names it and the oldest possible one.
    """
    oldest, this = _OLDEST.get(style), release(banner)
    if oldest is None or this is None or this >= oldest:
        return
    if style == "mliap" and not is_non_linear(model):
        return
    raise UnsuitedError(
        f"LAMMPS is of {this:%d %b %Y}, and the pair style {style!r} with this model "
        f"needs {oldest:%d %b %Y} or later: set lammps_command to such a program"
    )


def needs_release(style: str) -> bool:
    """Return whether a pair style gives right forces only from some release on."""
    return style in _OLDEST


def release(banner: str) -> date | None:
    """
    Return the release of LAMMPS that ``lmp -h`` prints, None where it prints none.

    Examples
    --------
    >>> release("Massively Parallel Simulator - 22 Jul 2025 - Update 4")
    datetime.date(2025, 7, 22)
    """
    match = re.search(r"Simulator - (\d{1,2} [A-Z][a-z]{2} \d{4})", banner)
    if match is None:
        return None
    return datetime.strptime(match[1], "%d %b %Y").replace(tzinfo=UTC).date()


def is_non_linear(model: Path) -> bool:
    """Return whether a MACE model has non-linear interaction blocks."""
    blocks = _load(model).interactions
    return any(_NON_LINEAR in type(block).__name__ for block in blocks)


def dtype_option(model: str) -> list[str]:
    """Return the converter's option for the precision of a model; [] if no file."""
    if not Path(model).is_file():
        return []
    dtype = next(_load(Path(model)).parameters()).dtype
    return [f"--dtype={str(dtype).removeprefix('torch.')}"]


def _load(model: Path) -> Any:
    import torch  # noqa: PLC0415 - takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(model, map_location="cpu", weights_only=False)
