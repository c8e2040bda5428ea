"""Removing the interaction of molecules and slabs with their periodic images."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from flowpot.dataset.geometry.vacuum import widest_gap

_ALONG = 1e-6  # A: tolerance for axes that lie along x, y and z
_TAIL = 3.0  # A: extent of the density beyond the outermost atoms
_ROUND = 1e-6  # A: tolerance for the size of boxes

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
    A frame as pw.x gets it, so that images along open axes do not interact.

    Open axes are those that are not periodic.

    Parameters
    ----------
    atoms
        The frame, with more vacuum or rotated if the method needs it.
    keys
        Keys of the namelist SYSTEM.
    rotation
        Rotation of the frame's vectors into those of `atoms`, shape (3, 3).
    volume_ratio
        Volume of the cell of `atoms` over that of the frame.
    note
        Warning for the label's document, None if there is none.
    """

    atoms: Atoms
    keys: dict[str, Any] = field(default_factory=dict)
    rotation: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    volume_ratio: float = 1.0
    note: str | None = None

    def forces_of_frame(self, forces: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rotate pw.x's forces, shape (n_atoms, 3), back into the frame's axes."""
        return forces @ self.rotation

    def stress_of_frame(self, stress: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Return pw.x's stress, shape (3, 3), for the frame's own axes and volume.

        Components along open axes are those of the vacuum, and mean nothing.
        """
        return self.volume_ratio * self.rotation.T @ stress @ self.rotation


def checked_isolation(choice: str | None) -> str | None:
    """
    Return the name of a method as pw.x spells it.

    Raises
    ------
    ValueError
        If pw.x does not have the method, or cannot apply it to flowpot's cells; with
        the methods there are.
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


def check_dipole(
    isolation: str | None, correct_dipole: bool, *, is_set: bool = False
) -> None:
    """
    Refuse to remove the field of a slab's dipole twice: forces would be wrong.

    Parameters
    ----------
    isolation
        Name of a method: see `checked_isolation`.
    correct_dipole
        Whether slabs get a dipole correction.
    is_set
        Whether the user's own namelists ask for it.

    Raises
    ------
    ValueError
        If both are to act on slabs. Martyna and Tuckerman's method does not: it is
        for molecules, which get no dipole correction.
    """
    if isolation in (None, _MARTYNA_TUCKERMAN) or not (correct_dipole or is_set):
        return
    name = "correct_dipole" if correct_dipole else "dipfield in user_settings"
    raise ValueError(
        f"{name} is True and assume_isolated is {isolation!r}, which removes the field "
        "of a slab's dipole, too: it would be corrected twice. Leave one of them out"
    )


def isolated_frame(atoms: Atoms, choice: str | None) -> IsolatedFrame:
    """
    Choose how pw.x removes the interaction with periodic images.

    Parameters
    ----------
    atoms
        The frame. Fully periodic frames stay as they are.
    choice
        ``"auto"``: Martyna and Tuckerman, J. Chem. Phys. 110, 2810 (1999), without
        periodic axes; the 2D cutoff of Sohier et al., Phys. Rev. B 96, 075448 (2017),
        with two. Both are valid if the box is twice as long as the charge along every
        open axis, and the open axis of a slab is z: otherwise pw.x gets more vacuum,
        or a rotated frame. Another value is a method by name. None: no correction.

    Raises
    ------
    ValueError
        If a method was chosen by name for which the frame is not fit.
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
    """Rotate a frame, and enlarge its box along open axes, as a method needs it."""
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
    Rotate periodic axes into the xy plane, and make the open axis perpendicular to it.

    The box of a frame without periodic axes becomes orthogonal: its shape has no
    meaning. A frame that lies so already is returned itself.

    Returns
    -------
    frame
        The rotated frame.
    rotation
        Its rotation, shape (3, 3).
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
    """Rotate a slab, and centre it at z = 0, as an effective screening medium needs."""
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
    Choose the sawtooth potential that cancels the field of a slab's dipole.

    See Bengtsson, Phys. Rev. B 59, 12301 (1999). The sawtooth changes its sign in the
    middle of the vacuum, within a tenth of it.

    Returns
    -------
    dict
        Keys of the namelists; empty if the frame has not exactly one open axis.
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
