"""Strain: of the periodic directions only, so that vacuum stays as it is."""

from typing import Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

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
        Periodic in one direction at least, for anything to happen.
    rng
        Where the randomness comes from.
    limits
        The strain e is uniform between these; (-0.2, 0.6) is the default of AiiDA-
        TrainsPot. Lengths change by the factor 1 + e.
    mode
        `isotropic`: all periodic directions alike. `uniaxial`: along one direction
        drawn at random among the periodic ones. `shear`: an engineering shear e
        between two such directions.

    Returns
    -------
    Atoms
        The strained copy: the atoms move with the cell.

    Examples
    --------
    >>> from ase.build import graphene
    >>> sheet = graphene(vacuum=7.5)
    >>> strained = strain(sheet, np.random.default_rng(0))
    >>> bool(strained.cell[2, 2] == sheet.cell[2, 2])
    True
    """
    check_strain_limits(limits)
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
    """
    deformed = atoms.copy()
    deformed.calc = None
    deformed.set_cell(atoms.cell @ matrix.T)
    deformed.positions = atoms.positions @ matrix.T
    return deformed


def deformations(
    cell: NDArray[np.float64],
    pbc: NDArray[np.bool_],
    amounts: NDArray[np.float64],
    rng: np.random.Generator,
    mode: StrainMode = "isotropic",
) -> NDArray[np.float64]:
    """
    Return the deformation gradients of some strains.

    Parameters
    ----------
    cell
        Cell vectors as rows, shape (3, 3), in A.
    pbc
        Which of them are periodic, shape (3,).
    amounts
        The strains e, shape (n,).
    rng
        Draws the directions of uniaxial and shear strain.
    mode
        As in `strain`.

    Returns
    -------
    numpy.ndarray
        Shape (n, 3, 3). With P the projector on the span of the periodic vectors and
        m, n orthonormal vectors of that span: ``I + e P`` (isotropic), ``I + e n n^T``
        (uniaxial), ``I + e/2 (m n^T + n m^T)`` (shear). What is orthogonal to the span,
        vacuum and all, is not deformed.
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
        tensors = _directed(span, len(amounts), rng, mode)
    return np.eye(3) + amounts[:, None, None] * tensors


def periodic_span(
    cell: NDArray[np.float64], pbc: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return an orthonormal basis of the span of the periodic vectors, as rows."""
    return np.linalg.qr(np.asarray(cell)[np.asarray(pbc)].T)[0].T


def check_strain_limits(limits: tuple[float, float]) -> None:
    """Refuse strains that turn a crystal inside out, or an empty range."""
    low, high = limits
    if not -1 < low <= high:
        raise ValueError(
            f"strain is ({low}, {high}): give (lowest, highest) with lowest above -1, "
            "for example (-0.2, 0.6)"
        )


def _directed(
    span: NDArray[np.float64], n: int, rng: np.random.Generator, mode: StrainMode
) -> NDArray[np.float64]:
    """Return n tensors of unit strain along random directions of a span."""
    vectors = rng.normal(size=(n, 2, len(span))) @ span
    one = vectors[:, 0] / np.linalg.norm(vectors[:, 0], axis=1, keepdims=True)
    if mode == "uniaxial":
        return one[:, :, None] * one[:, None, :]
    other = vectors[:, 1] - (vectors[:, 1] * one).sum(axis=1, keepdims=True) * one
    other /= np.linalg.norm(other, axis=1, keepdims=True)
    outer = one[:, :, None] * other[:, None, :]
    return 0.5 * (outer + outer.transpose(0, 2, 1))
