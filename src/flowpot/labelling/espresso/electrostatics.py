"""Periodic images that are not there: molecules, slabs, dipoles."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset.geometry.vacuum import widest_gap

_ALONG = 1e-6  # A: how exactly axes are to lie along x, y and z
_TAIL = 3.0  # A: how far the density reaches beyond the outermost atoms
_ROUND = 1e-6  # A: boxes that are too small by less are large enough

_MARTYNA_TUCKERMAN = "martyna-tuckerman"
_NAMES = {
    "auto": "auto",
    "2d": "2D",
    "esm": "esm",
    _MARTYNA_TUCKERMAN: _MARTYNA_TUCKERMAN,
    "m-t": _MARTYNA_TUCKERMAN,
    "mt": _MARTYNA_TUCKERMAN,
}


@dataclass(frozen=True)
class IsolatedFrame:
    """
    What pw.x gets of a frame, so that images along open axes are removed.

    Parameters
    ----------
    atoms
        The frame as pw.x gets it: with more vacuum, or turned, where need be.
    keys
        Keys of the namelist SYSTEM.
    rotation
        Turns vectors of the frame into those of `atoms`, shape (3, 3).
    volume_ratio
        Volume of `atoms` over that of the frame.
    note
        What is to be said about it; None: nothing.
    """

    atoms: Atoms
    keys: dict[str, Any] = field(default_factory=dict)
    rotation: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    volume_ratio: float = 1.0
    note: str | None = None

    def forces_of_frame(self, forces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn pw.x's forces (eV/A) back into the frame's axes."""
        return forces @ self.rotation

    def stress_of_frame(self, stress: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Refer pw.x's stress, shape (3, 3), to the frame's own axes and volume.

        Components along open axes are those of the vacuum, and mean nothing.
        """
        return self.volume_ratio * self.rotation.T @ stress @ self.rotation


def checked_isolation(choice: str | None) -> str | None:
    """
    Return the choice as pw.x spells it; refuse what it does not know or cannot do.

    Raises
    ------
    ValueError
        With the values there are.
    """
    if choice is None or str(choice).lower() == "none":
        return None
    name = str(choice).lower()
    if name in ("makov-payne", "m-p", "mp"):
        raise ValueError(
            f"assume_isolated is {choice!r}: pw.x corrects so only where ibrav gives a "
            "cubic cell, and flowpot writes cells in full. Use 'martyna-tuckerman'"
        )
    if name not in _NAMES:
        values = ", ".join(dict.fromkeys(_NAMES.values()))
        raise ValueError(f"assume_isolated is {choice!r}: use None or one of {values}")
    return _NAMES[name]


def isolated_frame(atoms: Atoms, choice: str | None) -> IsolatedFrame:
    """
    Choose how pw.x removes the interaction with periodic images.

    Parameters
    ----------
    atoms
        The frame. Its open axes are those that are not periodic; fully periodic frames
        stay as they are.
    choice
        ``"auto"``: Martyna and Tuckerman, J. Chem. Phys. 110, 2810 (1999), without
        periodic axes, the 2D cutoff of Sohier et al., Phys. Rev. B 96, 075448 (2017),
        with two. Both hold where the box is twice as long as the charge along every
        open axis, and the open axis of a slab is z: pw.x gets more vacuum, or a turned
        frame, where this is not so. Another value: that method, refused where the
        frame is not fit for it. None: nothing.

    Raises
    ------
    ValueError
        Where a method was chosen that the frame is not fit for.
    """
    choice = checked_isolation(choice)
    n_periodic = int(np.count_nonzero(atoms.pbc))
    if choice is None or n_periodic == len(atoms.pbc):
        return IsolatedFrame(atoms)
    if choice == "auto":
        if n_periodic == 0:
            return _with_vacuum(atoms, _MARTYNA_TUCKERMAN)
        if n_periodic == 2:  # noqa: PLR2004
            return _with_vacuum(atoms, "2D")
        return IsolatedFrame(
            atoms,
            note="assume_isolated='auto' has no method for frames with one periodic "
            "axis: their periodic images remain, give them vacuum enough",
        )
    wanted = 0 if choice == _MARTYNA_TUCKERMAN else 2
    if n_periodic != wanted:
        raise ValueError(
            f"assume_isolated is {choice!r}, which is for frames with {wanted} "
            f"periodic axes, not {n_periodic}: use 'auto'"
        )
    if choice == "esm":
        return _centred(atoms)
    fit = _with_vacuum(atoms, choice)
    if fit.atoms is not atoms:
        raise ValueError(
            f"assume_isolated is {choice!r}, for which the box must be orthogonal to "
            "the open axes, z for a slab, and along them twice as long as the atoms "
            f"with {_TAIL:g} A on each side: use 'auto', which gives pw.x such a box"
        )
    return fit


def _with_vacuum(atoms: Atoms, method: str) -> IsolatedFrame:
    """Turn a frame, and enlarge its box along open axes, as far as a method needs."""
    frame, rotation = _turned(atoms)
    lengths = frame.cell.lengths()
    spans = np.ptp(frame.positions, axis=0)
    needed = np.where(frame.pbc, 0.0, 2 * (spans + 2 * _TAIL))
    keys = {"assume_isolated": method}
    if (lengths >= needed - _ROUND).all():
        ratio = frame.cell.volume / atoms.cell.volume
        return IsolatedFrame(frame, keys, rotation, ratio)
    if frame is atoms:
        frame = atoms.copy()
    longer = np.maximum(lengths, needed) / lengths
    frame.set_cell(frame.cell[:] * longer[:, None], scale_atoms=False)
    ratio = frame.cell.volume / atoms.cell.volume
    return IsolatedFrame(frame, keys, rotation, ratio)


def _turned(atoms: Atoms) -> tuple[Atoms, NDArray[np.float64]]:
    """
    Lay periodic axes into the xy plane, and open ones across it along z.

    The box of a frame without periodic axes becomes orthogonal: what it was says
    nothing. A frame that lies so already is returned itself.
    """
    cell = atoms.cell[:]
    if not atoms.pbc.any():
        if np.abs(cell - np.diag(np.diag(cell))).max() < _ALONG:
            return atoms, np.eye(3)
        frame = atoms.copy()
        frame.set_cell(atoms.cell.lengths(), scale_atoms=False)
        return frame, np.eye(3)
    upright = np.abs(np.r_[cell[:2, 2], cell[2, :2]]).max() < _ALONG
    if not atoms.pbc[2] and upright and cell[2, 2] > 0:
        return atoms, np.eye(3)
    open_axis = int(np.flatnonzero(~atoms.pbc)[0])
    first, second = (cell[(open_axis + k) % 3] for k in (1, 2))
    normal = np.cross(first, second)
    height = abs(np.linalg.det(cell)) / np.linalg.norm(normal)
    z = normal / np.linalg.norm(normal)
    x = first / np.linalg.norm(first)
    rotation = np.array([x, np.cross(z, x), z])
    frame = atoms.copy()
    frame.set_cell(
        [rotation @ first, rotation @ second, [0.0, 0.0, height]], scale_atoms=False
    )
    frame.positions = atoms.positions @ rotation.T
    frame.pbc = (True, True, False)
    return frame, rotation


def _centred(atoms: Atoms) -> IsolatedFrame:
    """Turn a slab, and lay its middle at z = 0, as the effective screening medium."""
    frame, rotation = _turned(atoms)
    frame = frame.copy()
    heights = frame.positions[:, 2]
    if np.ptp(heights) + 2 * _TAIL > frame.cell[2, 2] + _ROUND:
        raise ValueError(
            f"assume_isolated is 'esm', but a slab of {np.ptp(heights):.2f} A in a "
            f"cell of {frame.cell[2, 2]:.2f} A has less than {_TAIL:g} A of vacuum on "
            "each side: enlarge the cell"
        )
    frame.positions[:, 2] -= 0.5 * (heights.max() + heights.min())
    ratio = frame.cell.volume / atoms.cell.volume
    return IsolatedFrame(frame, {"assume_isolated": "esm"}, rotation, ratio)


def dipole_correction(atoms: Atoms) -> dict[str, dict[str, Any]]:
    """
    Choose the sawtooth that cancels the field of a slab's dipole.

    Bengtsson, Phys. Rev. B 59, 12301 (1999). It changes its sign in the middle of
    the vacuum, over a tenth of it.

    Returns
    -------
    dict
        Namelists; none where the frame is no slab with exactly one open axis.
    """
    if sum(map(bool, atoms.pbc)) != len(atoms.pbc) - 1:
        return {}
    axis = int(np.flatnonzero(~atoms.pbc)[0])
    gap, end = widest_gap(atoms.get_scaled_positions()[:, axis])
    width, middle = 0.1 * gap, end - 0.5 * gap
    return {
        "control": {"tefield": True, "dipfield": True},
        "system": {
            "edir": axis + 1,
            "emaxpos": round(float((middle - 0.5 * width) % 1.0), 6),
            "eopreg": round(float(width), 6),
            "eamp": 0.0,
        },
    }
