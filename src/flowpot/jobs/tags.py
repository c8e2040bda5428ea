"""Metadata that flowpot writes, and that a campaign is read back by."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from jobflow import Flow, Job

from flowpot.jobs.declaration import JobName

ROLE = "flowpot_role"
"""Key of what a job is to its campaign: names, which users may change, do not tell."""
PART = "part"
"""Role of a job that neither gives a result nor runs an engine of flowpot's."""
TAGS = frozenset(
    {
        *(ROLE, "campaign", "campaign_uuid", "campaign_run", "campaign_runs"),
        *("stage", "iteration", "frames", "refined_frames"),
    }
)
"""Keys of the metadata that are flowpot's own."""

_ENGINES = frozenset(
    {
        *(JobName.QE_STATIC, JobName.MACE_TRAIN, JobName.METATRAIN_TRAIN),
        *(JobName.LAMMPS_MD, JobName.BATCHED_MD),
    }
)


def set_role(job: Job, role: str | None = None) -> None:
    """
    Give a job a role, unless it has one.

    Parameters
    ----------
    job
        The job, under the name that it was made with: users add to it later.
    role
        The role. None: that of an engine by the job's name, or by the name that jobs
        of its Maker usually have; else `PART`.
    """
    if role is None:
        usual = [vars(kind).get("name") for kind in type(job.maker).__mro__]
        names = (name for name in (job.name, *usual) if name in _ENGINES)
        role = next(names, PART)
    job.metadata.setdefault(ROLE, str(role))


def without_tags(update: Mapping[str, Any], *, dict_mod: bool) -> dict[str, Any]:
    """
    Leave out what an update of metadata would change in flowpot's own.

    Parameters
    ----------
    update
        Argument of jobflow's ``update_metadata``.
    dict_mod
        Whether it is in jobflow's language of modifications.
    """
    if not dict_mod:
        return {key: value for key, value in update.items() if key not in TAGS}
    return {
        action: type(changes)(
            {path: changes[path] for path in changes if _key(path) not in TAGS}
            if isinstance(changes, Mapping)
            else (path for path in changes if _key(path) not in TAGS)
        )
        for action, changes in update.items()
    }


def keep_tags(job: Job, tags: Mapping[str, Any]) -> None:
    """
    Give a job flowpot's tags, and only these; they hold for all jobs that it appends.

    What users have updated is kept under keys other than :data:`TAGS`.

    Parameters
    ----------
    job
        The job.
    tags
        Its tags.
    """
    job.metadata = {**without_tags(job.metadata, dict_mod=False), **tags}
    job.metadata_updates = [
        known | {"update": without_tags(known["update"], dict_mod=known["dict_mod"])}
        for known in job.metadata_updates
    ]


class StoredAsFlow(Flow):
    """A Flow that is stored as a plain one."""

    def as_dict(self) -> dict[str, Any]:
        """Return what is stored."""
        return super().as_dict() | {"@module": Flow.__module__, "@class": "Flow"}


class TaggedFlow(StoredAsFlow):
    """A Flow whose users update any metadata but flowpot's own."""

    def update_metadata(
        self,
        update: dict[str, Any],
        name_filter: Any = None,
        function_filter: Any = None,
        dict_mod: bool = False,
        dynamic: bool = True,
        callback_filter: Callable[[Flow | Job], bool] | None = None,
    ) -> None:
        """Update metadata as jobflow does; a warning names keys that are left out."""
        if taken := _tags_in(update, dict_mod=dict_mod):
            warnings.warn(
                f"metadata {', '.join(taken)}: flowpot writes what is there, to read "
                "the campaign back by, and it stays; use other keys",
                stacklevel=2,
            )
        kept = without_tags(update, dict_mod=dict_mod)
        filters = (name_filter, function_filter)
        super().update_metadata(kept, *filters, dict_mod, dynamic, callback_filter)


def _tags_in(update: Mapping[str, Any], *, dict_mod: bool) -> list[str]:
    """List the keys of flowpot's own that an update would change."""
    paths = (path for changes in update.values() for path in changes)
    return sorted(TAGS.intersection(map(_key, paths) if dict_mod else update))


def _key(path: str) -> str:
    """Return the key of the metadata that a path of jobflow's modifications names."""
    return path.split("->", 1)[0]
