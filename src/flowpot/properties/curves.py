"""Arrays by name, as an Artifact holds them."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowpot.dataset import Artifact


def to_artifact(arrays: Mapping[str, NDArray[Any]], name: str) -> Artifact:
    """Write arrays to a compressed npz file, whose name is given."""
    buffer = io.BytesIO()
    kept: dict[str, Any] = dict(arrays)
    np.savez_compressed(buffer, **kept)
    return Artifact.from_bytes(name, buffer.getvalue())


def read_arrays(source: Artifact | None) -> dict[str, NDArray[Any]]:
    """
    Read the arrays that an Artifact holds; none for None.

    Examples
    --------
    >>> kept = to_artifact({"Si Fd-3m/eos/volumes": np.ones(3)}, "curves.npz")
    >>> list(read_arrays(kept))
    ['Si Fd-3m/eos/volumes']
    """
    if source is None:
        return {}
    content = io.BytesIO(source.read_bytes())
    with np.load(content, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
