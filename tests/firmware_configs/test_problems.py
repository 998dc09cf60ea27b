"""What is wrong with a document is said in its own words, a line a problem."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from naetrigger.contracts.settings import Matching, Settings
from naetrigger.firmware_configs.problems import problem_lines

Code = Annotated[str, Matching(r"[a-z]{1,3}", "one to three small letters")]


class Deep(Settings):
    knob: int = 1
    rate: float = 0.1


class Left(Settings):
    kind: Literal["left"]
    epochs: int = 1
    deep: Deep = Deep()


class Right(Settings):
    kind: Literal["right"]
    epochs: int = 1


class Document(Settings):
    code: Code = "abc"
    layers: Annotated[tuple[int, ...], Field(min_length=1, max_length=3)] = (1,)
    either: tuple[str, ...] | dict[str, int] | None = None
    auto: bool | Literal["auto"] = "auto"
    side: Annotated[Left | Right, Field(discriminator="kind")] = Left(kind="left")
    deep: Deep = Deep()
    parts: tuple[Deep, ...] = ()


def lines(document: object) -> list[str]:
    with pytest.raises(ValidationError) as raised:
        Document.model_validate(document)
    return problem_lines(Document, raised.value, "d.yaml")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"layers": 16}, "layers: must be a list, as [16], got 16"),
        ({"layers": {"a": 1}}, "layers: must be a list, got a mapping"),
        ({"layers": []}, "layers: must have 1 or more items, got 0"),
        ({"layers": [1, 2, 3, 4]}, "layers: must have 3 items or fewer, got 4"),
        ({"layers": [1, "many"]}, "layers.1: must be a valid integer, got 'many'"),
        ({"layers": [1.5]}, "layers.0: must be a valid integer, got 1.5"),
        ({"code": "Abcd"}, "code: must be one to three small letters, got 'Abcd'"),
        ({"code": "abc\n"}, "code: must be one to three small letters, got 'abc\\n'"),
        ({"deep": 3}, "deep: must be a mapping, as {key: value}, got 3"),
        ({"deep": {"rate": "fast"}}, "deep.rate: must be a valid number, got 'fast'"),
        ({"deep": {"knob": [1]}}, "deep.knob: must be a valid integer, got a list"),
        ({"auto": "maybe"}, "auto: must be true or false, or 'auto', got 'maybe'"),
        ({"side": {"kind": "rigth"}}, "side.kind: unknown 'rigth'; did you mean 'right'? (known: "),
        ({"side": {}}, "side"),
        # a union: together, or where the value got furthest
        ({"either": "x"}, "either: must be a list, as [x], or a mapping, as {key: value}, got 'x'"),
        ({"either": {"x": "many"}}, "either.x: must be a valid integer, got 'many'"),
        ({"either": [3]}, "either.0: must be a valid string, got 3"),
        # keys that stand elsewhere
        ({"epochs": 5}, "epochs: unknown key; did you mean 'side.epochs'? (known: code, "),
        ({"knob": 5}, "knob: unknown key; did you mean 'deep.knob'?"),  # not side.deep.knob
        ({"side": {"kind": "right", "rate": 5}}, "rate: unknown key; did you mean 'deep.rate'?"),
        ({"deep": {"layers": [3]}}, "deep.layers: unknown key; did you mean 'layers'?"),
        ({"deep": {"knop": 5}}, "deep.knop: unknown key; did you mean 'knob'?"),
    ],
)
def test_one_line(document: object, said: str) -> None:
    (line,) = lines(document)
    assert line.startswith(f"d.yaml: {said}") or said in line, line


def test_every_problem_has_a_line() -> None:
    found = lines({"layers": 16, "code": "", "deep": {"knob": "x"}, "epoch": 1, "either": 3})
    assert len(found) == 5
    assert not any(
        "pydantic" in line or "valid tuple" in line or "pattern" in line for line in found
    )


def test_a_form_is_part_of_the_schema() -> None:
    assert Document.model_json_schema()["properties"]["code"]["pattern"] == "^[a-z]{1,3}$"
