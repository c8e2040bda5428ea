"""The frames that a potential is trained on and tested with."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from ase.data import chemical_symbols

from flowpot.dataset import Dataset, assign_splits
from flowpot.dataset.electronic_state import STATE
from flowpot.dataset.geometry.cells import periodic_cell, volume_ratio
from flowpot.dataset.sets import AUDIT, SETS, sets_of
from flowpot.randomness import derive_seed

_ISOLATED = ("isolated_atom", "IsolatedAtom")  # flowpot's and MACE's
_SPLIT_SEED = 0  # not the member's: a committee shares its sets
_SAME_ENERGY = 1e-3
"""Isolated atoms whose energies differ by less (eV) are one atom, calculated twice."""


@dataclass(frozen=True, eq=False)
class TrainingSets:
    """
    Labelled frames in three sets, and the energies of isolated atoms.

    Parameters
    ----------
    train, val, test
        The sets. Isolated atoms are in none of them: their energies are the
        potential's reference, which it reproduces without training.
    atomic_energies
        Energy of the isolated atom by atomic number, in eV.
    audit
        The last audit's frames, which nothing is trained on or tested with.
    remarks
        What is odd about the frames, and which were left out: `load` warns of it.
    """

    train: Dataset
    val: Dataset
    test: Dataset
    atomic_energies: dict[int, float]
    audit: Dataset
    remarks: tuple[str, ...] = ()

    @classmethod
    def load(cls, source: Any) -> Self:
        """
        Take the labelled frames of a dataset, by their info column ``split``.

        `assign_splits` puts frames that have no set yet into one.

        Parameters
        ----------
        source
            Whatever `Dataset.load` takes.

        Raises
        ------
        ValueError
            If a set is empty.
        """
        given = Dataset.load(source)
        dataset = given.labelled
        isolated = dataset.is_isolated_atom
        frames = dataset[~isolated]
        remarks = (
            *_remarks_on_forces(given),
            *_remarks_on_states(frames),
            *_remarks_on_atoms(dataset[isolated]),
        )
        for remark in remarks:
            warnings.warn(remark, stacklevel=2)
        if len(frames) == 0:
            raise ValueError(
                "the dataset has no labelled frame but isolated atoms: label frames "
                "(energy and forces) before training"
            )
        if not set(frames.column("split").tolist()) <= {*SETS, AUDIT}:
            frames = assign_splits(frames, seed=_SPLIT_SEED)
        split = sets_of(frames)
        sets = cls(
            **{name: frames[split == name] for name in (*SETS, AUDIT)},
            atomic_energies=isolated_energies(dataset[isolated]),
            remarks=remarks,
        )
        if empty := [name for name, size in sets.sizes.items() if size == 0]:
            raise ValueError(
                f"no labelled frame in the set {' and '.join(map(repr, empty))} "
                f"(sizes: {sets.sizes}): label more frames, or assign the info column "
                "'split' with flowpot.dataset.assign_splits, or by hand where all "
                "frames share their positions, which keeps them in one set"
            )
        return sets

    @property
    def by_name(self) -> dict[str, Dataset]:
        """The frames of each set, without the audit's."""
        return {name: getattr(self, name) for name in SETS}

    @property
    def sizes(self) -> dict[str, int]:
        """Number of frames in each set, without the audit's."""
        return {name: len(frames) for name, frames in self.by_name.items()}

    def resampled(self, seed: int) -> Self:
        """
        Draw as many frames from the training set as it has, with replacement.

        It is the bootstrap sample of bagging (Breiman, Machine Learning 24, 123,
        1996). Of a species that the sample lacks, one frame is added; the other sets
        and the energies of isolated atoms stay.

        Parameters
        ----------
        seed
            Seed of the random draw.
        """
        rng = np.random.default_rng(derive_seed(seed, "bagging"))
        train = self.train[rng.integers(len(self.train), size=len(self.train))]
        for species in np.setdiff1d(self.train.numbers, train.numbers):
            atom = np.argmax(self.train.numbers == species)
            frame = int(np.searchsorted(self.train.offsets, atom, "right")) - 1
            train = Dataset.concatenate([train, self.train[[frame]]])
        return replace(self, train=train)

    @property
    def species(self) -> list[int]:
        """The atomic numbers that occur in any set."""
        numbers = [frames.numbers for frames in self.by_name.values()]
        return [int(z) for z in np.unique(np.concatenate(numbers))]

    def reference_energies(self) -> dict[int, float]:
        """
        Return the isolated atom's energy of every species that occurs, in eV.

        Raises
        ------
        ValueError
            If a species has no labelled isolated atom.
        """
        missing = [z for z in self.species if z not in self.atomic_energies]
        if missing:
            raise ValueError(
                "the dataset has no labelled isolated atom (config_type "
                f"'isolated_atom') of {', '.join(chemical_symbols[z] for z in missing)}"
                f"{self._boxed(missing)}: label one, or choose the reference energies "
                "by the training's hyperparameters, as in {'E0s': {14: -150.3}}, "
                "{'E0s': 'average'} or, with a foundation model, {'E0s': 'estimated'}"
            )
        return {z: self.atomic_energies[z] for z in self.species}

    def _boxed(self, species: Sequence[int]) -> str:
        """Say which single atoms are called isolated, and periodic all the same."""
        found = set()
        for frames in self.by_name.values():
            kinds = np.array([str(kind) for kind in frames.column("config_type")])
            alone = (frames.n_atoms == 1) & np.isin(kinds, _ISOLATED)
            found |= set(frames.numbers[frames.offsets[:-1][alone]].tolist())
        known = sorted(found & set(species))
        if not known:
            return ""
        names = ", ".join(chemical_symbols[z] for z in known)
        return f" (there is one of {names}, which is periodic: set its pbc to F F F)"


