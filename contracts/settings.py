"""The base of all settings: frozen once read, unknown keys refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema


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


@dataclass(frozen=True)
class Matching:
    """Text of one form, as in ``Annotated[str, Matching(r"[a-z]+", "small letters")]``.

    words : the same rule for people, after "must be"
    """

    pattern: str
    words: str

    def _check(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(f"must be {self.words}")
        return text

    def __get_pydantic_core_schema__(self, of: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(of))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "pattern": f"^{self.pattern}$"}


def _holds_truth(value: Any) -> bool:
    items = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(item, bool) for item in items)


def _takes_truth(annotation: Any) -> bool:
    """Whether a type has a place for true and false."""
    parts = get_args(annotation)
    return annotation in (bool, Any) or any(
        isinstance(part, bool) or _takes_truth(part) for part in parts
    )
