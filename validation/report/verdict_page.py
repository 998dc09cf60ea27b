"""The pages of `compare` and `monitor`: a verdict, then tables and figures, nothing fetched."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import jinja2

from naetrigger.validation.report.html import page_style, text_of
from naetrigger.validation.report.numbers import number
from naetrigger.validation.report.report_figure import ReportFigure

TEMPLATE = "verdict.html.j2"

Cell = str | int | float | None


@dataclass(frozen=True)
class Section:
    """One heading with a table, figures, or both.

    failed : numbers of the rows to mark
    Raises ValueError for a row that does not fit the columns.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    failed: Collection[int] = ()
    figures: Sequence[ReportFigure] = ()
    text: Sequence[str] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: columns {self.columns}, but a row is {row}")

    def is_text(self, column: int) -> bool:
        """Whether a column holds words, which stand left."""
        return any(isinstance(row[column], str) for row in self.rows)


@dataclass(frozen=True)
class VerdictPage:
    """A page: what it says at the top, and its sections.

    problems : one line each, below the verdict
    """

    title: str
    subtitle: str
    passed: bool
    verdict: str
    sections: Sequence[Section]
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()
    footer: str = ""

    @property
    def word(self) -> str:
        return "PASSED" if self.passed else "FAILED"


def render_verdict(page: VerdictPage) -> str:
    """The HTML; the same page gives the same text."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = _cell
    template = environment.from_string(text_of(TEMPLATE))
    return template.render(page=page, style=page_style())


def _cell(value: Cell) -> str:
    return value if isinstance(value, str) else number(value)
