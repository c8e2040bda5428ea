"""Alloys: elements mixed at random on the sites of a structure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from numpy.typing import NDArray

from flowpot.augmentation.deformation import deform
from flowpot.augmentation.draw import Sites
from flowpot.augmentation.generator import Batch, Generator, dataset_of
from flowpot.augmentation.inheritance import inherit
from flowpot.augmentation.inputs import Inputs, Parent
from flowpot.augmentation.kinds.distortion import Distortions, distorted
from flowpot.augmentation.quasirandom import quasirandom_numbers
from flowpot.augmentation.vegard import end_members_among, vegard_scale
from flowpot.dataset.electronic_state import bare
from flowpot.validation import (
    amounts,
    boolean,
    complete,
    elements,
    instance,
    one_of,
    several,
    whole,
)

_UNITY = 1e-6
"""Tolerated difference between the sum of fractions and 1."""

Composition = Mapping[str, float]
"""Fraction of each element on the mixed sites."""
Lattice = Literal["vegard", "input"]
"""Where an alloy's lattice comes from, as `Alloys` describes it."""
LATTICES: tuple[Lattice, ...] = ("vegard", "input")


def alloy(
    atoms: Atoms,
    rng: np.random.Generator,
    *,
    species: Sequence[str],
    fixed_species: Sequence[str] = (),
    composition: Composition | None = None,
    quasirandom: bool = False,
    lattice: Lattice = "vegard",
    end_members: Mapping[str, float] | None = None,
) -> Atoms:
    """
    Mix elements at random on the sites of a structure.

    Parameters
    ----------
    atoms
        The structure.
    rng
        Source of randomness.
    species
        Elements to mix.
    fixed_species
        Elements of the structure whose sites stay as they are.
    composition
        Fraction of each element on the mixed sites, such as
        ``{"Mo": 0.25, "W": 0.75}``. None to draw it, with all compositions equally
        likely (Dirichlet distribution of concentration 1).
    quasirandom
        Whether to arrange them as a special quasirandom structure; needs sqsgenerator.
    lattice, end_members
        As in `Alloys`, except that None estimates end members from radii. The whole
        cell is scaled, vacuum included.

    Returns
    -------
    Atoms
        The alloy, without labels, metadata and constraints.

    Raises
    ------
    ValueError
        If no sites are left to mix, or elements, composition or end members do not
        belong together.
    """
    check_alloy(species, fixed_species, [composition] if composition else None)
    check_lattice(lattice, end_members, species)
    sites = mixed_sites(atoms.numbers, fixed_species)
    if not len(sites):
        raise ValueError(
            f"{atoms.get_chemical_formula()} has no sites but those of fixed_species="
            f"{list(fixed_species)}: fix fewer elements"
        )
    fractions = draw_fractions(species, composition, rng)
    mixed = bare(atoms)
    mixed.numbers[sites] = mixture(species, fractions, len(sites), rng)
    if quasirandom:
        mixed.numbers = quasirandom_numbers(mixed, sites, rng)
    inherit(mixed, atoms)
    if lattice == "input":
        return mixed
    shares = _shares(species, mixed.numbers[sites])
    scale = vegard_scale(atoms, sites, species, shares[None], end_members)[0]
    return deform(mixed, scale * np.eye(3))


