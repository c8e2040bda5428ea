"""Errors that name the file and the frame in which something is wrong."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Where:
    """
    The file that frames come from, for messages.

    Parameters
    ----------
    source
        The file, if there is one.
    first
        Number in that file of the first of the frames that are being read.
    """

    source: str = ""
    first: int = 0

    def error(self, message: str) -> ValueError:
        """Return an error about the file."""
        return ValueError(f"{self.source}: {message}" if self.source else message)

    def frame(self, frame: Any, message: str) -> ValueError:
        """Return an error about one of the frames that are being read."""
        return self.error(f"frame {int(frame) + self.first}: {message}")
