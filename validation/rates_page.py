"""rates.html: thresholds and what they keep, rates against pile-up, and what to know of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from naetrigger.validation.plots import Style
from naetrigger.validation.rates_document import has_threshold, passed
from naetrigger.validation.rates_figure import rates_figures
from naetrigger.validation.rates_tables import problems, rates_tables, stability_tables, summary
from naetrigger.validation.report.verdict_page import VerdictPage, render_verdict


def rates_page(document: Mapping[str, Any], style: Style) -> str:
    """The HTML page."""
    entries = document["rates"]
    settled = sum(has_threshold(entry) for entry in entries)
    first, *others = rates_tables(document)
    drawn = rates_figures(document, style)
    return render_verdict(
        VerdictPage(
            title=f"{document['recipe']}: thresholds for trigger rates",
            subtitle=f"{document['file']}, {document['process']}, engine {document['engine']} · "
            f"{summary(document)}",
            passed=passed(document),
            verdict=f"{settled} of {len(entries)} requested rates have a threshold",
            problems=[*problems(document)],
            notes=document["notes"],
            sections=[
                replace(first, figures=drawn),
                *others,
                *stability_tables(document),
            ],
            footer=f"rates.json, version {document['version']} · naetrigger "
            f"{document['naetrigger']} · {document['interval']}",
        )
    )
