"""Strain along periodic directions only, so that vacuum stays as it is."""

from typing import Any, Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset.electronic_state import bare
from flowpot.validation import bounds

StrainMode = Literal["isotropic", "uniaxial", "shear"]
STRAIN_MODES: tuple[StrainMode, ...] = ("isotropic", "uniaxial", "shear")


def strain(
    atoms: Atoms,
    rng: np.random.Generator,
    *,
    limits: tuple[float, float] = (-0.2, 0.6),
    mode: StrainMode = "isotropic",
) -> Atoms:
    """
    Strain a structure by a random amount, along its periodic directions only.

    Parameters
    ----------
    atoms
        The structure. One without periodic directions is not strained.
    rng
        Source of randomness.
    limits
        Lowest and highest strain, between which the strain e is uniform. Lengths change
        by the factor 1 + e. (-0.2, 0.6) is the default of AiiDA-TrainsPot.
    mode
        ``"isotropic"`` for all periodic directions alike, ``"uniaxial"`` for a random
        direction in their span, ``"shear"`` for an engineering shear e between two
        random directions in their span.

    Returns
    -------
    Atoms
        A strained copy, in which the atoms have moved with the cell. It has no labels,
        metadata or constraints.

    Raises
    ------
    ValueError
        If limits are no two numbers above -1, the lowest first; if a structure with
        one periodic direction is to be sheared.

    Examples
    --------
    >>> from ase.build import graphene
    >>> sheet = graphene(vacuum=7.5)
    >>> strained = strain(sheet, np.random.default_rng(0))
    >>> bool(strained.cell[2, 2] == sheet.cell[2, 2])
    True
    """
    check_strain(limits=limits)
    amount = rng.uniform(*limits, size=1)
    return deform(atoms, deformations(atoms.cell, atoms.pbc, amount, rng, mode)[0])


def deform(atoms: Atoms, matrix: NDArray[np.float64]) -> Atoms:
    """
    Apply a deformation gradient to a structure.

    Parameters
    ----------
    atoms
        The structure.
    matrix
        Deformation gradient F, shape (3, 3): every vector x becomes F x.

    Returns
    -------
    Atoms
        A deformed copy, without labels, metadata and constraints.
    """
    cell, positions = atoms.cell @ matrix.T, atoms.positions @ matrix.T
    return bare(atoms, cell=cell, positions=positions)


def deformations(
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    amounts: NDArray[np.float64],
    rng: np.random.Generator,
    mode: StrainMode = "isotropic",
) -> NDArray[np.float64]:
    """
    Return the deformation gradients of strains along periodic directions.

    Parameters
    ----------
    cell
        Cell vectors as rows in A, shape (3, 3).
    pbc
        Which cell vectors are periodic, shape (3,).
    amounts
        The strains e, shape (n,).
    rng
        Source of randomness, for the directions of uniaxial and shear strain.
    mode
        Kind of strain, as in `strain`.

    Returns
    -------
    numpy.ndarray
        Shape (n, 3, 3). With P the projector on the span of the periodic vectors and
        m, n orthonormal vectors of that span: ``I + e P`` (isotropic), ``I + e n n^T``
        (uniaxial), ``I + e/2 (m n^T + n m^T)`` (shear). Directions orthogonal to the
        span, such as that of vacuum, are not deformed.

    Raises
    ------
    ValueError
        If there is no such mode, or a structure with one periodic direction is to be
        sheared.
    """
    if mode not in STRAIN_MODES:
        raise ValueError(f"strain mode is {mode!r}: use one of {STRAIN_MODES}")
    span = periodic_span(cell, pbc)
    if mode == "shear" and len(span) == 1:
        raise ValueError(
            "strain mode 'shear' needs two periodic directions and this structure has "
            "one: use 'uniaxial'"
        )
    if not len(span):
        return np.tile(np.eye(3), (len(amounts), 1, 1))
    if mode == "isotropic":
        tensors = np.broadcast_to(span.T @ span, (len(amounts), 3, 3))
    else:
        vectors = rng.normal(size=(len(amounts), 2, len(span))) @ span
        m = vectors[:, 0] / np.linalg.norm(vectors[:, 0], axis=1, keepdims=True)
        tensors = m[:, :, None] * m[:, None, :]
        if mode == "shear":
            n = vectors[:, 1] - (vectors[:, 1] * m).sum(axis=1, keepdims=True) * m
            n /= np.linalg.norm(n, axis=1, keepdims=True)
            outer = m[:, :, None] * n[:, None, :]
            tensors = 0.5 * (outer + outer.transpose(0, 2, 1))
    return np.eye(3) + amounts[:, None, None] * tensors


def periodic_span(
    cell: NDArray[np.float64], pbc: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return an orthonormal basis of the span of the periodic vectors, as rows."""
    return np.linalg.qr(np.asarray(cell)[np.asarray(pbc)].T)[0].T


def check_strain(**fields: Any) -> None:
    """Refuse limits of strains that leave no volume (-1 or less), or no range."""
    bounds(-1, **fields)
