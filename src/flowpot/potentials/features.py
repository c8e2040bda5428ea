"""Distance of atoms to a training set, in the features of a potential."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.potentials.base import Potential

Array = NDArray[np.float64]

_LEAST_SCALE = 1e-3  # of a feature, in units of the typical one


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """
    First and second moments of the features of a training set's atoms.

    Parameters
    ----------
    numbers
        Atomic numbers, shape (S,).
    mean, scale
        Mean and standard deviation of each feature for each species, shape (S, D).
    whitening
        Matrices W, shape (S, D, D): x W has the Mahalanobis distance as its norm, for a
        standardised feature vector x.
    rigid_scale
        Root mean square of each feature, shape (D,).
    rigidity
        Matrix R, shape (D, D): x R has the square root of x' (X'X + lambda)^-1 x as its
        norm, for a scaled feature vector x.

    Notes
    -----
    Correlation matrices are shrunk towards the identity by D / (n + D), n the number
    of atoms, so that a species with few atoms has a distance, too, and the units of
    the features do not matter. (X'X + lambda)^-1 is the covariance of the weights of a
    linear last layer: last-layer prediction rigidity (Bigi, Chong, Ceriotti and
    Grasselli, Mach. Learn.: Sci. Technol. 5, 045018, 2024). Forces are not linear in
    the features: for them it is no variance, but a measure.
    """

    numbers: NDArray[np.int64]
    mean: Array
    scale: Array
    whitening: Array
    rigid_scale: Array
    rigidity: Array

    @classmethod
    def fit(cls, potential: Potential, frames: Dataset) -> Self:
        """
        Compute the moments over all atoms, batch by batch.

        Raises
        ------
        ValueError
            Without any atom, or if the features are not finite.
        MissingOutputError
            If the potential has no features.
        """
        moments: dict[int, _Moments] = {}
        for atoms, features in potential.atom_features(frames):
            for z in np.unique(frames.numbers[atoms]):
                rows = features[frames.numbers[atoms] == z]
                moments.setdefault(int(z), _Moments.about(rows[0])).add(rows)
        if not moments:
            raise ValueError("no frame to take features of: give at least one")
        numbers = sorted(moments)
        species = [moments[z] for z in numbers]
        deviation = np.stack([sums.deviation for sums in species])
        if not np.isfinite(deviation).all():
            raise ValueError("the potential's features of the frames are not finite")
        scale = _positive(deviation)
        raw = np.sum([sums.raw for sums in species], axis=0)
        n = sum(sums.n for sums in species)
        rigid_scale = _positive(np.sqrt(np.diag(raw) / n))
        return cls(
            numbers=np.array(numbers),
            mean=np.stack([sums.mean for sums in species]),
            scale=scale,
            whitening=np.stack(
                [
                    _root(sums.covariance, deviations, sums.n)
                    for sums, deviations in zip(species, scale, strict=True)
                ]
            ),
            rigid_scale=rigid_scale,
            rigidity=_root(raw / n, rigid_scale, n) / np.sqrt(n),
        )

    def of_atoms(self, potential: Potential, frames: Dataset) -> dict[str, Array]:
        """
        Measure the distance of each of the A atoms of some frames.

        Returns
        -------
        dict
            Arrays of shape (A,) without units: ``feature_distance`` (Mahalanobis) and
            ``rigidity``; infinite for a species that the training set lacks.

        Raises
        ------
        ValueError
            If the potential has another number of features than the statistics.
        """
        distances, rigidities = [np.empty(0)], [np.empty(0)]
        for atoms, features in potential.atom_features(frames):
            if features.shape[1] != self.mean.shape[1]:
                raise ValueError(
                    f"the potential has {features.shape[1]} features of each atom, and "
                    f"the statistics {self.mean.shape[1]}: they are of another "
                    "potential; fit FeatureDistance to this committee"
                )
            numbers = frames.numbers[atoms]
            distance = np.full(len(features), np.inf)
            for i, z in enumerate(self.numbers):
                rows = numbers == z
                x = (features[rows] - self.mean[i]) / self.scale[i]
                distance[rows] = np.linalg.norm(x @ self.whitening[i], axis=1)
            rigid = np.linalg.norm(features / self.rigid_scale @ self.rigidity, axis=1)
            rigid[~np.isin(numbers, self.numbers)] = np.inf
            distances.append(distance)
            rigidities.append(rigid)
        return {
            "feature_distance": np.concatenate(distances),
            "rigidity": np.concatenate(rigidities),
        }

    def to_bytes(self) -> bytes:
        """Return the statistics as a compressed npz, matrices in single precision."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("whitening", "rigidity"):
            arrays[name] = arrays[name].astype(np.float32)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what :meth:`to_bytes` has returned."""
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {f.name: file[f.name] for f in fields(cls)}
        for name in ("whitening", "rigidity"):
            arrays[name] = arrays[name].astype(float)
        return cls(**arrays)

    @property
    def species(self) -> tuple[str, ...]:
        """Chemical symbols of the training set."""
        return tuple(chemical_symbols[z] for z in self.numbers)


def summarised(atoms: Mapping[str, Array], frames: Dataset) -> dict[str, Array]:
    """
    Summarise values of atoms for each of n frames.

    Parameters
    ----------
    atoms
        Values of the A atoms by name, shape (A,).
    frames
        The frames.

    Returns
    -------
    dict
        The largest value of each frame by name, and its root mean square by the name
        with ``_rms``, shape (n,).
    """
    summary: dict[str, Array] = {}
    starts = frames.offsets[:-1]
    for name, values in atoms.items():
        summary[name] = np.maximum.reduceat(values, starts) if len(starts) else values
        squares = np.add.reduceat(values**2, starts) if len(starts) else values
        summary[f"{name}_rms"] = np.sqrt(squares / frames.n_atoms)
    return summary


@dataclass
class _Moments:
    """Sums over atoms, about a point near their mean so that no digits are lost."""

    origin: Array
    first: Array
    second: Array
    n: int = 0

    @classmethod
    def about(cls, origin: Array) -> Self:
        width = len(origin)
        return cls(origin.copy(), np.zeros(width), np.zeros((width, width)))

    def add(self, rows: Array) -> None:
        x = rows - self.origin
        self.first += x.sum(axis=0)
        self.second += x.T @ x
        self.n += len(rows)

    @property
    def mean(self) -> Array:
        return self.origin + self.first / self.n

    @property
    def covariance(self) -> Array:
        shift = self.first / self.n
        return self.second / self.n - np.outer(shift, shift)

    @property
    def deviation(self) -> Array:
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))

    @property
    def raw(self) -> Array:
        """Sum of x x' about zero."""
        return self.n * (self.covariance + np.outer(self.mean, self.mean))


def _positive(scale: Array) -> Array:
    """Raise scales to a least value: a feature that never varied has no scale."""
    typical = np.sqrt((scale**2).mean())
    return np.maximum(scale, _LEAST_SCALE * typical if typical > 0 else 1.0)


def _root(covariance: Array, scale: Array, n: int) -> Array:
    """Return W with W W' the inverse of the shrunk correlation matrix."""
    width = len(scale)
    share = width / (n + width)
    correlation = covariance / np.outer(scale, scale)
    values, vectors = np.linalg.eigh((correlation + correlation.T) / 2)
    return vectors / np.sqrt((1 - share) * np.maximum(values, 0) + share)
