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
        known = [name for name in names if name in CITATIONS]
        self._cited += [n for n in dict.fromkeys(known) if n not in self._cited]
        numbers = [str(self._cited.index(name) + 1) for name in known]
        return f" [{', '.join(numbers)}]" if numbers else ""

    @property
    def texts(self) -> list[str]:
        """The references, in the order of their numbers."""
        return [CITATIONS[name] for name in self._cited]


def codes_named(text: str, among: Sequence[str] = _CODES) -> list[str]:
    """List the codes that a text names."""
    return [name for name in among if name in text.lower()]