@dataclass(frozen=True)
class Alloys(Generator):
    """
    Random alloys on the sites of the input structures.

    Parameters
    ----------
    alloy_species
        Elements to mix.
    fixed_species
        Elements whose sites stay as they are.
    n_frames
        Number of alloys in all, spread evenly over the inputs.
    compositions
        Fractions of each element on the mixed sites, such as ``{"Mo": 0.25, "W":
        0.75}``, which the frames have in this order, again and again. None to draw one
        for each frame, with all compositions equally likely (Dirichlet distribution of
        concentration 1).
    distortion
        How the alloys are distorted (its `n_frames` is not used); None to leave the
        atoms on the sites of the input.
    quasirandom
        Whether each alloy is a special quasirandom structure, with pair correlations as
        close to those of a random alloy as can be found; needs the package
        sqsgenerator.
    iterations
        Number of arrangements tried for each quasirandom structure.
    lattice
        ``"vegard"``: the lattice of each alloy is scaled to its composition by Vegard's
        law (:mod:`flowpot.augmentation.vegard`), and then distorted. ``"input"``: the
        lattice of the input is kept.
    end_members
        Volumes per atom (A^3), such as ``{"Cu": 11.8, "Au": 17.0}``, between which
        Vegard's law interpolates: those of the input with a single one of the
        `alloy_species` on all mixed sites. For layers areas per atom (A^2), for wires
        lengths per atom (A). None to take them from the inputs, if all end members are
        among these, or else to estimate them from radii.
    """

    alloy_species: tuple[str, ...]
    fixed_species: tuple[str, ...] = ()
    n_frames: int = 100
    compositions: tuple[Composition, ...] | None = None
    distortion: Distortions | None = field(default_factory=Distortions)
    quasirandom: bool = False
    iterations: int = 10_000
    lattice: Lattice = "vegard"
    end_members: Mapping[str, float] | None = None

    kind: ClassVar[str] = "alloy"

    def __post_init__(self) -> None:
        """Check the parameters."""
        complete(self)
        whole(1, n_frames=self.n_frames, iterations=self.iterations)
        boolean(quasirandom=self.quasirandom)
        instance(Distortions, distortion=self.distortion or None)
        check_alloy(self.alloy_species, self.fixed_species, self.compositions)
        check_lattice(self.lattice, self.end_members, self.alloy_species)
        object.__setattr__(self, "alloy_species", tuple(self.alloy_species))
        object.__setattr__(self, "fixed_species", tuple(self.fixed_species))
        if self.compositions is not None:
            object.__setattr__(self, "compositions", tuple(self.compositions))

    def generate(self, inputs: Inputs) -> Iterator[Batch]:
        """Make the alloys of each input."""
        usable = [parent for parent in inputs.parents if len(self._sites(parent))]
        if not 0 < len(usable) <= self.n_frames:
            raise ValueError(
                f"alloys: n_frames={self.n_frames} for {len(usable)} inputs with sites "
                f"outside fixed_species={list(self.fixed_species)}: give one frame per "
                "input at least, and inputs with sites to mix"
            )
        # Who gets a frame more than others must not depend on the inputs' order.
        ranked = sorted(parent.fingerprint for parent in usable)
        for parent in usable:
            name = parent.fingerprint
            source = (self.kind, name)
            count = len(range(ranked.index(name), self.n_frames, len(ranked)))
            batch = self._of(parent, inputs, count, inputs.rng(*source))
            yield replace(batch, source=source)

    def _sites(self, parent: Parent) -> NDArray[np.int64]:
        return mixed_sites(parent.supercell.numbers, self.fixed_species)

    def _of(
        self, parent: Parent, inputs: Inputs, count: int, rng: np.random.Generator
    ) -> Batch:
        """Make some alloys of one input."""
        plan = self.distortion or Distortions(
            fraction=0.0, strain=None, vacancy_fraction=0.0
        )
        species = self.alloy_species
        sites, shares = self._mixed(parent.supercell, self._sites(parent), count, rng)
        if self.lattice == "vegard":
            ends = self.end_members or end_members_among(
                (other.cell for other in inputs.parents),
                *(parent.cell, species, self.fixed_species),
            )
            mixed = self._sites(parent)
            scale = vegard_scale(parent.supercell, mixed, species, shares, ends)
            sites = replace(sites, scale=scale)
        info = {
            "composition": [
                dict(zip(species, row, strict=True)) for row in shares.tolist()
            ],
            "lattice_scale": sites.scale,
        }
        plan = replace(plan, n_frames=count)
        batch = distorted(parent, plan, inputs.min_distance, rng, sites, info)
        if not len(batch.frames):
            return replace(batch, frames=dataset_of([], self.kind))
        frames = batch.frames.with_info(
            config_type="quasirandom" if self.quasirandom else self.kind,
            parent=parent.fingerprint,
        )
        return replace(batch, frames=frames)

    def _mixed(
        self,
        atoms: Atoms,
        sites: NDArray[np.int64],
        count: int,
        rng: np.random.Generator,
    ) -> tuple[Sites, NDArray[np.float64]]:
        """Mix elements on some sites; return their shares (count, species), too."""
        numbers = np.tile(atoms.numbers, (count, 1))
        shares = np.empty((count, len(self.alloy_species)))
        for frame in range(count):
            given = self.compositions
            composition = given[frame % len(given)] if given else None
            fractions = draw_fractions(self.alloy_species, composition, rng)
            numbers[frame, sites] = mixture(
                self.alloy_species, fractions, len(sites), rng
            )
            shares[frame] = _shares(self.alloy_species, numbers[frame, sites])
            if self.quasirandom:
                template = atoms.copy()
                template.numbers = numbers[frame]
                numbers[frame] = quasirandom_numbers(
                    template, sites, rng, iterations=self.iterations
                )
        return replace(Sites.of(atoms, count), numbers=numbers), shares


