"""The distance of atoms from those that a potential has learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from flowpot.dataset import Artifact, Dataset
from flowpot.evaluation.uncertainty.base import PerFrame, Uncertainty
from flowpot.potentials import MissingOutputError, Potential
from flowpot.potentials.features import FeatureStatistics

_MEMBER_BYTES = 4


@dataclass(frozen=True)
class FeatureDistance(Uncertainty):
    """
    How far atoms lie from the training set, in a potential's own features.

    It sees errors that all members of a committee share, and needs one member only.
    Per atom it measures ``feature_distance``, the Mahalanobis distance, and
    ``rigidity``, the last-layer prediction rigidity: see
    :class:`flowpot.potentials.features.FeatureStatistics`. Per frame these are of the
    largest atom, and under ``feature_distance_rms`` and ``rigidity_rms`` root mean
    squares over the atoms.

    Attributes
    ----------
    statistics
        Of the atoms of the training set.
    member
        Index of the potential whose features they are.

    Examples
    --------
    >>> distance = FeatureDistance.fit(members, training_set)  # doctest: +SKIP
    >>> distance.measure(members, frames)["feature_distance"]  # doctest: +SKIP
    """

    statistics: FeatureStatistics
    member: int = 0

    @classmethod
    def fit(cls, potentials: Sequence[Potential], training: Dataset) -> Self:
        """
        Take the features of a training set, by the first member that gives them.

        Parameters
        ----------
        potentials
            The members of a committee.
        training
            The frames that they were trained on; labels are not read.

        Raises
        ------
        MissingOutputError
            Where no member gives its features.
        """
        reasons = []
        for member, potential in enumerate(potentials):
            try:
                return cls(FeatureStatistics.fit(potential, training), member)
            except NotImplementedError as error:
                reasons.append(f"member {member}: {error}")
        raise MissingOutputError(
            f"no member of the committee gives its features ({'; '.join(reasons)})"
        )

    def measure_atoms(
        self, potentials: Sequence[Potential], dataset: Dataset
    ) -> PerFrame:
        """
        Measure atoms: ``feature_distance`` and ``rigidity``, (A,) each, without units.

        They are infinite for a species that was not learned.
        """
        return self.statistics.of_atoms(potentials[self.member], dataset)

    def to_bytes(self) -> bytes:
        """Return the member's index, and the statistics in a few MB."""
        member = self.member.to_bytes(_MEMBER_BYTES, "little")
        return member + self.statistics.to_bytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what :meth:`to_bytes` returned."""
        member = int.from_bytes(content[:_MEMBER_BYTES], "little")
        return cls(FeatureStatistics.from_bytes(content[_MEMBER_BYTES:]), member)

    def to_artifact(self, name: str = "features.npz") -> Artifact:
        """Keep the statistics, as the document of a potential has them."""
        return Artifact.from_bytes(name, self.statistics.to_bytes())

    @classmethod
    def from_artifact(cls, artifact: Any, member: int = 0) -> Self:
        """
        Read what :meth:`to_artifact` kept.

        Parameters
        ----------
        artifact
            Artifact of the statistics, or its dictionary.
        member
            Index of the potential whose features they are.
        """
        content = Artifact.model_validate(artifact).read_bytes()
        return cls(FeatureStatistics.from_bytes(content), member)
