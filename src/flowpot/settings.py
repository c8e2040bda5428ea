"""Settings: what differs from machine to machine, never the science."""

import os
from pathlib import Path

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from flowpot.validation import nearest


class FlowpotSettings(BaseSettings):
    """
    Machine-dependent settings of flowpot.

    Each is read from the environment variable ``FLOWPOT_<NAME>`` or, failing that,
    from ``~/.flowpot.yaml`` (another file: ``FLOWPOT_CONFIG_FILE``).

    Examples
    --------
    >>> FlowpotSettings(PW_CMD="mpirun.openmpi -np 4 pw.x").PW_CMD
    'mpirun.openmpi -np 4 pw.x'
    """

    PW_CMD: str = Field(
        "pw.x",
        description="How pw.x is started, launcher included. Name the launcher of "
        "the MPI that pw.x is linked to in full (`mpirun.openmpi -np 4 pw.x`): the "
        "mpich wheel puts its own mpirun first on the path.",
    )
    PSEUDO_DIR: Path | None = Field(
        None, description="Folder in which pseudopotential families are looked up."
    )
    LABEL_CACHE: Path | None = Field(
        None,
        description="Folder where finished labels are kept by what was asked of pw.x, "
        "for Makers without a `cache` of their own. A run that follows a killed one "
        "then does no finished label again, not even of a batch that was killed.",
    )
    TRAINING_CACHE: Path | None = Field(
        None,
        description="Folder, seen by all workers that train, where trainings are kept "
        "until they have ended, for Makers without a `cache` of their own. A job that "
        "runs in the place of a killed one then goes on with them.",
    )
    MD_CACHE: Path | None = Field(
        None,
        description="Folder, seen by all workers that run molecular dynamics, where "
        "trajectories are kept until they have ended, for Makers without a `cache` of "
        "their own. A job that runs in the place of a killed one then goes on with "
        "them.",
    )
    MD_WORKERS: int | None = Field(
        None,
        ge=1,
        description="How many jobs of molecular dynamics run at the same time here: "
        "trajectories are shared out among so many. None: a job has as many as make "
        "its start-up negligible.",
    )
    ARTIFACT_ROOT: str | None = Field(
        None,
        description="fsspec URL under which artifacts (datasets, models) are kept. "
        "None keeps them inline, in the JobStore's `data` store.",
    )
    SIGNING_KEY: SecretStr | None = Field(
        None,
        description="Secret with which datasets and models are signed as they are "
        "made. Where it is set, nothing is read from a store without a signature by "
        "it: model files can run code. Set the same on all workers.",
    )
    DEVICE: str = Field(
        "auto", description="torch device of models: auto, cpu, cuda, cuda:1 ..."
    )

    @field_validator("PSEUDO_DIR", "LABEL_CACHE", "TRAINING_CACHE", "MD_CACHE")
    @classmethod
    def _is_the_same_for_all_jobs(cls, path: Path | None) -> Path | None:
        if path is None or path.expanduser().is_absolute():
            return path
        raise ValueError(
            f"{str(path)!r} is a relative path, and each job runs in a folder of its "
            f"own: set an absolute one, such as {str(path.absolute())!r}"
        )

    model_config = SettingsConfigDict(env_prefix="FLOWPOT_", extra="ignore")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment variables before the YAML file."""
        del dotenv_settings, file_secret_settings
        file_name = os.environ.get("FLOWPOT_CONFIG_FILE", "~/.flowpot.yaml")
        path = Path(file_name).expanduser()
        try:
            file = YamlConfigSettingsSource(settings_cls, yaml_file=path)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: this is not YAML: {error}") from error
        for name in file.yaml_data:
            if name not in cls.model_fields:
                raise ValueError(
                    f"{path} has {name!r}{nearest(name, cls.model_fields)}: settings "
                    f"are {', '.join(cls.model_fields)}"
                )
        return init_settings, env_settings, file


def get_settings() -> FlowpotSettings:
    """
    Read the settings from the environment and the file.

    They are read at each call, not once per process: a worker, a test or a notebook
    may change its environment.

    Raises
    ------
    ValueError
        If a setting has no valid value, with its name and the remedy.
    """
    try:
        return FlowpotSettings()
    except ValidationError as error:
        first = error.errors()[0]
        what = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"FLOWPOT_{first['loc'][0]}: {what}") from error


def fixed_path(path: str | None) -> str | None:
    """
    Return a path as an absolute one, since jobs run in other folders.

    ``~`` stays: it may be another on the machine where the job runs.

    Parameters
    ----------
    path
        Path given by a user, relative to the present folder. None stays None.
    """
    if not path or path.startswith("~"):
        return path
    return str(Path(path).absolute())
