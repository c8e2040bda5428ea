"""What every stage's document has in common."""

from importlib.metadata import PackageNotFoundError, version

from pydantic import BaseModel, ConfigDict, Field


class StageDoc(BaseModel):
    """
    Output of a flowpot job: the small numbers that people query.

    Frames and models travel in it as :class:`flowpot.Artifact`, never as lists.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    seconds: float = Field(0.0, description="wall time of the job's own work (s)")
    versions: dict[str, str] = Field(
        default_factory=dict, description="versions of the packages that did it"
    )
    failure: str | None = Field(
        None, description="why a stage of a campaign gave no result; None: it did"
    )


def package_versions(*names: str) -> dict[str, str]:
    """Versions of flowpot and of the named distributions, where installed."""
    found = {}
    for name in ("flowpot", *names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
