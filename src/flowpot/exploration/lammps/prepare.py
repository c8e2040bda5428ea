"""Check what an engine of LAMMPS is asked to do."""

from flowpot.exploration.lammps.potential import PAIR_STYLES


def check_engine(engine: str, device: str, check_interval: int | None) -> None:
    """Refuse an engine that there is not, or that cannot do what is asked of it."""
    engines = ("python", *PAIR_STYLES)
    if engine not in engines:
        raise ValueError(f"engine is {engine!r}: use one of {', '.join(engines)}")
    if engine != "python" and check_interval is not None:
        raise ValueError(
            f"check_interval is {check_interval} and engine {engine!r}: only the "
            "'python' engine can evaluate the committee along the way"
        )
    if engine != "python":
        PAIR_STYLES[engine](device)
