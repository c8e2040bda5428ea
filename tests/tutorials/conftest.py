"""An environment that a tutorial may install something into."""

import sysconfig
import venv
from pathlib import Path

import pytest

_SCRIPTS = {
    # Without a network: what builds a package is in the tests' own environment.
    "pip": '-m pip "$@" --quiet --no-build-isolation',
    "flowpot": '-m flowpot "$@"',
}


@pytest.fixture
def programs(tmp_path_factory) -> Path:
    """`bin` of an environment that sees the tests' own, and is thrown away."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin/python"
    packages = sysconfig.get_path("purelib", "venv", {"base": str(folder)})
    # With what is installed there to be edited, which has such a file of its own.
    also = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    Path(packages, "tests.pth").write_text(also)
    for name, arguments in _SCRIPTS.items():
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{python}" {arguments}\n')
        script.chmod(0o755)
    return folder / "bin"
