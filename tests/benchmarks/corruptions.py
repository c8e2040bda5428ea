"""What disks, networks and editors do to files: seven kinds of damage, by a seed."""

import numpy as np

KINDS = (
    "bit flip",
    "truncation",
    "deletion",
    "insertion",
    "zeroed block",
    "swapped blocks",
    "duplicated block",
)


def corrupted(content: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """Return content with one damage, which it differs by."""
    while True:
        damaged = _corrupted(bytearray(content), kind, rng)
        if damaged != content:
            return damaged


def _corrupted(content: bytearray, kind: str, rng: np.random.Generator) -> bytes:
    n = len(content)
    size = int(min(2 ** rng.uniform(0, 9), n // 4))
    start = int(rng.integers(0, n - size))
    block = content[start : start + size]
    if kind == "bit flip":
        content[start] ^= 1 << int(rng.integers(8))
    elif kind == "truncation":
        del content[start:]
    elif kind == "deletion":
        del content[start : start + size]
    elif kind == "insertion":
        content[start:start] = rng.bytes(size)
    elif kind == "zeroed block":
        content[start : start + size] = bytes(size)
    elif kind == "swapped blocks":
        other = (start + int(rng.integers(size, n - size))) % (n - size)
        there = content[other : other + size]
        content[other : other + size] = block
        content[start : start + size] = there
    else:
        content[start:start] = block
    return bytes(content)
