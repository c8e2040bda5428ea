"""Read the files of other programs: CIF, POSCAR, and all that ASE reads."""

import warnings
from pathlib import Path
from typing import Any

from ase import Atoms
from pymatgen.core import Structure

from flowpot.dataset import checks
from flowpot.dataset.arrays import Columns
from flowpot.dataset.geometry.vacuum import VacuumWarning, vacuum_note
from flowpot.dataset.io import ase as ase_frames
from flowpot.dataset.io import pymatgen as pymatgen_frames
from flowpot.dataset.labels import MACE_KEYS, LabelKeys
from flowpot.dataset.where import Where

_FULL = 0.99
"""Below this occupancy a site is occupied in part; refined occupancies are 0.999..."""
_CRYSTALLOGRAPHY = ("spacegroup", "unit_cell", "occupancy")
"""Metadata of CIF files that frames do not keep."""


def read(
    path: Path,
    *,
    labels: bool = True,
    keys: LabelKeys | None = None,
    pbc: tuple[bool, bool, bool] | None = None,
) -> dict[str, Any]:
    """
    Read a file of structures, with the labels in it.

    Files that ASE does not know are read by pymatgen. Most of these formats call every
    axis periodic: a warning names frames with vacuum along such an axis, unless `pbc`
    says which axes are periodic.

    Parameters
    ----------
    path
        The file.
    labels
        Whether to read labels.
    keys
        Names of the labels; None: MACE's.
    pbc
        Whether each axis is periodic; None leaves it to the file.

    Returns
    -------
    dict
        The columns of a Dataset.

    Raises
    ------
    ValueError
        Where neither ASE nor pymatgen reads the file, or a site is occupied in part.
    """
    where = Where(str(path))
    frames = _frames(path)
    if not frames:
        raise where.error("it has no frames: write it again")
    for atoms in frames if pbc is not None else ():
        atoms.pbc = pbc
    columns = ase_frames.from_atoms(frames, labels=labels, keys=keys or MACE_KEYS)
    if note := vacuum_note(frames):
        warnings.warn(f"{path}: {note}", VacuumWarning, stacklevel=2)
    return checks.checked(columns, where)


def _frames(path: Path) -> list[Atoms]:
    """Read a file by ASE, or else by pymatgen."""
    import ase.io  # noqa: PLC0415 - slow
    from ase.io.formats import UnknownFileTypeError  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            # ASE warns of disorder, which is refused below, and of a missing symmetry.
            warnings.simplefilter("ignore")
            frames: list[Atoms] = list(ase.io.read(path, index=":"))
    except UnknownFileTypeError:
        return ase_frames.to_atoms(Columns(**_by_pymatgen(path)))
    except Exception as error:  # each of ASE's hundred formats has its own
        raise ValueError(
            f"{path}: ASE cannot read it ({type(error).__name__}: {error}): see that "
            "its name and its content are of one format, and that it is whole"
        ) from error
    for frame, atoms in enumerate(frames):
        _check_occupancy(atoms, Where(str(path)), frame)
        for name in _CRYSTALLOGRAPHY:
            atoms.info.pop(name, None)
    return frames


def _by_pymatgen(path: Path) -> dict[str, Any]:
    try:
        structure = Structure.from_file(path)
    except Exception as error:  # each of pymatgen's formats has its own
        raise ValueError(
            f"{path}: neither flowpot nor ASE nor pymatgen knows what it is "
            f"({error}): give extxyz, HDF5, a DeePMD folder, CIF, POSCAR or another "
            "file of structures that ASE reads"
        ) from error
    return checks.checked(
        pymatgen_frames.from_structures([structure]), Where(str(path))
    )


def _check_occupancy(atoms: Atoms, where: Where, frame: int) -> None:
    """Refuse partly occupied sites, which ASE fills with their first element."""
    for site, shares in atoms.info.get("occupancy", {}).items():
        if len(shares) > 1 or sum(shares.values()) < _FULL:
            words = ", ".join(f"{share:g} {name}" for name, share in shares.items())
            raise where.frame(
                frame,
                f"site {site} is occupied in part ({words}): order it first, for "
                "example by pymatgen's OrderDisorderedStructureTransformation, or "
                "make an ordered cell and let augmentation substitute atoms",
            )