def isolated_energies(isolated: Dataset) -> dict[int, float]:
    """
    Return the energy (eV) of each species' isolated atom, by atomic number.

    Of several, that of the lowest energy counts, which is nearest to the ground state;
    ions have other energies, and do not count.
    """
    energies: dict[int, float] = {}
    neutral = _neutral(isolated)
    for z, energy in zip(
        neutral.numbers.tolist(), neutral.energy.tolist(), strict=True
    ):
        energies[z] = min(energy, energies.get(z, energy))
    return energies


def _neutral(frames: Dataset) -> Dataset:
    return frames[np.isnan(frames.charge) | (frames.charge == 0)]


def without_forces(frames: Dataset) -> int:
    """Count the frames that have an energy, and are no labels since forces lack."""
    return int((np.isfinite(frames.energy) & ~frames.is_labelled).sum())


def _remarks_on_forces(frames: Dataset) -> Iterator[str]:
    """Say how many frames are left out that have an energy alone."""
    if n := without_forces(frames):
        yield (
            f"{n} frame(s) have an energy and no forces, and are left out of the "
            "training: calculate their forces"
        )


def _remarks_on_atoms(isolated: Dataset) -> Iterator[str]:
    """Say which isolated atom is taken where those of an element differ."""
    lowest, neutral = isolated_energies(isolated), _neutral(isolated)
    for z, energy in lowest.items():
        highest = float(neutral.energy[neutral.numbers == z].max())
        if highest - energy > _SAME_ENERGY:
            yield (
                f"the isolated atoms of {chemical_symbols[z]} have energies from "
                f"{energy:g} to {highest:g} eV: the lowest is taken for the reference; "
                "remove the others"
            )


def _remarks_on_states(frames: Dataset) -> Iterator[str]:
    """Say which frames differ in a state that potentials do not take as input."""
    charges = np.unique(np.nan_to_num(frames.charge))
    if len(charges) > 1:
        yield (
            f"the frames have charges from {charges[0]:g} to {charges[-1]:g}, which "
            "potentials are not told: their energies contradict each other; train on "
            "frames of one charge"
        )
    if np.isnan(frames.magmoms).all() and np.isnan(frames.spin).all():
        return
    bare = Dataset(**frames.fields | dict.fromkeys(STATE))
    n_same = len(bare) - len(np.unique(bare.fingerprints))
    n_same -= len(frames) - len(np.unique(frames.fingerprints))
    if n_same:
        yield (
            f"{n_same} frames have the atoms of another one and other moments, charge "
            "or multiplicity, which potentials are not told: keep one state of each, "
            "such as that of the lowest energy"
        )


def periodic_dataset(dataset: Dataset, cutoff: float) -> Dataset:
    """
    Put frames into fully periodic cells, with the stress of those cells.

    Parameters
    ----------
    dataset
        The frames.
    cutoff
        Cutoff of the potential, in A.

    Returns
    -------
    Dataset
        The frames, with the part of their info that MACE reads: ``config_type`` and
        ``config_*``.
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
