"""What to cite for the codes that a campaign ran."""

import json
from collections.abc import Sequence
from importlib.resources import files

CITATIONS: dict[str, str] = json.loads(
    files("flowpot.report").joinpath("references.json").read_text(encoding="utf-8")
)
"""References by the codes and methods that they are of."""

_CODES = ("vasp", "lammps", "mace")


class References:
    """A numbered list of references that grows as a text cites them."""

    def __init__(self) -> None:
        self._cited: list[str] = []

    def cite(self, *names: str) -> str:
        """
        Return the numbers of references, in brackets, with a space before them.

        Parameters
        ----------
        *names
            Keys of :data:`CITATIONS`; what is not there is left out.

        Examples
        --------
        >>> references = References()
        >>> references.cite("jobflow", "atomate2"), references.cite("ase", "jobflow")
        (' [1, 2]', ' [3, 1]')
        """
        numbers = [str(self._number(name)) for name in names if name in CITATIONS]
        return f" [{', '.join(numbers)}]" if numbers else ""

    def _number(self, name: str) -> int:
        if name not in self._cited:
            self._cited.append(name)
        return self._cited.index(name) + 1

    @property
    def texts(self) -> list[str]:
        """The references, in the order of their numbers."""
        return [CITATIONS[name] for name in self._cited]


def codes_named(text: str, among: Sequence[str] = _CODES) -> list[str]:
    """List the codes that a text names."""
    return [name for name in among if name in text.lower()]
