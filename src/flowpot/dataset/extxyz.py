"""extxyz through ASE, until the fast form replaces it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ase.io

from flowpot.dataset import checks, conversion
from flowpot.dataset.labels import MACE_KEYS, LabelKeys


def stream(
    path: Path, frames: int | None, keys: LabelKeys | None
) -> Iterator[dict[str, Any]]:
    read = ase.io.read(path, ":", format="extxyz")
    yield checks.checked(conversion.from_atoms(read, keys=keys or MACE_KEYS), str(path))


def write(path: Path, fields: Mapping[str, Any], keys: LabelKeys) -> None:
    frames = []
    for atoms in conversion.iterate_atoms(fields):
        if atoms.calc is not None:
            results = atoms.calc.results
            atoms.calc = None
            if "energy" in results:
                atoms.info[keys.energy] = results["energy"]
            if "forces" in results:
                atoms.arrays[keys.forces] = results["forces"]
            if "stress" in results:
                atoms.info[keys.stress] = conversion.voigt_6_to_full_3x3_stress(
                    results["stress"]
                ).ravel()
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")
