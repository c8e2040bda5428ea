"""References to outputs of other jobs."""

from dataclasses import dataclass
from typing import Any

from jobflow import OutputReference
from monty.json import MSONable
from pydantic import BaseModel


@dataclass(frozen=True)
class Pointer(MSONable):
    """
    A reference to an output that jobflow does not resolve.

    The campaign's loop passes on references to shards and models: as an
    ``OutputReference``, each would be read from the store in every iteration.

    Attributes
    ----------
    uuid
        Uuid of the job.
    attributes
        Path into its output in jobflow's form: steps ("a", name) or ("i", index).
    """

    uuid: str
    attributes: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def to(cls, reference: OutputReference) -> "Pointer":
        """Return the pointer that is equivalent to a reference."""
        return cls(reference.uuid, tuple(tuple(step) for step in reference.attributes))

    @property
    def reference(self) -> OutputReference:
        """The equivalent reference, for a job that is to read the output."""
        return OutputReference(
            self.uuid, attributes=tuple(tuple(step) for step in self.attributes)
        )


def with_references(document: BaseModel, **references: Any) -> dict[str, Any]:
    """
    Return a document as a dictionary, with references in place of some fields.

    As the output of a job this copies no outputs of other jobs; jobflow resolves the
    references when the output is read.

    Parameters
    ----------
    document
        The document.
    **references
        References to outputs of other jobs, by the names of the fields.
    """
    fields = document.model_dump(mode="json", exclude=set(references))
    kind = type(document)
    return {
        "@module": kind.__module__,
        "@class": kind.__name__,
        **fields,
        **references,
    }
