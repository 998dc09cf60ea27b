"""`auto` leaves out what would take many minutes and says so; a request is obeyed."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from naetrigger.export import rtl, synthesis
from naetrigger.export.settings import FirmwareSettings
from naetrigger.pipeline import export_stage


@pytest.mark.parametrize(
    ("luts", "wanted", "made"),
    [
        (export_stage.AUTO_LUTS, "auto", True),
        (export_stage.AUTO_LUTS + 1, "auto", False),
        (export_stage.AUTO_LUTS + 1, "yosys", True),
    ],
)
def test_only_a_request_synthesizes_a_large_design(
    luts: int,
    wanted: Any,
    made: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    written: list[Path] = []
    monkeypatch.setattr(rtl, "read_estimate", lambda folder: SimpleNamespace(lut=luts))
    monkeypatch.setattr(synthesis, "has_yosys", lambda: True)
    monkeypatch.setattr(synthesis, "synthesize", lambda *arguments: "figures")
    monkeypatch.setattr(synthesis, "write_synthesis", lambda folder, found: written.append(folder))
    work: Any = SimpleNamespace(
        folder=tmp_path, recipe=SimpleNamespace(firmware=FirmwareSettings(synthesis=wanted))
    )
    none: Any = None
    with caplog.at_level(logging.WARNING):
        export_stage._synthesize(work, none, none)
    assert written == ([tmp_path / "rtl"] if made else [])
    assert made or (f"{luts} LUTs" in caplog.text and "firmware.synthesis: yosys" in caplog.text)
