"""Processors are told apart by the width of their vectors."""

from __future__ import annotations

import os
import subprocess
import sys

SHOW = "from naetrigger.training.processor import processor; print(processor()['processor'])"


def test_another_processor_is_another() -> None:
    """Torch takes itself for an older machine's; on a cluster the two are really others."""
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    command = [sys.executable, "-c", SHOW]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == ["DEFAULT"]
