"""JSON schemas of what programs read and write: `naetrigger list schema --of DOCUMENT`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Document(StrEnum):
    """Documents that have a JSON schema."""

    recipe = "recipe"
    report = "report"
    compare = "compare"
    diff = "diff"
    monitor = "monitor"


def schema_of(document: Document) -> dict[str, Any]:
    """The JSON schema of a document."""
    schema: dict[str, Any] = _model(document).model_json_schema()
    return {"$schema": DIALECT, **schema}


def _model(document: Document) -> type[BaseModel]:
    match document:
        case Document.recipe:
            from naetrigger.pipeline.recipe import Recipe

            return Recipe
        case Document.report:
            from naetrigger.validation.report.schema import Report

            return Report
        case Document.compare:
            from naetrigger.validation.compare_schema import CompareReport

            return CompareReport
        case Document.diff:
            from naetrigger.validation.diff_schema import DiffReport

            return DiffReport
        case Document.monitor:
            from naetrigger.validation.monitor_schema import MonitorReport

            return MonitorReport
