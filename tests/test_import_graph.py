"""The structure of the package: arrows between its parts go one way, in no circle."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import flowpot

ROOT = Path(flowpot.__file__).parent
ORDER = (
    ("randomness", "redaction", "validation", "yaml_file"),
    ("processes", "moved", "plugins", "lazy"),
    ("settings", "console", "documents"),
    ("jobs",),
    ("dataset",),
    ("run_cache", "potentials", "augmentation", "labelling"),
    ("training", "evaluation"),
    ("exploration",),
    ("properties",),
    ("campaign",),
    ("report",),
    ("local_run",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
"""Parts of the package: each may import those of the rows above its own, and itself."""


def _module(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("flowpot", *(part for part in parts if part != "__init__")))


MODULES = {_module(path): path for path in ROOT.rglob("*.py")}


def imports_of(module):
    """List the modules of flowpot that a module imports, those for type checks too."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name in MODULES} - {module}


GRAPH = {module: imports_of(module) for module in MODULES}


def part_of(module):
    return module.split(".")[1] if "." in module else "flowpot"


def test_modules_import_each_other_in_no_circle():
    circle = []
    try:
        tuple(TopologicalSorter(GRAPH).static_order())
    except CycleError as error:
        circle = error.args[1]
    assert circle == []


def test_arrows_between_the_parts_go_one_way():
    floor = {part: number for number, row in enumerate(ORDER) for part in row}
    wrong = [
        f"{module} imports {other}"
        for module, others in GRAPH.items()
        for other in others
        if "flowpot" not in (part_of(module), part_of(other))
        and part_of(module) != part_of(other)
        and floor[part_of(other)] >= floor[part_of(module)]
    ]
    assert wrong == []


def test_exploration_does_not_know_its_engines():
    """What every MD engine has in common imports none of them."""
    engines = ("flowpot.exploration.lammps", "flowpot.exploration.batched")
    shared = [
        (module, other)
        for module, others in GRAPH.items()
        for other in others
        if module.startswith("flowpot.exploration.")
        and other.startswith(engines)
        and not module.startswith(engines)
    ]
    assert shared == []


def test_the_reader_sees_imports_inside_functions_and_type_checks():
    """The test would be blind otherwise."""
    assert "flowpot.dataset" in GRAPH["flowpot.campaign.makers"]
    assert any(other.startswith("flowpot.demo") for other in GRAPH["flowpot.cli.run"])
