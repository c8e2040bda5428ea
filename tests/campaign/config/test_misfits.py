"""A value of the wrong kind, in any field: said in the words of files."""

import re

import pytest

from flowpot import ActiveLearningMaker
from flowpot.campaign.config.configuration import ConfigurationError, build
from flowpot.campaign.config.fields import (
    annotations_of,
    dataclasses_in,
    named_classes,
)

VALUES = (0.1, True, "text", [1], {"a": 1}, [1, 2, 3, 4, 5], [["a"]])
PYDANTIC = re.compile(r"Input|valid (array|dict|int|str|num|bool)|object|validat|None")


def classes():
    """List all classes whose fields a file may name."""
    found, left = [], [ActiveLearningMaker, *named_classes()]
    while left:
        kind = left.pop()
        if kind not in found:
            found.append(kind)
            for hint in annotations_of(kind).values():
                left += dataclasses_in(hint)
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_no_field_is_refused_in_other_words(kind):
    said = []
    for name in annotations_of(kind):
        for value in VALUES:
            try:
                build(kind, {name: value}, "", None)
            except ConfigurationError as error:
                place, _, problem = str(error).partition(" does not fit: ")
                if problem:
                    assert place.startswith((f"{name}: ", f"{name}["))
                    said.append(problem)
    assert said
    assert [text for text in said if not text.startswith("give ")] == []
    assert [text for text in said if PYDANTIC.search(text)] == []
