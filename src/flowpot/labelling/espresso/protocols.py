"""How well a label is converged: the three protocols."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Protocol:
    """
    Numerical parameters of a pw.x calculation.

    Parameters
    ----------
    kpoints_distance
        Largest distance of neighbouring k-points, 2 pi included (1/A).
    degauss
        Width of the cold smearing (Ry).
    conv_thr_per_atom
        SCF threshold on the estimated energy error, per atom (Ry).
    mixing_beta
        Fraction of the new density that is mixed in.
    electron_maxstep
        SCF iterations before pw.x gives up.

    Notes
    -----
    Values of Nascimento et al. 2025 as aiida-quantumespresso >= 4.10 has them. Its
    thresholds of relaxations have no use here: a label is a single point.
    """

    kpoints_distance: float
    degauss: float
    conv_thr_per_atom: float
    mixing_beta: float = 0.4
    electron_maxstep: int = 80


def get_protocol(name: str) -> Protocol:
    """
    Return a protocol by its name.

    Parameters
    ----------
    name
        ``"stringent"``, ``"balanced"`` or ``"fast"``.

    Examples
    --------
    >>> get_protocol("fast").kpoints_distance
    0.3
    """
    protocols = {
        "stringent": Protocol(0.10, 0.0125, 1e-10),
        "balanced": Protocol(0.15, 0.02, 2e-10),
        "fast": Protocol(0.30, 0.0275, 4e-10),
    }
    if name not in protocols:
        raise ValueError(f"protocol is {name!r}: use one of {', '.join(protocols)}")
    return protocols[name]
