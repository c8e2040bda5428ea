"""Pages of the site that are made from flowpot's docstrings, and from its tests."""

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from flowpot.campaign.config.fields import descriptions

REPOSITORY = Path(__file__).parents[1]
SOURCE, TESTS = REPOSITORY / "src/flowpot", REPOSITORY / "tests"

MAKERS = {
    "flowpot": (
        "ActiveLearningMaker",
        "AugmentationMaker",
        "LabellingMaker",
        "EspressoStaticMaker",
        "CommitteeTrainingMaker",
        "MACETrainingMaker",
        "MetatrainTrainingMaker",
        "ExplorationMaker",
        "LammpsMDMaker",
        "BatchedMDMaker",
        "EvaluationMaker",
        "ValidationMaker",
    ),
    "flowpot.labelling.espresso": ("PseudoFamily",),
    "flowpot.evaluation": ("SelectionRules",),
    "flowpot.exploration.sanity": ("SanityLimits",),
    "flowpot.exploration": ("ExplorationChange",),
    "flowpot.augmentation": (
        "Supercells",
        "Distortions",
        "Strains",
        "Vacancies",
        "Clusters",
        "Dimers",
        "Slabs",
        "Alloys",
        "ThermalDisplacements",
        "RandomStructures",
        "Substitution",
    ),
}
_FIELDS_BEGIN = """\
# All fields

What can be set, in Python and (under the same names) in YAML. Units are in the
descriptions. This page is made from the docstrings.
"""
_MESSAGES_BEGIN = """\
# Errors, by message

Every error says what is wrong and what to do. These are the messages that flowpot's
tests assert; `...` stands for a value. Search this page for the words that you see.
This page is made from the code.
"""
_SHORTEST = 12  # characters by which a message is recognised


def write(folder: Path) -> None:
    """Write ``fields.md`` and ``messages.md``."""
    folder.mkdir(exist_ok=True)
    (folder / "fields.md").write_text(fields_page())
    (folder / "messages.md").write_text(messages_page())


def fields_page() -> str:
    """Return a table of fields, defaults and meanings for each Maker and its parts."""
    parts = [_FIELDS_BEGIN]
    for module, names in MAKERS.items():
        for name in names:
            kind = getattr(import_module(module), name)
            parts += [f"## {name}\n", f"{_first(kind)}\n", *_table(kind), ""]
    return "\n".join(parts)


def _first(kind: type) -> str:
    return _plain(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0])


def _table(kind: type) -> Iterator[str]:
    meanings = descriptions(kind)
    yield "| field | default | meaning |\n|---|---|---|"
    for field in dataclasses.fields(kind):
        meaning = _plain(meanings.get(field.name, ""))
        yield f"| `{field.name}` | {_default(field)} | {meaning} |"


def _default(field: dataclasses.Field) -> str:
    if field.default is not dataclasses.MISSING:
        value = repr(field.default)
    elif field.default_factory is not dataclasses.MISSING:
        value = type(field.default_factory()).__name__
        value = {"list": "[]", "dict": "{}", "tuple": "()"}.get(value, f"{value}()")
    else:
        return "required"
    return f"`{value}`".replace("|", "\\|")


def _plain(text: str) -> str:
    """Turn the markup of docstrings into Markdown's, on one line."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))
    return " ".join(text.split()).replace("|", "\\|")


def messages_page() -> str:
    """Return the errors that users may meet and that the tests assert, by stage."""
    asserted = sorted(set(asserted_messages()))
    parts = [_MESSAGES_BEGIN]
    for stage, messages in _by_stage(asserted).items():
        parts += [f"## {stage}\n", "| error | message |\n|---|---|"]
        parts += [f"| `{kind}` | {_cell(text)} |" for kind, text in sorted(messages)]
        parts.append("")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _by_stage(asserted: list[str]) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        stage = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        for kind, text in _raised(path):
            if any(piece in text for piece in asserted):
                found.setdefault(stage, set()).add((kind, text))
    return found


def _raised(path: Path) -> Iterator[tuple[str, str]]:
    """List the errors that a file raises: class, and message with ... for values."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            kind = ast.unparse(node.exc.func).rpartition(".")[2]
            if node.exc.args and (text := _text(node.exc.args[0])):
                yield kind, " ".join(text.split())


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return "..."
    return ""


def asserted_messages() -> Iterator[str]:
    """
    List the plain pieces of the texts that tests look for.

    They are in ``match=...``, in the parameters of a test, or after ``assert``: any
    text of a test that a message contains is taken for one of them.
    """
    for path in TESTS.rglob("test_*.py"):
        for text in _strings(ast.parse(path.read_text())):
            yield from _pieces(text)


def _strings(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def _pieces(pattern: str) -> Iterator[str]:
    """Cut a regular expression at what is not plain text."""
    plain = re.sub(r"\\([^\w])", r"\1", pattern)
    for piece in re.split(r"\.\*|\\[wdsSb]\+?|\(\?[^)]*\)|[|^$]", plain):
        if len(piece.strip()) >= _SHORTEST:
            yield piece.strip()
