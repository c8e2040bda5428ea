"""Which library of linear algebra pw.x calls."""

import re
import shutil
import subprocess
from pathlib import Path

_LINKED = re.compile(r"^\s*libblas\.so\S* => (/\S+)", re.MULTILINE)
_OPTIMISED = re.compile(rb"openblas|ATL_|mkl_|bli_|flexiblas|armpl", re.IGNORECASE)
"""Names inside the libraries that stand in for the reference implementation."""
_TIMEOUT = 30.0  # s


def reference_blas(program: str) -> Path | None:
    """
    Return the file of the reference BLAS (Netlib's), if a program would load that.

    Debian and Ubuntu install it with Quantum ESPRESSO where no other BLAS is there. It
    makes no use of the cache: an SCF iteration of 64 atoms of silicon takes five times
    as long as with OpenBLAS, one of 4 atoms a seventh longer.

    Parameters
    ----------
    program
        Name or path of the program.

    Returns
    -------
    Path or None
        None where it loads another BLAS, or where that is not to be found out: a
        script, a program without shared libraries, a machine whose ``ldd`` is missing
        or does not answer.
    """
    path, ldd = shutil.which(program), shutil.which("ldd")
    if path is None or ldd is None:
        return None
    try:
        asked = subprocess.run(
            [ldd, path], capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
        linked = _LINKED.search(asked.stdout)
        if linked is None:
            return None
        library = Path(linked[1]).resolve()
        return None if _OPTIMISED.search(library.read_bytes()) else library
    except (OSError, subprocess.SubprocessError):
        return None
