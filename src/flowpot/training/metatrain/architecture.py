"""Options, precisions and devices of metatrain's architectures."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flowpot.potentials.device import resolve_device
from flowpot.validation import positive, whole

_PARTS = ("model", "training")
WRAPPED = "model_checkpoint"
"""Trainer's key for the model that an architecture extends, as llpr does."""
_RANGES: dict[str, Callable[..., None]] = {
    **dict.fromkeys(("num_epochs", "batch_size"), partial(whole, 1)),
    **dict.fromkeys(("cutoff", "learning_rate"), positive),
}
"""Checks of options that several architectures have under the same name."""
_ENSEMBLE = {"num_ensemble_members": {"energy": 32}}


def default_options(name: str) -> dict[str, dict[str, Any]]:
    """Return the default ``model`` and ``training`` of an architecture."""
    from metatrain.utils.architectures import (  # noqa: PLC0415, takes seconds
        get_default_hypers,
    )

    return get_default_hypers(name, base_precision=32)


def model_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the model: llpr has 32 energy members by default."""
    ensemble = _ENSEMBLE if WRAPPED in default_options(name)["training"] else {}
    return {**ensemble, **options}


def precision(name: str) -> int:
    """Return the bits of a number: 32 where the architecture supports them."""
    import torch  # noqa: PLC0415, optional

    known = _model(name).__supported_dtypes__
    return 32 if torch.float32 in known else 64


def supported_device(name: str, device: str) -> str:
    """
    Return the device that an architecture is trained on.

    Parameters
    ----------
    name
        The architecture.
    device
        See `flowpot.potentials.load_potential`. For ``auto``, where the architecture
        does not support the machine's device, its own first one.

    Raises
    ------
    ValueError
        If the architecture does not support the named device.
    """
    resolved, known = resolve_device(device), _model(name).__supported_devices__
    if resolved.split(":")[0] in known:
        return resolved
    if device == "auto":
        return str(known[0])
    raise ValueError(
        f"device is {device!r}, and metatrain trains {name!r} on "
        f"{' or '.join(map(repr, known))} alone: set device to 'auto'"
    )


def check_numbers(options: Mapping[str, Any], place: str = "hyperparameters") -> None:
    """
    Refuse numbers that no training can use, at every depth.

    metatrain's own schema, see :func:`check_options`, has types and no ranges.

    Raises
    ------
    ValueError
        Naming the option, its value and the remedy.
    """
    for name, value in options.items():
        inner = f"{place}.{name}"
        if isinstance(value, Mapping):
            check_numbers(value, inner)
        elif isinstance(value, float) and math.isnan(value):
            raise ValueError(f"{inner} is nan: give a number")
        elif name in _RANGES and isinstance(value, int | float):
            _RANGES[name](**{inner: value})


def check_options(name: str, hyperparameters: Mapping[str, Any]) -> None:
    """
    Refuse options that the architecture lacks, by metatrain's own schema.

    Raises
    ------
    ValueError
        Naming the option.
    """
    from metatrain.utils.architectures import (  # noqa: PLC0415, takes seconds
        check_architecture_options,
    )
    from metatrain.utils.pydantic import MetatrainValidationError  # noqa: PLC0415

    _model(name)  # says what to install where something is missing
    options = default_options(name)
    for part in _PARTS:
        options[part] = _merged(options[part], hyperparameters.get(part, {}))
    try:
        check_architecture_options(name, options)
    except MetatrainValidationError as error:
        raise ValueError(f"hyperparameters of {name!r}: {error}") from error


def _merged(default: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Replace defaults by a user's options at every depth, as metatrain does."""
    merged = dict(default)
    for key, value in options.items():
        nested = isinstance(value, Mapping) and isinstance(default.get(key), Mapping)
        merged[key] = _merged(default[key], value) if nested else value
    return merged


def _model(name: str) -> Any:
    from metatrain.utils.architectures import (  # noqa: PLC0415, takes seconds
        import_architecture,
    )

    return import_architecture(name).__model__
