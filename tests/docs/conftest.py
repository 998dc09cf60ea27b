"""After the blocks were run: how many of them were illustrations, and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.docs.blocks import EXECUTED, all_blocks


def pytest_terminal_summary(terminalreporter: Any, config: Any) -> None:
    """Count what was not executed."""
    if config.option.markexpr != "docs":
        return
    blocks = [block for block in all_blocks() if block.language in EXECUTED]
    told = [block for block in blocks if block.illustration]
    terminalreporter.write_line(f"blocks: {len(blocks)}, of which illustrations: {len(told)}")
    for reason, count in Counter(block.illustration for block in told).most_common():
        terminalreporter.write_line(f"  {count}: {reason}")
