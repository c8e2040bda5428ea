"""Frames as training programs are given them: fully periodic."""

import numpy as np

from flowpot.dataset import Dataset
from flowpot.potentials.geometry import periodic_cell, volume_ratio


def periodic_dataset(dataset: Dataset, cutoff: float) -> Dataset:
    """
    Put frames into fully periodic cells, with the stress of those cells.

    Parameters
    ----------
    dataset
        The frames.
    cutoff
        The potential's cutoff, in A.

    Returns
    -------
    Dataset
        Of the metadata only what MACE reads: ``config_type`` and ``config_*``.
    """
    cells = np.array(dataset.cell)
    stress = np.array(dataset.stress)
    for frame in np.flatnonzero(~dataset.pbc.all(axis=1)):
        atoms = slice(dataset.offsets[frame], dataset.offsets[frame + 1])
        cell, pbc = dataset.cell[frame], dataset.pbc[frame]
        cells[frame] = periodic_cell(dataset.positions[atoms], cell, pbc, cutoff)
        stress[frame] /= volume_ratio(cells[frame], cell, pbc)
    return Dataset(
        numbers=dataset.numbers,
        positions=dataset.positions,
        cell=cells,
        pbc=np.ones_like(dataset.pbc),
        offsets=dataset.offsets,
        energy=dataset.energy,
        forces=dataset.forces,
        stress=stress,
        info={k: v for k, v in dataset.info.items() if k.startswith("config_")},
    )
