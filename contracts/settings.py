"""The base of all settings: frozen once read, unknown keys refused."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, model_validator


class Settings(BaseModel):
    """Settings of one stage; every field carries its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, document: Any) -> Any:
        """`yes` would be read as 1: a training of one step, say, and nothing said."""
        if isinstance(document, dict):
            for name, value in document.items():
                field = cls.model_fields.get(str(name))
                if _holds_truth(value) and field and not _takes_truth(field.annotation):
                    raise ValueError(
                        f"{name}: must not be true or false (as YAML reads yes and no)"
                    )
        return document


def _holds_truth(value: Any) -> bool:
    items = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(item, bool) for item in items)


def _takes_truth(annotation: Any) -> bool:
    """Whether a type has a place for true and false."""
    parts = get_args(annotation)
    return annotation in (bool, Any) or any(
        isinstance(part, bool) or _takes_truth(part) for part in parts
    )
