"""Starting from the density and wavefunctions of an earlier calculation."""

import re
import shutil
from pathlib import Path

_ATOMS = re.compile(r'<atomic_structure nat="(\d+)"')


def take_start(
    prev_dir: Path | str, folder: Path, *, prefix: str, n_atoms: int
) -> tuple[dict[str, str], str | None]:
    """
    Copy what an earlier pw.x left, for the next one to start from.

    Parameters
    ----------
    prev_dir
        Folder of the earlier calculation, with or without ``host:`` before it.
    folder
        Of the next one.
    prefix
        The next one's prefix.
    n_atoms
        Atoms of the next one's frame. Cell, positions, cutoffs and functional may
        differ from the earlier one's: pw.x reads the density by its reciprocal
        vectors and renormalises it.

    Returns
    -------
    electrons
        Keys of the namelist ELECTRONS; none where there is nothing to start from.
    warning
        Why there is nothing; None where there is.
    """
    text = str(prev_dir)
    source = Path(re.sub(r"^[\w.-]+:(?=/)", "", text))
    density = next(iter(sorted(source.glob("*.save/charge-density.*"))), None)
    if density is None:
        return {}, (
            f"prev_dir {text} holds no charge density on this machine: started from "
            "superposed atoms (keep_scratch=True keeps the density of a calculation)"
        )
    schema = density.with_name("data-file-schema.xml")
    found = _ATOMS.search(schema.read_text()) if schema.is_file() else None
    if found is None or int(found.group(1)) != n_atoms:
        count = found.group(1) if found else "an unknown number of"
        return {}, (
            f"prev_dir {text} is of a frame of {count} atoms, this one has {n_atoms}: "
            "started from superposed atoms"
        )
    shutil.copytree(density.parent, folder / f"{prefix}.save", dirs_exist_ok=True)
    if any(density.parent.glob("wfc*")):
        return {"startingpot": "file", "startingwfc": "file"}, None
    return {"startingpot": "file"}, None
