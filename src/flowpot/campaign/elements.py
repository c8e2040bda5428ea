"""Which elements the settings of a campaign are meant for."""

import numpy as np
from ase.data import chemical_symbols

from flowpot.dataset import Dataset


def check_meant(frames: Dataset, elements: list[str]) -> None:
    """
    Refuse frames of elements that a campaign's settings are not meant for.

    Raises
    ------
    ValueError
        Naming the elements and what to set.
    """
    symbols = {chemical_symbols[z] for z in np.unique(frames.numbers)}
    others = sorted(symbols.difference(elements))
    if others:
        raise ValueError(
            f"elements is {elements}, which the settings are meant for, and the "
            f"structures have {', '.join(others)}: take another preset, such as "
            "'smoke', or set elements to those of your structures (or None) after a "
            "look at exploration.md_maker.dispersion, n_steps and the temperatures"
        )
