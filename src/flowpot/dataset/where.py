"""Where in which file something is wrong."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Where:
    """
    Names a file and a frame in messages.

    Parameters
    ----------
    source
        The file, if there is one.
    first
        The number in that file of the first of the frames at hand.
    """

    source: str = ""
    first: int = 0

    def error(self, message: str) -> ValueError:
        """Return the error of a message about the file."""
        return ValueError(f"{self.source}: {message}" if self.source else message)

    def frame(self, frame: Any, message: str) -> ValueError:
        """Return the error of a message about one of the frames at hand."""
        return self.error(f"frame {int(frame) + self.first}: {message}")
