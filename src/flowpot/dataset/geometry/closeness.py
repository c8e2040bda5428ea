"""
Limits under which two atoms are too close, the same in all stages.

Distances are fractions of the sum of the two covalent radii (Cordero et al. 2008, in
ASE). There are two limits, since atoms may be closer in a frame that is accepted than
in one that is worth making. A trajectory, or a user, may bring atoms to half the sum of
their radii for a reason, and the potential has to learn what happens there; below
that, electronic structure codes give numbers without meaning. Frames drawn at random
have no such reason: between the two limits most have forces beyond what labelling
keeps (100 eV/A), so that their labels are paid for and thrown away.

The shortest bonds of crystals and molecules, in terms of these radii, are the multiple
bonds of heavy elements: 0.67 in uranyl, UO2. For such systems, choose a lower limit for
frames that are made.

The field of every stage is None by default, which means the limit given here. Frames
pass from stage to stage, and no stage may make what the next does not accept.
"""

MIN_DISTANCE = 0.5
"""Atoms closer than this are unphysical: molecular dynamics ends, frames are neither
selected nor labelled."""
MIN_DISTANCE_MADE = 0.66
"""Augmentation makes no frame whose atoms are closer than this; at least
`MIN_DISTANCE`."""


def accepted_distance(given: float | None) -> float:
    """Return the limit of a stage that accepts frames; None is `MIN_DISTANCE`."""
    return MIN_DISTANCE if given is None else given


def made_distance(given: float | None) -> float:
    """Return the limit of a stage that makes frames; None is `MIN_DISTANCE_MADE`."""
    return MIN_DISTANCE_MADE if given is None else given


def check_distance(**fields: float | None) -> None:
    """
    Check that limits are fractions of the sum of covalent radii.

    Parameters
    ----------
    **fields
        Limits by the names of their fields; None is the common limit, 0 is no limit.

    Raises
    ------
    ValueError
        Where one is not in [0, 1).
    """
    for name, value in fields.items():
        if value is not None and not 0 <= value < 1:
            raise ValueError(
                f"{name} is {value}: use a fraction of the sum of covalent radii, from "
                "0 to below 1, or None for the limit that all stages have in common"
            )


def check_handed_on(made: tuple[str, float], accepted: tuple[str, float]) -> None:
    """
    Check that a stage makes no frames that the next does not accept.

    Parameters
    ----------
    made, accepted
        Name of the field, and limit, of the stage that makes frames, and of the one
        that they go to.

    Raises
    ------
    ValueError
        Where the first limit is below the second.
    """
    if made[1] < accepted[1]:
        raise ValueError(
            f"{made[0]} is {made[1]:g} and {accepted[0]} is {accepted[1]:g}: frames "
            "with atoms as close as the first allows would be made in vain, since the "
            f"second refuses them. Raise {made[0]}, lower {accepted[0]}, or leave both "
            "out (None)"
        )
