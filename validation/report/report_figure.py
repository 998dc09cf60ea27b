"""One figure of a page."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class ReportFigure:
    """One figure: a name for its ids, the section it stands in, a caption, the SVG element."""

    name: str
    section: str
    caption: str
    svg: str


def slug(*words: str) -> str:
    """Words as a name for ids: small letters, digits and hyphens."""
    return "-".join(re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") for word in words)
