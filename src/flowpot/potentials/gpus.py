"""The GPUs of a machine, and which of them each of several programs is shown."""

import os
from collections.abc import Sequence
from itertools import takewhile

from flowpot.potentials.device import resolve_device

_MIG = "MIG-"  # name of a part of an Nvidia GPU


def gpu_variables(device: str, n: int) -> list[dict[str, str]]:
    """
    Return the environment variable that shows a GPU to each of `n` programs.

    Programs that run side by side get the GPUs in turn. What ``CUDA_VISIBLE_DEVICES``
    (on AMD's GPUs ``HIP_VISIBLE_DEVICES``) hides from this process stays hidden.

    Parameters
    ----------
    device
        See `flowpot.potentials.load_potential`. Each program is to use ``cuda``, also
        where a number is given, as in ``cuda:1``: then all of them get that GPU.
    n
        Number of programs.

    Returns
    -------
    list of dict
        Variables of each program; none where there is nothing to choose.

    Raises
    ------
    ValueError
        If there is no GPU of that number.
    """
    kind, _, number = resolve_device(device).partition(":")
    if kind != "cuda":
        return [{}] * n
    import torch  # noqa: PLC0415 - optional

    variable = "CUDA_VISIBLE_DEVICES"
    shown = os.environ.get(variable)
    if torch.version.hip:
        variable = "HIP_VISIBLE_DEVICES"
        shown = os.environ.get(variable, shown)
    gpus = visible_gpus(shown, torch.cuda.device_count())
    return [{variable: gpu} for gpu in share_gpus(number, n, gpus)] or [{}] * n


def visible_gpus(shown: str | None, count: int) -> list[str]:
    """
    Name the GPUs that a process sees, in its order.

    Parameters
    ----------
    shown
        Value of the variable that restricts them, in which they have numbers or
        UUIDs; what follows an invalid one does not count. None: it is not set.
    count
        Number of GPUs that torch finds. Of several parts of GPUs (MIG) a process uses
        the first alone, so that torch finds one; the others are there all the same.

    Examples
    --------
    >>> visible_gpus(None, 2), visible_gpus("3,1", 2), visible_gpus("MIG-a,MIG-b", 1)
    (['0', '1'], ['3', '1'], ['MIG-a', 'MIG-b'])
    """
    if shown is None:
        return [str(gpu) for gpu in range(count)]
    names = [name.strip() for name in shown.split(",")]
    if names[0].startswith(_MIG):
        return list(takewhile(lambda name: name.startswith(_MIG), names))
    valid = takewhile(lambda name: name and not name.startswith("-"), names)
    return list(valid)[:count]


def share_gpus(number: str, n: int, gpus: Sequence[str]) -> list[str]:
    """
    Return the name of the GPU of each of `n` programs.

    Parameters
    ----------
    number
        Position of the GPU of all programs among those that are visible; "" for each
        in turn.
    n
        Number of programs.
    gpus
        Names of the visible GPUs.

    Returns
    -------
    list of str
        Empty where the programs need not be told: there is one GPU at most.

    Raises
    ------
    ValueError
        If there is no GPU of that number.

    Examples
    --------
    >>> share_gpus("", 3, ["2", "5"]), share_gpus("1", 2, ["2", "5"])
    (['2', '5', '2'], ['5', '5'])
    """
    if number:
        if int(number) >= len(gpus):
            raise ValueError(
                f"device is 'cuda:{number}', and there are {len(gpus)} GPUs here, "
                "counted from 0: give another, or 'cuda'"
            )
        return [gpus[int(number)]] * n
    if len(gpus) <= 1:
        return []
    return [gpus[i % len(gpus)] for i in range(n)]
