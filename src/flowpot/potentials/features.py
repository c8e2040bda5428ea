"""How far atoms are from those that a potential has learned, in its own features."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from flowpot.dataset import Dataset
from flowpot.potentials.base import Potential

Array = NDArray[np.float64]

_FLAT = 1e-3  # least scale of a feature, in units of the typical one


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """
    First and second moments of the features of the atoms of a training set.

    Attributes
    ----------
    numbers
        (S,) atomic numbers.
    mean, scale
        (S, D) mean and standard deviation of each feature, for each species.
    whitening
        (S, D, D): a standardised feature vector times this has the Mahalanobis
        distance as its norm.
    rigid_scale
        (D,) root mean square of each feature.
    rigidity
        (D, D): a scaled feature vector times this has as its norm the square root of
        x' (X'X + lambda)^-1 x.

    Notes
    -----
    Correlation matrices are shrunk towards the identity by D / (n + D), n the number
    of atoms: a species with few atoms has a distance all the same, and units of the
    features do not matter. (X'X + lambda)^-1 is the covariance of the weights of a
    linear last layer: last-layer prediction rigidity (Bigi, Chong, Ceriotti and
    Grasselli, Mach. Learn.: Sci. Technol. 5, 045018, 2024). Forces are not linear in
    the features themselves, so that it is a measure for them and no variance.
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
        Take the moments of all atoms, batch by batch.

        Raises
        ------
        ValueError
            Without any atom, or where the features are not finite.
        NotImplementedError
            Where the potential does not give its features.
        """
        moments: dict[int, _Moments] = {}
        for numbers, features in _batches(potential, frames):
            for z in np.unique(numbers):
                rows = features[numbers == z]
                moments.setdefault(int(z), _Moments.about(rows[0])).add(rows)
        if not moments:
            raise ValueError("no frame to take features of: give at least one")
        found = [moments[z] for z in sorted(moments)]
        deviation = np.stack([each.deviation for each in found])
        if not np.isfinite(deviation).all():
            raise ValueError("the potential's features of the frames are not finite")
        scale = _positive(deviation)
        pairs = zip(found, scale, strict=True)
        raw = np.sum([each.raw for each in found], axis=0)
        n = sum(each.n for each in found)
        rigid_scale = _positive(np.sqrt(np.diag(raw) / n))
        return cls(
            numbers=np.array(sorted(moments)),
            mean=np.stack([each.mean for each in found]),
            scale=scale,
            whitening=np.stack(
                [_root(each.covariance, s, each.n) for each, s in pairs]
            ),
            rigid_scale=rigid_scale,
            rigidity=_root(raw / n, rigid_scale, n) / np.sqrt(n),
        )

    def of_atoms(self, potential: Potential, frames: Dataset) -> dict[str, Array]:
        """
        Measure the A atoms of some frames.

        Returns
        -------
        dict
            (A,) arrays without units: ``feature_distance`` (Mahalanobis) and
            ``rigidity``; infinite for a species that was not learned.
        """
        parts = [self._atoms(*batch) for batch in _batches(potential, frames)]
        nothing = {name: np.empty(0) for name in ("feature_distance", "rigidity")}
        return {
            name: np.concatenate([p[name] for p in parts] or [none])
            for name, none in nothing.items()
        }

    def _atoms(self, numbers: NDArray[np.int64], features: Array) -> dict[str, Array]:
        if features.shape[1] != self.mean.shape[1]:
            raise ValueError(
                f"the potential has {features.shape[1]} features of each atom, and the "
                f"statistics {self.mean.shape[1]}: they are of another potential; fit "
                "FeatureDistance to this committee"
            )
        distance = np.full(len(features), np.inf)
        for i, z in enumerate(self.numbers):
            rows = numbers == z
            x = (features[rows] - self.mean[i]) / self.scale[i]
            distance[rows] = np.linalg.norm(x @ self.whitening[i], axis=1)
        rigid = np.linalg.norm(features / self.rigid_scale @ self.rigidity, axis=1)
        rigid[~np.isin(numbers, self.numbers)] = np.inf
        return {"feature_distance": distance, "rigidity": rigid}

    def to_bytes(self) -> bytes:
        """Write them as a compressed npz, matrices in single precision."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("whitening", "rigidity"):
            arrays[name] = arrays[name].astype(np.float32)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what :meth:`to_bytes` wrote."""
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {f.name: file[f.name] for f in fields(cls)}
        for name in ("whitening", "rigidity"):
            arrays[name] = arrays[name].astype(float)
        return cls(**arrays)

    @property
    def species(self) -> tuple[str, ...]:
        """The chemical symbols that it knows."""
        return tuple(chemical_symbols[z] for z in self.numbers)


def summarised(atoms: Mapping[str, Array], frames: Dataset) -> dict[str, Array]:
    """Return the largest atom of each frame, and under ``*_rms`` the RMS over them."""
    found: dict[str, Array] = {}
    starts = frames.offsets[:-1]
    for name, values in atoms.items():
        found[name] = np.maximum.reduceat(values, starts) if len(starts) else values
        squares = np.add.reduceat(values**2, starts) if len(starts) else values
        found[f"{name}_rms"] = np.sqrt(squares / frames.n_atoms)
    return found


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


def _batches(
    potential: Potential, frames: Dataset
) -> Iterator[tuple[NDArray[np.int64], Array]]:
    """Yield atomic numbers and features, a batch of atoms at a time."""
    for part, features in potential.atom_features(frames):
        yield frames.numbers[part], features


def _positive(scale: Array) -> Array:
    """Keep scales from zero: what never varied is far when it does."""
    typical = np.sqrt((scale**2).mean())
    return np.maximum(scale, _FLAT * typical if typical > 0 else 1.0)


def _root(covariance: Array, scale: Array, n: int) -> Array:
    """Return W with W W' the inverse of the shrunk correlation matrix."""
    width = len(scale)
    share = width / (n + width)
    correlation = covariance / np.outer(scale, scale)
    values, vectors = np.linalg.eigh((correlation + correlation.T) / 2)
    return vectors / np.sqrt((1 - share) * np.maximum(values, 0) + share)
