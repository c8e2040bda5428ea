"""Pointers to what every turn adds, few however many turns there were."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from monty.json import MSONable

from flowpot.jobs import Pointer

WIDTH = 8
"""Entries that are joined into one: short campaigns never get there."""


@dataclass(frozen=True)
class Ledger(MSONable):
    """
    Pointers in the order in which they came, the old ones to several at once.

    As in a log-structured merge tree (O'Neil et al., Acta Inf. 33, 351 (1996)), `WIDTH`
    entries of a level are joined into one of the next: of n that were added there are
    at most ``(WIDTH - 1) * log(n) / log(WIDTH) + WIDTH`` left, and what they point to
    is written ``log(n) / log(WIDTH)`` times more.

    Attributes
    ----------
    levels
        The entries of ``levels[k]`` stand for `WIDTH` ** k that were added, the oldest
        first; higher levels are older.

    Examples
    --------
    >>> ledger = Ledger()
    >>> for turn in range(WIDTH + 1):
    ...     ledger = ledger.added(Pointer(f"turn {turn}"))
    >>> ledger.full, [each.uuid for each in ledger.oldest(0)][-1]
    (0, 'turn 7')
    >>> [each.uuid for each in ledger.joined(0, Pointer("eight turns"))]
    ['eight turns', 'turn 8']
    """

    levels: list[list[Pointer]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Pointer]:
        for level in reversed(self.levels):
            yield from level

    def __len__(self) -> int:
        return sum(map(len, self.levels))

    def added(self, pointer: Pointer, level: int = 0) -> "Ledger":
        """Return a ledger with one more entry."""
        return self._with(level, [*self._level(level), pointer])

    def without_last(self) -> "Ledger":
        """Return a ledger without the entry that was added last."""
        return self._with(0, self._level(0)[:-1])

    @property
    def full(self) -> int | None:
        """The lowest level that has entries to be joined; None if none has."""
        full = (k for k, level in enumerate(self.levels) if len(level) >= WIDTH)
        return next(full, None)

    def oldest(self, level: int) -> list[Pointer]:
        """List the entries of a full level that are to be joined."""
        return self.levels[level][:WIDTH]

    def joined(self, level: int, pointer: Pointer) -> "Ledger":
        """Put one entry of the next level in the place of :meth:`oldest`."""
        rest = self._with(level, self.levels[level][WIDTH:])
        return rest.added(pointer, level + 1)

    def _level(self, number: int) -> list[Pointer]:
        return self.levels[number] if number < len(self.levels) else []

    def _with(self, number: int, level: list[Pointer]) -> "Ledger":
        return Ledger([*self.levels[:number], level, *self.levels[number + 1 :]])
