"""
Whether an HDF5 file without a checksum can be read at all.

Where its structure is damaged, the HDF5 library may never return, or end the process:
such files, of earlier versions, are first read by a process that may be ended.
"""

import subprocess
import sys
from pathlib import Path

_SECONDS = 30.0
_BYTES_A_SECOND = 20_000_000
_PROGRAM = """
import sys, h5py
def read(name, item):
    if isinstance(item, h5py.Dataset):
        for rows in (range(0, len(item), 100_000) if item.shape else ()):
            item[rows:rows + 100_000]
with h5py.File(sys.argv[1], "r") as file:
    file.visititems(read)
"""


def check_readable(path: Path) -> None:
    """
    Read a file in a process of its own.

    Raises
    ------
    OSError
        Where that process ends by an error or a signal, or takes far too long.
    """
    limit = _SECONDS + path.stat().st_size / _BYTES_A_SECOND
    try:
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, str(path.absolute())],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"reading it does not end within {limit:.0f} s") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise OSError(last[0])
