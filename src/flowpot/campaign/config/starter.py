"""A commented campaign file, to begin with, for structures that are given."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from flowpot.dataset import Dataset
from flowpot.labelling.espresso.pseudos import get_family, install_command

_FAMILIES = ("sssp-1.3-pbe-precision", "sssp-1.3-pbe-efficiency", "debian-pbe")
_LARGE = 32  # atoms from which on a structure is not repeated
_MIN_LENGTH, _MAX_ATOMS = 8.0, 64  # A: beyond the cutoff of the model; atoms of a cell
_FRAMES = 60  # distorted cells, of all structures together
_LABELS = 600
_USUAL = "campaign"  # stem of a file that is not called after anything

TEMPLATE = """\
# A campaign for {formulas}.
#
#     flowpot run {file} --dry-run    what the first iteration would do, and cost
#     flowpot run {file}              run it here; stopped, it goes on
#     flowpot run {file} --submit --worker NAME      hand it to jobflow-remote
#
# Keys are the fields of the Makers; what is not here keeps its default, and
# `flowpot run --schema` lists them all. Sizes are a start: read them, change them.
# For a first try, of minutes: keep name, structures and labelling, and write
# `preset: smoke` in the place of the rest.
name: {name}
structures:                         # relative to this file
{structures}

augmentation:
{supercell}
  distortion:
    n_frames: {n_frames:<16d}      # of each structure
    fraction: 0.2                   # displacements, in nearest-neighbour distances
    strain: [-0.1, 0.2]             # of all lengths
    vacancy_fraction: 0.2           # of the frames lose atoms
{surfaces}

labelling:
  static_maker:
    maker: EspressoStaticMaker      # or atomate2's, or your own: tutorials 2 and 6
    protocol: balanced              # stringent | balanced | fast: k-points, smearing
    pseudo_family: {family}
    # kspacing: 0.25                # 1/A; else the protocol's. Converge it first:
    #                               # errors of labels cannot be learned away
  # batch_size: 2                   # frames a job, and
  # parallel: 2                     # how many of them at a time: for a laptop

training:
  size: 4                           # members; 1 is cheaper, by feature distance alone
  trainer:
    maker: MACETrainingMaker
    hyperparameters:                # mace_run_train's own names
      r_max: 5.0                    # A
      hidden_irreps: 64x0e + 64x1o
      batch_size: 5
      max_num_epochs: 200

exploration:
  n_starts: 20
  temperatures: [300, 1000]         # K: where the potential will be used, and beyond
  pressures: [0, 20]                # kbar
  md_maker:
    maker: LammpsMDMaker
    n_steps: 5000
    timestep: {timestep:<22}# fs
    sample_interval: 100

# Errors that you accept: eV/atom, eV/A, eV/A^3. Not under three times the error of
# your labels. A property that is left out takes no part in the decision.
tolerance: {{energy: 0.003, forces: 0.1, stress: 0.003}}
max_iterations: 8
max_labels: {max_labels:<24d}# the budget, in calculations
seed: 0
"""


@dataclass(frozen=True)
class Starter:
    """
    What a campaign file for some structures begins with.

    Attributes
    ----------
    text
        The file.
    notes
        What its user has to see to.
    """

    text: str
    notes: tuple[str, ...] = ()


def starter(files: Sequence[Path], target: Path) -> Starter:
    """
    Write a campaign for structures, with sizes that fit them.

    Parameters
    ----------
    files
        Structures, in any format that `Dataset.read` knows.
    target
        File that the text is meant for: paths in it are relative to its folder.

    Raises
    ------
    ValueError
        If there is no structure in the files.
    """
    frames = Dataset.concatenate([Dataset.read(file) for file in files])
    if not len(frames):
        raise ValueError(f"{', '.join(map(str, files))}: there is no structure in it")
    atoms = frames.to_atoms()
    elements = sorted({symbol for each in atoms for symbol in each.symbols})
    family, notes = _family(elements)
    formulas = ", ".join(dict.fromkeys(each.get_chemical_formula() for each in atoms))
    folder = target.absolute().parent
    # Kinds of frames that most campaigns do not need at first are left out.
    unneeded = ["  clusters: null                    # without this line, some"]
    if frames.pbc.all(axis=1).any():
        unneeded += ["  slabs: null                       # the same: surfaces"]
    if len(elements) > 1:
        unneeded += [
            "  # substitution: null              # else some swap unlike atoms"
        ]
    text = TEMPLATE.format(
        formulas=formulas,
        file=target.name,
        name=_scalar(_name(target, formulas)),
        structures="\n".join(
            f"  - {_scalar(os.path.relpath(file.absolute(), folder))}" for file in files
        ),
        supercell=_supercell(frames),
        n_frames=max(10, round(_FRAMES / len(frames))),
        surfaces="\n".join(unneeded),
        family=family,
        timestep=0.5 if "H" in elements else 1.0,
        max_labels=_LABELS,
    )
    return Starter(text, tuple(notes))


def _name(target: Path, formulas: str) -> str:
    """Name a campaign after its file, or after its structures: people ask by it."""
    return formulas if target.stem == _USUAL else target.stem.replace("_", " ")


def _scalar(text: str) -> str:
    """Write a text as YAML: quoted where it would be read as something else."""
    return yaml.safe_dump(text, allow_unicode=True, width=10_000).splitlines()[0]


def _family(elements: Sequence[str]) -> tuple[str, list[str]]:
    """Choose a family of PBE whose files are here, the best one first."""
    for name in _FAMILIES:
        with suppress(ValueError, FileNotFoundError):  # lacks an element, or its file
            get_family(name).locate(elements)
            return name, []
    note = (
        f"no family of pseudopotentials with {', '.join(elements)} is here: "
        f"`{install_command(_FAMILIES[0])}` fetches one; labels may also come "
        "from another code (`static_maker`)"
    )
    return _FAMILIES[0], [note]


def _supercell(frames: Dataset) -> str:
    """Say how far structures are repeated, or that they are not."""
    largest = int(frames.n_atoms.max())
    if largest >= _LARGE or not frames.pbc.any():
        return f"  supercell: null                   # {largest} atoms: as they are"
    lengths = np.linalg.norm(frames.cell, axis=2)[frames.pbc]
    return (
        "  supercell:                        # the structures are repeated to\n"
        f"    min_length: {_MIN_LENGTH:<20}# A (now {lengths.min():.1f}); labels cost\n"
        f"    max_atoms: {_MAX_ATOMS:<21d}# as these atoms to the third power"
    )
