"""Which device a model runs on."""

import torch

from flowpot.settings import get_settings


def resolve_device(device: str = "auto") -> str:
    """
    Say which torch device is meant.

    Parameters
    ----------
    device
        A torch device, or ``auto``: the setting ``DEVICE``, and where that is
        ``auto`` too, ``cuda`` where there is one, else ``cpu``.

    Raises
    ------
    ValueError
        Where a GPU is asked for and torch finds none.
    """
    if device == "auto":
        device = get_settings().DEVICE
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(
            f"device is {device!r}, but torch finds no GPU here: set it to 'cpu' or "
            "'auto', or install a torch built for this machine's GPU"
        )
    return device
