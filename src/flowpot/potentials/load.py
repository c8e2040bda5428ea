"""From a document, an artifact or a file to a potential."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowpot.dataset import Artifact
from flowpot.potentials.base import Potential
from flowpot.potentials.calculator import PotentialCalculator
from flowpot.potentials.model_files import ModelError, check_archive

_BACKENDS = {".model": "mace", ".pt": "metatomic"}


def load_potential(source: Any, device: str = "auto") -> Potential:
    """
    Load a trained potential.

    Parameters
    ----------
    source
        A PotentialDoc, its ``model`` (an Artifact), either as a dict, or the path of a
        model file: MACE's ``.model`` or metatomic's ``.pt``.
    device
        ``cpu``, ``cuda``, ``cuda:1``...; ``auto`` is the setting ``DEVICE``, and where
        that is ``auto`` too, a GPU where there is one.

    Raises
    ------
    ValueError
        Where the file's name does not say which package made it.
    ModelError
        Where the file is damaged, or of another kind than its name says.

    Examples
    --------
    >>> load_potential("silicon.model").cutoff  # doctest: +SKIP
    4.5
    """
    name, content = model_file(source)
    kind: type[Potential]
    backend = _BACKENDS.get(Path(name).suffix)
    if backend == "mace":
        from flowpot.potentials.mace import MACEPotential  # noqa: PLC0415, optional

        kind = MACEPotential
    elif backend == "metatomic":
        from flowpot.potentials.metatomic import (  # noqa: PLC0415, optional
            MetatomicPotential,
        )

        kind = MetatomicPotential
    else:
        raise ValueError(
            f"cannot tell which package made the model {name!r}: give a file that ends "
            f"in {' or '.join(_BACKENDS)}"
        )
    import torch  # noqa: PLC0415, optional

    from flowpot.potentials.device import resolve_device  # noqa: PLC0415, needs torch

    chosen = resolve_device(device)
    try:
        return kind.from_bytes(content, chosen)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # unpickling runs what the file says
        raise ModelError(name, backend, error) from error


def calculator(
    model: Any, device: str = "auto", skin: float = 0.0
) -> PotentialCalculator:
    """
    Return the ASE calculator of a trained potential.

    It is what atomate2's force-field flows call: a PotentialDoc's ``force_field_name``
    names this function, and its ``calculator_kwargs`` are the arguments.

    Parameters
    ----------
    model, device
        As `load_potential` takes them.
    skin
        In A, for molecular dynamics: see `Potential.calculator`.
    """
    return load_potential(model, device).calculator(skin)


def model_file(source: Any) -> tuple[str, bytes]:
    """Find the name and the content of the model file that `load_potential` loads."""
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"there is no model file {str(path)!r}")
        content = path.read_bytes()
        check_archive(str(path), content)
        return path.name, content
    if isinstance(source, Mapping):
        source = source.get("model") or source
    model = getattr(source, "model", source)
    if isinstance(model, Mapping):
        model = Artifact.from_document(model)
    if not isinstance(model, Artifact):
        raise TypeError(
            f"no model in a {type(source).__name__}: give a PotentialDoc, an Artifact "
            "or the path of a model file"
        )
    return model.name, model.read_bytes()
