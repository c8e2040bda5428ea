"""A small committee that is trained in this process, and a bias of its dynamics."""

from collections.abc import Sequence

import numpy as np
import torch
from ase.data import atomic_numbers
from mace import modules

from flowpot.dataset import Dataset
from flowpot.dataset.arrays import Arrays
from flowpot.exploration.batched.forces import PotentialForces
from flowpot.potentials import Prediction
from flowpot.potentials.mace import MACEPotential
from flowpot.potentials.mace_graph import NeighbourGraph

CUTOFF, BATCH = 4.0, 5  # A; frames
MEMORY = 0.95  # of the running means that this share is kept by
PROPERTIES = ("energy", "forces", "stress")


class CommitteeForces(PotentialForces):
    """
    The mean of a committee, and a bias towards its uncertainty.

    The energy is E - t s, with the standard deviation s of the members' energies, and
    t such that the mean force of the bias is a share of the mean force. It is
    multiplied by what is left to the limit of the predicted force error.

    Parameters
    ----------
    potentials
        The members.
    strength
        This share; 0 without a bias.
    slope
        Calibration: predicted force error of a frame over the members' spread.
    limit
        Predicted force error (eV/A) at which the bias ends.
    """

    def __init__(
        self,
        potentials: Sequence[MACEPotential],
        strength: float,
        slope: float,
        limit: float,
    ) -> None:
        super().__init__(potentials)
        self._strength, self._slope, self._limit = strength, slope, limit
        self._norms: np.ndarray | None = None

    def keep(self, frames: Sequence[int]) -> None:
        """Drop what is stored of other frames."""
        super().keep(frames)
        if self._norms is not None:
            self._norms = self._norms[:, list(frames)]

    def drive(self, geometry: Arrays) -> Prediction:
        """Predict the mean, and the bias."""
        self._graphs.clear()
        members = self.members(geometry)
        mean = Prediction(*(getattr(members, k).mean(axis=0) for k in PROPERTIES))
        if not self._strength:
            return mean
        deviation, slopes, strain = uncertainty(members, geometry)
        frame = np.repeat(np.arange(len(geometry)), geometry.n_atoms)
        norms = np.array(
            [
                np.bincount(frame, np.linalg.norm(forces, axis=1))
                for forces in (mean.forces, slopes)
            ]
        )
        if self._norms is None or self._norms.shape != norms.shape:
            self._norms = norms
        self._norms = MEMORY * self._norms + (1 - MEMORY) * norms
        strength = self._strength * self._norms[0] / np.maximum(self._norms[1], 1e-12)
        variance = members.forces.var(axis=0).mean(axis=1)
        spread = np.sqrt(np.bincount(frame, variance) / geometry.n_atoms)
        strength *= np.clip(1 - self._slope * spread / self._limit, 0.0, 1.0)
        return Prediction(
            mean.energy - strength * deviation,
            mean.forces + strength[frame, None] * slopes,
            mean.stress - strength[:, None, None] * strain,
        )


def uncertainty(
    members: Prediction, geometry: Arrays
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """
    Return the standard deviation of the energies, and its derivatives.

    Returns
    -------
    tuple
        s (n,) in eV; its gradient with respect to the positions (A, 3); and with
        respect to the strain, over the volume (n, 3, 3).

    Notes
    -----
    s^2 is the mean of (E_m - E)^2, so that s ds = mean of (E_m - E) dE_m.
    """
    apart = members.energy - members.energy.mean(axis=0)
    deviation = np.sqrt((apart**2).mean(axis=0))
    weights = apart / len(apart) / np.maximum(deviation, 1e-12)
    of_atoms = np.repeat(weights, geometry.n_atoms, axis=1)
    gradient = -np.einsum("ma,max->ax", of_atoms, members.forces)
    strain = np.einsum("mn,mnxy->nxy", weights, members.stress)
    return deviation, gradient, strain


class Student:
    """
    A small MACE that is trained here, by Adam.

    Parameters
    ----------
    elements
        Its elements.
    dataset
        Frames that fix the mean energy and the scale.
    seed
        Seed of its weights.
    """

    def __init__(self, elements: Sequence[str], dataset: Dataset, seed: int) -> None:
        torch.manual_seed(seed)
        kinds = modules.interaction_classes
        self.model = modules.ScaleShiftMACE(
            r_max=CUTOFF,
            num_bessel=8,
            num_polynomial_cutoff=5,
            max_ell=2,
            interaction_cls=kinds["RealAgnosticResidualInteractionBlock"],
            interaction_cls_first=kinds["RealAgnosticInteractionBlock"],
            num_interactions=2,
            num_elements=len(elements),
            atomic_numbers=sorted(atomic_numbers[e] for e in elements),
            atomic_energies=np.zeros(len(elements)),
            avg_num_neighbors=16.0,
            correlation=2,
            gate=torch.nn.functional.silu,
            atomic_inter_scale=float(dataset.forces.std()),
            atomic_inter_shift=float((dataset.energy / dataset.n_atoms).mean()),
            hidden_irreps=modules.blocks.o3.Irreps("16x0e"),
            MLP_irreps=modules.blocks.o3.Irreps("16x0e"),
        )

    def train(self, dataset: Dataset, n_steps: int, seed: int) -> None:
        """Train for some steps of falling size."""
        rng = np.random.default_rng(seed)
        reader = MACEPotential(self.model, "cpu")
        graphs = [reader.build_graph(dataset[i : i + 1]) for i in range(len(dataset))]
        optimiser = torch.optim.Adam(self.model.parameters(), lr=0.01, amsgrad=True)
        decay = 0.05 ** (1 / n_steps)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, decay)
        order = np.empty(0, dtype=int)
        for _ in range(n_steps):
            if len(order) < BATCH:
                order = rng.permutation(len(dataset))
            rows, order = order[:BATCH], order[BATCH:]
            given = reader._tensors(NeighbourGraph.joined([graphs[i] for i in rows]))
            out = self.model(given, training=True)
            batch = dataset[rows]
            sizes = torch.tensor(batch.n_atoms, dtype=torch.float32)
            energy = torch.tensor(batch.energy, dtype=torch.float32)
            forces = torch.tensor(batch.forces, dtype=torch.float32)
            loss = 10 * (((out["energy"] - energy) / sizes) ** 2).mean()
            loss = loss + ((out["forces"] - forces) ** 2).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
            optimiser.step()
            schedule.step()
