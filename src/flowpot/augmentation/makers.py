"""The augmentation job."""

from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, Self

from jobflow import Job, Maker

from flowpot.augmentation import presets
from flowpot.augmentation.alloy import Alloys
from flowpot.augmentation.augment import augment, checked_structures
from flowpot.augmentation.cluster import Clusters
from flowpot.augmentation.dimer import Dimers
from flowpot.augmentation.distortion import Distortions
from flowpot.augmentation.document import AugmentationDoc
from flowpot.augmentation.generator import Generator
from flowpot.augmentation.random_structure import RandomStructures
from flowpot.augmentation.single import Strains, Vacancies
from flowpot.augmentation.slab import Slabs
from flowpot.augmentation.substitution import Substitution
from flowpot.augmentation.supercell import Supercells
from flowpot.augmentation.thermal import ThermalDisplacements
from flowpot.dataset.geometry.closeness import check_distance
from flowpot.dataset.portable import portable
from flowpot.documents import package_versions, recorded
from flowpot.jobs import stage_job
from flowpot.validation import boolean, instance, one_of, positive, text
from flowpot.validation import seed as check_seed

_KINDS: dict[str, type] = {
    "supercell": Supercells,
    "distortion": Distortions,
    "strain": Strains,
    "vacancies": Vacancies,
    "clusters": Clusters,
    "dimers": Dimers,
    "slabs": Slabs,
    "alloys": Alloys,
    "thermal": ThermalDisplacements,
    "random_structures": RandomStructures,
    "substitution": Substitution,
}
"""What each field of a kind of frames holds."""


@dataclass
class AugmentationMaker(Maker):
    """
    Make the first dataset of a campaign from a few structures.

    Every field after `name` is one kind of frames, with its parameters; None (or
    False) switches it off. The defaults are those of the AiiDA-TrainsPot paper, save
    that atoms keep a larger distance (`min_distance`), clusters have bonds of their
    elements' lengths, single vacancies are made as well as pairs, swaps spread up to
    their share, and basal planes are cut, too.

    Parameters
    ----------
    name
        The job's name.
    supercell
        Size of the supercells from which frames are made; None: the inputs as given.
    distortion
        Frames strained, displaced and defective at once.
    strain, vacancies
        The same one at a time.
    clusters, dimers
        Random clusters of the inputs' elements; dimer curves of every pair of them.
    slabs
        Surfaces of bulk inputs.
    alloys
        Elements mixed at random on the inputs' sites.
    thermal
        Displacements correlated as phonons are.
    random_structures
        Random structures of the inputs' compositions; needs PyXtal.
    substitution
        Swaps of unlike atoms in frames made by the others.
    inputs
        Whether the (repeated) inputs are among the frames.
    isolated_atoms
        Whether one isolated atom of each element is.
    vacuum
        Least vacuum along directions that are not periodic, in A.
    min_distance
        Shortest distance between two atoms, as a fraction of the sum of their covalent
        radii: what would come closer is drawn again, or rejected and counted. None is
        the common limit, 0.66 (:mod:`flowpot.dataset.geometry.closeness`).

    Examples
    --------
    >>> from ase.build import bulk
    >>> maker = AugmentationMaker(distortion=Distortions(n_frames=20))
    >>> maker.make([bulk("Si"), bulk("Si", "bct", a=4.7, c=2.6)], seed=1).name
    'augment'
    """

    name: str = "augment"
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

    def __post_init__(self) -> None:
        """Refuse fields that no frames can be made by."""
        text(name=self.name)
        boolean(inputs=self.inputs, isolated_atoms=self.isolated_atoms)
        positive(vacuum=self.vacuum)
        check_distance(min_distance=self.min_distance)
        for name, kind in _KINDS.items():
            if getattr(self, name) is False:
                setattr(self, name, None)
            instance(kind, **{name: getattr(self, name)})

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
            Fields that are to differ from it.

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
        """The generators that are switched on."""
        every = (
            *(self.distortion, self.strain, self.vacancies),
            *(self.clusters, self.dimers, self.slabs, self.alloys),
            *(self.thermal, self.random_structures),
        )
        return [each for each in every if each is not None]

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
            The stage's seed: the same gives the same frames.
        """
        check_seed(seed=seed)
        checked = partial(checked_structures, min_distance=self.min_distance)
        frames = portable(structures, "structures.h5", checked)
        return self.augment(frames, seed=seed)

    @stage_job(AugmentationDoc)
    @recorded(AugmentationDoc)
    def augment(self, structures: Any, *, seed: int = 0) -> AugmentationDoc:
        """Make the frames: what the job runs."""
        start = perf_counter()
        wanted = {"input": self.inputs, "isolated_atom": self.isolated_atoms}
        made = augment(
            structures,
            self.generators,
            seed=seed,
            supercell=self.supercell,
            substitution=self.substitution,
            without=[kind for kind, on in wanted.items() if not on],
            vacuum=self.vacuum,
            min_distance=self.min_distance,
        )
        frames = made.frames
        return AugmentationDoc(
            dataset=frames.to_artifact("augmented.h5"),
            n_frames=len(frames),
            n_atoms=len(frames.numbers),
            n_inputs=made.n_inputs,
            species=made.species,
            counts=made.counts,
            rejected=made.rejected,
            turned=made.turned,
            notes=list(made.notes),
            seed=seed,
            seconds=perf_counter() - start,
            versions=package_versions("ase", "pymatgen", "numpy"),
        )
