"""Yosys in a process of its own: `python -m naetrigger.export.yosys_worker`.

It reads `order.json` in its folder: `passes`, yosys commands, and `memory_gb`. Yosys ends a process
that it cannot go on with, and takes what memory it wants, so it never runs in ours.
"""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

GIGABYTE = 2**30


def main() -> None:
    order: dict[str, Any] = json.loads(Path("order.json").read_text(encoding="utf-8"))
    limit = int(order["memory_gb"] * GIGABYTE)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    from pyosys import libyosys

    design = libyosys.Design()
    for command in order["passes"]:
        libyosys.run_pass(command, design)


if __name__ == "__main__":
    main()