def mixed_sites(
    numbers: NDArray[np.int64], fixed_species: Sequence[str]
) -> NDArray[np.int64]:
    """Return the indices of the sites whose elements are not fixed."""
    fixed = [atomic_numbers[symbol] for symbol in fixed_species]
    return np.flatnonzero(~np.isin(numbers, fixed))


def draw_fractions(
    species: Sequence[str], composition: Composition | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the fraction of each element; without a composition, draw it."""
    if composition is None:
        return rng.dirichlet(np.ones(len(species)))
    return np.array([composition.get(symbol, 0.0) for symbol in species])


def mixture(
    species: Sequence[str],
    fractions: NDArray[np.float64],
    n_sites: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """
    Put elements on sites at random, in numbers as close to fractions as can be.

    Parameters
    ----------
    species
        Symbols of the elements.
    fractions
        Fraction of each element, shape (len(species),); their sum is 1.
    n_sites
        Number of sites.
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Atomic numbers, shape (n_sites,). How many sites an element has is found by the
        largest remainder method.
    """
    exact = fractions * n_sites
    counts = np.floor(exact + _UNITY).astype(np.int64)
    missing = n_sites - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
    numbers = np.array([atomic_numbers[symbol] for symbol in species])
    return rng.permutation(np.repeat(numbers, counts))


def check_alloy(
    species: Sequence[str],
    fixed_species: Sequence[str],
    compositions: Sequence[Composition] | None,
) -> None:
    """Refuse alloys of one element, and compositions whose sum is not 1."""
    elements(alloy_species=species, fixed_species=fixed_species)
    several(compositions=compositions)
    if len(species) < 2 or set(species) & set(fixed_species):  # noqa: PLR2004
        raise ValueError(
            f"alloy_species is {list(species)} and fixed_species is "
            f"{list(fixed_species)}: mix two elements at least, none of them fixed"
        )
    for number, composition in enumerate(compositions or ()):
        amounts(**{f"compositions[{number}]": composition})
        values = np.array(list(composition.values()))
        unknown = set(composition) - set(species)
        if unknown or (values < 0).any() or abs(values.sum() - 1) > _UNITY:
            raise ValueError(
                f"composition {dict(composition)}: give fractions of alloy_species "
                f"{list(species)} that sum to 1"
            )


def check_lattice(
    lattice: str, end_members: Mapping[str, float] | None, species: Sequence[str]
) -> None:
    """Refuse end members of other elements, and any if the lattice is the input's."""
    one_of(LATTICES, lattice=lattice)
    if end_members is None:
        return
    amounts(end_members=end_members)
    if lattice == "input":
        raise ValueError(
            f"end_members is {dict(end_members)} and lattice is 'input', which does "
            "not use them: leave one of the two out"
        )
    if set(end_members) != set(species) or min(end_members.values()) <= 0:
        raise ValueError(
            f"end_members is {dict(end_members)}: give the volume per atom (A^3) of "
            f"each of alloy_species {list(species)}, and of no other"
        )


def _shares(species: Sequence[str], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share that each element has among the atoms on the mixed sites."""
    return np.array([np.mean(numbers == atomic_numbers[symbol]) for symbol in species])
