"""The augmentation job, and what it returns."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, Self

from jobflow import Job, Maker
from pydantic import Field

from flowpot.augmentation import presets
from flowpot.augmentation.augment import augment
from flowpot.augmentation.generator import Generator
from flowpot.augmentation.inputs import checked_structures
from flowpot.augmentation.kinds.alloy import Alloys
from flowpot.augmentation.kinds.cluster import Clusters
from flowpot.augmentation.kinds.dimer import Dimers
from flowpot.augmentation.kinds.distortion import Distortions, Strains
from flowpot.augmentation.kinds.random_structure import RandomStructures
from flowpot.augmentation.kinds.slab import Slabs
from flowpot.augmentation.kinds.substitution import Substitution
from flowpot.augmentation.kinds.thermal import ThermalDisplacements
from flowpot.augmentation.kinds.vacancy import Vacancies
from flowpot.augmentation.supercell import Supercells
from flowpot.dataset import Artifact
from flowpot.dataset.geometry.closeness import check_distance
from flowpot.dataset.portable import portable
from flowpot.documents import StageDoc, package_versions, recorded
from flowpot.jobs import JobName, stage_job
from flowpot.validation import at_least, boolean, instance, one_of, positive, text
from flowpot.validation import seed as check_seed

_GENERATORS: dict[str, type[Generator]] = {
    "distortion": Distortions,
    "strain": Strains,
    "vacancies": Vacancies,
    "clusters": Clusters,
    "dimers": Dimers,
    "slabs": Slabs,
    "alloys": Alloys,
    "thermal": ThermalDisplacements,
    "random_structures": RandomStructures,
}
"""Fields that hold a generator, in the order in which the frames are made."""
_OPTIONAL: dict[str, type] = {
    "supercell": Supercells,
    "substitution": Substitution,
    **_GENERATORS,
}
"""Fields that None or False switches off, and the class of what they hold."""


class AugmentationDoc(StageDoc):
    """Frames made from a few input structures, and how many of which kind."""

    dataset: Artifact = Field(description="the frames, unlabelled")
    n_frames: int = Field(description="number of frames")
    n_atoms: int = Field(description="number of atoms in all frames")
    n_inputs: int = Field(description="number of distinct input structures")
    species: list[str] = Field(description="elements, by atomic number")
    counts: dict[str, int] = Field(description="frames of each config_type")
    rejected: dict[str, int] = Field(
        description="frames drawn and thrown away, by generator (atoms too close), and "
        "as `duplicate` (identical to another frame)"
    )
    turned: int = Field(
        0, description="displacements turned in another direction, to keep atoms apart"
    )
    notes: list[str] = Field(
        default_factory=list, description="what could not be made, and why"
    )
    seed: int = Field(description="seed of the stage")


@dataclass
class AugmentationMaker(Maker):
    """
    Make the first dataset of a campaign from a few structures.

    The fields from `distortion` to `random_structures` are kinds of frames, with their
    parameters; None (or False) switches one off. The defaults are those of the
    AiiDA-TrainsPot paper, except that atoms keep a larger distance (`min_distance`),
    clusters have bonds of their elements' lengths, single vacancies are made as well as
    pairs, the share of swapped atoms varies up to its limit, and basal planes are cut,
    too.

    Parameters
    ----------
    name
        Name of the job.
    supercell
        Size of the supercells that frames are made of; None for the inputs as given.
    distortion
        Frames that are strained, displaced and defective at once.
    strain, vacancies
        Frames that are only strained, and frames that only lack atoms.
    clusters, dimers
        Random clusters of the inputs' elements; dimer curves of every pair of them.
    slabs
        Surfaces of bulk inputs.
    alloys
        Elements mixed at random on the inputs' sites.
    thermal
        Displacements as phonons have them: neighbours move together.
    random_structures
        Random structures of the inputs' compositions; needs PyXtal.
    substitution
        Swaps of unlike atoms in frames of the other kinds.
    inputs
        Whether the (repeated) inputs are among the frames.
    isolated_atoms
        Whether one isolated atom of each element is among the frames.
    vacuum
        Least vacuum along directions that are not periodic, in A.
    min_distance
        Shortest distance between two atoms, as a fraction of the sum of their covalent
        radii: frames whose atoms come closer are drawn again, or rejected and counted.
        None is the common limit, 0.66 (:mod:`flowpot.dataset.geometry.closeness`).
    extra
        Further kinds of frames: instances of any :class:`Generator`, such as another
        package's. Their frames come after the others, and are not substituted.

    Examples
    --------
    >>> from ase.build import bulk
    >>> maker = AugmentationMaker(distortion=Distortions(n_frames=20))
    >>> maker.make([bulk("Si"), bulk("Si", "bct", a=4.7, c=2.6)], seed=1).name
    'augment'
    """

    name: str = JobName.AUGMENT.value
    supercell: Supercells | None = field(default_factory=Supercells)
    distortion: Distortions | None = field(default_factory=Distortions)
    strain: Strains | None = None
    vacancies: Vacancies | None = None
    clusters: Clusters | None = field(default_factory=Clusters)
    dimers: Dimers | None = None
    slabs: Slabs | None = field(default_factory=Slabs)
    alloys: Alloys | None = None
    thermal: ThermalDisplacements | None = None
    random_structures: RandomStructures | None = None
    substitution: Substitution | None = field(default_factory=Substitution)
    inputs: bool = True
    isolated_atoms: bool = True
    vacuum: float = 15.0
    min_distance: float | None = None
    extra: Sequence[Generator] = ()

    def __post_init__(self) -> None:
        """Check the fields."""
        text(name=self.name)
        boolean(inputs=self.inputs, isolated_atoms=self.isolated_atoms)
        positive(vacuum=self.vacuum)
        at_least(0, min_distance=self.min_distance)
        check_distance(min_distance=self.min_distance)
        for name, kind in _OPTIONAL.items():
            if getattr(self, name) is False:
                setattr(self, name, None)
            instance(kind, **{name: getattr(self, name)})
        if not isinstance(self.extra, list | tuple):
            raise ValueError(f"extra is {self.extra!r}: give a list of generators")  # noqa: TRY004
        for number, generator in enumerate(self.extra):
            instance(Generator, **{f"extra[{number}]": generator})
        self.extra = tuple(self.extra)
        counts = Counter(generator.kind for generator in self.generators)
        if twice := [kind for kind, n in counts.items() if n > 1]:
            raise ValueError(
                f"extra: several generators are of the kind {twice[0]!r}, and would "
                "draw the same random numbers: keep one of them"
            )

    @classmethod
    def preset(cls, preset: str, /, *options: Any, **changes: Any) -> Self:
        """
        Return a Maker with the settings of one of the paper's runs.

        Parameters
        ----------
        preset
            ``carbon_exploration`` (run A), ``carbon_accuracy`` (run B), ``alloy_run``
            (which takes `alloy_species`, `fixed_species` and `n_frames`), or ``smoke``
            (some 20 small frames for each input).
        *options
            Arguments of the preset.
        **changes
            Fields whose values replace those of the preset.

        Raises
        ------
        ValueError
            If there is no such preset.

        Examples
        --------
        >>> maker = AugmentationMaker.preset("alloy_run", ("Mo", "W"), ("Te",))
        >>> maker.alloys.fixed_species
        ('Te',)
        """
        name = str(preset).replace("-", "_")
        name = presets.ALIASES.get(name, name)
        one_of(presets.PRESETS, preset=name)
        return cls(**{**getattr(presets, name)(*options), **changes})

    @property
    def generators(self) -> list[Generator]:
        """The generators that are switched on, in the order of their frames."""
        fields = (getattr(self, name) for name in _GENERATORS)
        return [
            *(generator for generator in fields if generator is not None),
            *self.extra,
        ]

    def make(self, structures: Any, *, seed: int = 0) -> Job:
        """
        Return the job that makes the frames.

        Parameters
        ----------
        structures
            ASE Atoms, pymatgen Structures or Molecules, a list of these, a Dataset, an
            Artifact, a file, or a reference to another job's document. All but
            references are read and checked here, before any job runs.
        seed
            Seed of the stage: the same seed gives the same frames.

        Returns
        -------
        Job
            Its output is an :class:`AugmentationDoc`.

        Raises
        ------
        ValueError
            If there is no structure, or two atoms of one are too close.
        """
        check_seed(seed=seed)
        checked = partial(checked_structures, min_distance=self.min_distance)
        frames = portable(structures, "structures.h5", checked)
        return self.augment(frames, seed=seed)

    @stage_job(AugmentationDoc)
    @recorded(AugmentationDoc)
    def augment(self, structures: Any, *, seed: int = 0) -> AugmentationDoc:
        """
        Make the frames, in the job.

        Parameters
        ----------
        structures, seed
            As for :meth:`make`.
        """
        start = perf_counter()
        wanted = {"input": self.inputs, "isolated_atom": self.isolated_atoms}
        augmented = augment(
            structures,
            self.generators,
            seed=seed,
            supercell=self.supercell,
            substitution=self.substitution,
            without=[kind for kind, is_wanted in wanted.items() if not is_wanted],
            vacuum=self.vacuum,
            min_distance=self.min_distance,
        )
        frames = augmented.frames
        return AugmentationDoc(
            dataset=frames.to_artifact("augmented.h5"),
            n_frames=len(frames),
            n_atoms=len(frames.numbers),
            n_inputs=augmented.n_inputs,
            species=augmented.species,
            counts=augmented.counts,
            rejected=augmented.rejected,
            turned=augmented.turned,
            notes=list(augmented.notes),
            seed=seed,
            seconds=perf_counter() - start,
            versions=package_versions("ase", "pymatgen", "numpy"),
        )
