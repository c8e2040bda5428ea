"""What is written of a frame beside its label, for databases to be asked about."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from ase import Atoms

from flowpot.dataset import Dataset

_SCALARS = (str, bool, int, float)


def frame_record(atoms: Atoms, fingerprint: str) -> dict[str, Any]:
    """
    Describe a frame in a few searchable words and numbers.

    Parameters
    ----------
    atoms
        The frame; its ``info`` holds the metadata columns that it has values of.
    fingerprint
        Its content hash.

    Returns
    -------
    dict
        ``fingerprint``, ``formula`` (Hill's order, all atoms), ``n_atoms``, and every
        column with a value: ``config_type``, ``parent``, ``iteration``,
        ``temperature`` (K), ``pressure`` (kbar), ``trajectory``, ``md_step`` ...

    Examples
    --------
    >>> from ase.build import bulk
    >>> frame_record(bulk("Si"), "5e0f")
    {'fingerprint': '5e0f', 'formula': 'Si2', 'n_atoms': 2}
    """
    columns = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in atoms.info.items()
    }
    return {
        "fingerprint": fingerprint,
        "formula": atoms.get_chemical_formula(),
        "n_atoms": len(atoms),
        **{k: v for k, v in columns.items() if isinstance(v, _SCALARS)},
    }


def frame_records(frames: Dataset, indices: Iterable[int]) -> list[dict[str, Any]]:
    """
    Describe the frames of a label job, for its metadata.

    ``{"metadata.frames.config_type": "md"}`` then finds it, whoever's engine it runs.
    """
    return [frame_record(frames[i], str(frames.fingerprints[i])) for i in indices]
