"""
Load trained potentials, by the backends that flowpot and other packages have.

A package adds a backend, a subclass of `Potential`, by an entry point::

    [project.entry-points."flowpot.potentials"]
    nequip = "my_package.potential:NequIPPotential"
"""

from importlib import import_module
from pathlib import Path
from typing import Any, cast

from flowpot.documents import field_of
from flowpot.plugins import registered
from flowpot.potentials.base import Potential, PotentialCalculator
from flowpot.potentials.device import resolve_device
from flowpot.potentials.extensions import FOLDER, extensions_of
from flowpot.potentials.model_files import ModelError, model_file

GROUP = "flowpot.potentials"
"""Group of the entry points."""
_OWN = {"mace": ("MACEPotential", ".model"), "metatomic": ("MetatomicPotential", ".pt")}
"""Classes and suffixes of flowpot's backends, whose packages are optional."""


def load_potential(source: Any, device: str = "auto") -> Potential:
    """
    Load a trained potential.

    Parameters
    ----------
    source
        A PotentialDoc, its ``model`` (an Artifact), either as a dict, or the path of a
        model file. A document names its backend; a file alone is recognised by its
        suffix: ``.model`` is MACE's, ``.pt`` metatomic's.
    device
        ``cpu``, ``cuda``, ``cuda:1``...; ``auto`` is the setting ``DEVICE``. If that is
        ``auto`` too, a GPU where there is one.

    Raises
    ------
    ValueError
        If no backend reads the model.
    ModelError
        If the file is damaged, or of another backend.

    Examples
    --------
    >>> load_potential("silicon.model").cutoff  # doctest: +SKIP
    4.5
    """
    name, content = model_file(source)
    backend = backend_class(name, field_of(source, "backend"))
    import torch  # noqa: PLC0415, optional

    chosen = resolve_device(device)
    try:
        if backend.backend == "metatomic":
            with extensions_of(source) as folder:
                if folder is not None:
                    _metatomic().load_extensions(content, folder)
        return backend.from_bytes(content, chosen)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # unpickling runs the code in the file
        raise ModelError(name, backend.backend, error) from error


def _metatomic() -> Any:
    return import_module("flowpot.potentials.metatomic")  # optional


def backend_class(file: str, backend: str | None = None) -> type[Potential]:
    """
    Return the class that reads a model.

    Parameters
    ----------
    file
        Name of the model file.
    backend
        `PotentialDoc.backend`. None: by the suffix of the file.

    Raises
    ------
    ValueError
        If there is none.
    """
    suffix = Path(file).suffix
    for name, (class_name, known) in _OWN.items():
        if name == backend or (backend is None and suffix == known):
            module = import_module(f"flowpot.potentials.{name}")
            return cast("type[Potential]", getattr(module, class_name))
    others: list[type[Potential]] = [*registered(GROUP, {}, Potential).values()]
    for other in others:
        if other.backend == backend or (backend is None and suffix in other.suffixes):
            return other
    if backend is not None:
        backends = sorted({*_OWN, *(other.backend for other in others)})
        raise ValueError(
            f"the model {file!r} is of the backend {backend!r}, and installed are "
            f"{', '.join(backends)}: install the package that has it"
        )
    suffixes = [known for _, known in _OWN.values()]
    suffixes += [known for other in others for known in other.suffixes]
    raise ValueError(
        f"cannot tell which package made the model {file!r}: give a file that ends "
        f"in {' or '.join(suffixes)}"
    )


def calculator(
    model: Any, device: str = "auto", skin: float = 0.0, extensions: Any = None
) -> PotentialCalculator:
    """
    Return the ASE calculator of a trained potential.

    atomate2's force-field flows call it: a PotentialDoc's ``force_field_name`` names
    this function, and its ``calculator_kwargs`` are the arguments.

    Parameters
    ----------
    model, device
        As in `load_potential`.
    skin
        Skin of a Verlet list (A), for molecular dynamics: see `Potential.calculator`.
    extensions
        ``PotentialDoc.extensions``, where the model is an Artifact.
    """
    source = model if extensions is None else {"model": model, FOLDER: extensions}
    return load_potential(source, device).calculator(skin)
