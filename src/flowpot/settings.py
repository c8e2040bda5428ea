"""Settings: what differs from machine to machine, never the science."""

import os
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from flowpot.redaction import redact
from flowpot.validation import device as check_device
from flowpot.validation import nearest
from flowpot.yaml_file import ConfigurationError, read_yaml

_PREFIX = "FLOWPOT_"
_FILE_VARIABLE = "FLOWPOT_CONFIG_FILE"
_USUAL_FILE = "~/.flowpot.yaml"


class FlowpotSettings(BaseSettings):
    """
    Machine-dependent settings of flowpot.

    Each is read from the environment variable ``FLOWPOT_<NAME>`` or, failing that,
    from ``~/.flowpot.yaml`` (another file: ``FLOWPOT_CONFIG_FILE``). An environment
    variable that is empty counts as unset.

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

    @field_validator("*")
    @classmethod
    def _is_not_blank(cls, value: Any) -> Any:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str | Path) and not str(text).strip():
            raise ValueError("it is empty: give a value, or leave the setting out")
        return value

    @field_validator("DEVICE")
    @classmethod
    def _is_a_device(cls, value: str) -> str:
        check_device(it=value)
        return value

    @field_validator("PSEUDO_DIR", "LABEL_CACHE", "TRAINING_CACHE", "MD_CACHE")
    @classmethod
    def _is_the_same_for_all_jobs(cls, path: Path | None) -> Path | None:
        if path is None:
            return path
        if not path.expanduser().is_absolute():
            raise ValueError(
                f"{str(path)!r} is a relative path, and each job runs in a folder of "
                f"its own: set an absolute one, such as {str(path.absolute())!r}"
            )
        if path.expanduser().is_file():
            raise ValueError(f"{str(path)!r} is a file: set a folder")
        return path

    # Without hiding, the text of pydantic's error would hold the signing key.
    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

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
        file = InitSettingsSource(settings_cls, _settings_in_file())
        return init_settings, env_settings, file


def _settings_file() -> Path:
    """
    Return the path of the settings file, which need not exist if it is the usual one.

    Raises
    ------
    ValueError
        If the user named a path that is not absolute, or where no file is.
    """
    named = os.environ.get(_FILE_VARIABLE)
    path = Path(named or _USUAL_FILE).expanduser()
    place = f"{_FILE_VARIABLE if named else 'the settings file'} is {str(path)!r}"
    if not path.is_absolute():
        raise ValueError(
            f"{place}, a relative path, and each job runs in a folder of its own: set "
            f"an absolute one, such as {str(path.absolute())!r}"
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"{place}, which is no file: name a YAML file")
    if named and not path.exists():
        raise ValueError(
            f"{place}, and there is no such file: correct the path, or unset the "
            f"variable to use {_USUAL_FILE}"
        )
    return path


def _settings_in_file() -> dict[str, Any]:
    """
    Read the settings of the file by their names.

    Raises
    ------
    ConfigurationError
        If it is not YAML, or has what is no setting.
    """
    path = _settings_file()
    if not path.exists():
        return {}
    content = read_yaml(path, "PW_CMD: mpirun -np 4 pw.x", may_be_empty=True)
    known = FlowpotSettings.model_fields
    for name in content:
        if name not in known:
            raise ConfigurationError(
                str(path),
                f"it has {name!r}{nearest(str(name), known)}: settings are "
                f"{', '.join(known)}",
            )
    return content


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
        raise ValueError(_described(error)) from error


def _described(error: ValidationError) -> str:
    """Return the place of the first wrong setting, its value unless secret, and why."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    variable = f"{_PREFIX}{name}"
    variables = {key.upper() for key, value in os.environ.items() if value}
    place = variable if variable in variables else f"{_settings_file()}: {name}"
    problem = first["msg"].removeprefix("Value error, ")
    problem = problem.replace("Input should be", "it must be")
    problem = problem.replace("a valid string", "text (quote it in the file)")
    if SecretStr in get_args(FlowpotSettings.model_fields[name].annotation):
        return f"{place} does not fit: {problem}"
    if first["type"] == "value_error":  # raised above, with the value
        return f"{place}: {problem}"
    return f"{place} is {redact(repr(first['input']))}: {problem}"


def fixed_path(path: str | Path | None) -> str | None:
    """
    Return a path as an absolute one, since jobs run in other folders.

    ``~`` stays: it may be another on the machine where the job runs.

    Parameters
    ----------
    path
        Path given by a user, relative to the present folder. None stays None.
    """
    if not path or str(path).startswith("~"):
        return None if path is None else str(path)
    return str(Path(path).absolute())


def given_path(path: str | Path) -> Path:
    """Return a path that a user has given, with the home folder in place of ``~``."""
    return Path(path).expanduser()
