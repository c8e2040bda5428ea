"""What engines say of the labels that they give: warnings, and remedies applied."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flowpot.documents import field_of
from flowpot.labelling.document import Remark

MOST_REMARKS = 20
"""Different remarks that a document lists; it counts the rarer ones together."""

NO_FREE_ENERGY = (
    "VASP's document has no ionic steps: its energy is the one extrapolated to zero "
    "smearing, of which forces and stress are not quite the gradient. Leave "
    "store_trajectory at 'no' in the Maker's task_document_kwargs"
)

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eEdD][-+]?\d+)?")
_OTHERS = "others, which the documents of the frames state"
_Key = tuple[str, str]  # kind, and text without its numbers


@dataclass
class Remarks:
    """
    Counts of remarks; those that differ in their numbers only are one.

    Examples
    --------
    >>> remarks = Remarks()
    >>> remarks.add({"warnings": ["charge is 7.99, not 8"], "corrections": []})
    >>> remarks.add({"warnings": ["charge is 7.98, not 8"], "corrections": []})
    >>> [(remark.text, remark.n_frames) for remark in remarks.most_frequent()]
    [('charge is 7.99, not 8', 2)]
    """

    _known: dict[_Key, Remark] = field(default_factory=dict)

    def add(self, document: Any) -> None:
        """Count the remarks on one frame, whose document, or run, says them."""
        said = {
            "warning": texts_of(field_of(document, "warnings")),
            "remedy": remedies_of(field_of(document, "corrections")),
        }
        for kind, texts in said.items():
            once = {_key(kind, text): text for text in reversed(texts)}
            self.include(
                {"kind": kind, "text": text, "n_frames": 1} for text in once.values()
            )

    def include(self, remarks: Iterable[Any]) -> None:
        """Add remarks that were counted before, or their dictionaries."""
        for given in remarks:
            new = Remark.model_validate(given)
            key = _key(new.kind, new.text)
            known = self._known.get(key)
            if known is not None:  # in its words
                n_frames = known.n_frames + new.n_frames
                new = known.model_copy(update={"n_frames": n_frames})
            self._known[key] = new

    def most_frequent(self) -> list[Remark]:
        """Return the remarks, the most frequent ones first, and what is left out."""
        known = self._known.values()
        ordered = sorted(known, key=lambda one: (one.text == _OTHERS, -one.n_frames))
        shown, rare = ordered[:MOST_REMARKS], Remarks()
        rare.include(
            one.model_copy(update={"text": _OTHERS}) for one in ordered[MOST_REMARKS:]
        )
        return [*shown, *rare._known.values()]


def texts_of(said: Any) -> list[str]:
    """Return what a Maker's document says there: one text, several, or none."""
    return [said] if isinstance(said, str) else [str(text) for text in said or []]


def remedies_of(corrections: Any) -> list[str]:
    """Return what was changed: of a batch's run as text, else of its Corrections."""
    actions: list[str] = []
    for each in corrections or []:
        said = each if isinstance(each, str) else field_of(each, "actions")
        actions += texts_of(said)
    return actions


def _key(kind: str, text: str) -> _Key:
    return kind, _NUMBER.sub("#", text)
