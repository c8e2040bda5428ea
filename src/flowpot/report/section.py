"""A section of a report: a figure, a table, or text."""

from dataclasses import dataclass, field

from matplotlib.figure import Figure

Rows = list[list[str]]


@dataclass
class Section:
    """
    A section of the report; where it has nothing to show it says so.

    Attributes
    ----------
    name
        Name of the figure's file, without its suffix.
    title
        Heading.
    caption
        What the figure or the table shows.
    figure
        The figure; None where there is nothing to draw.
    header, rows
        Cells of the table.
    paragraphs
        Text.
    references
        Numbered list below the text.
    empty
        What the section says if it has neither figure, rows nor text.
    """

    name: str
    title: str
    caption: str = ""
    figure: Figure | None = None
    header: list[str] = field(default_factory=list)
    rows: Rows = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    empty: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return self.figure is None and not self.rows and not self.paragraphs
