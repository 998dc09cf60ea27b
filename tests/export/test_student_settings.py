"""Settings that make no student are refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from naetrigger.export.student_settings import StudentSettings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "prune"}, "'quantize', 'distil' or 'regress'"),
        ({"weight_bits": 1}, "greater than or equal to 2"),
        ({"hidden": (0,)}, "hidden widths must be 1 to 4096"),
        ({"loss": {"vector": 0, "score": 0}}, "nothing to train to"),
        ({"points": {"noise_widths": (-1.0,)}}, "noise_widths must be > 0"),
        ({"layers": {"encoder_0": {"weight": 4, "weight_integer": 6}}}, "do not fit 4"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"wieght_bits": 4}, "Extra inputs"),
    ],
)
def test_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        StudentSettings.model_validate(settings)


def test_every_field_is_documented() -> None:
    for name, field in StudentSettings.model_fields.items():
        documented = field.description or name in ("points", "loss", "batch_size")
        assert documented, name
