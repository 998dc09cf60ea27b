"""Faults planted on purpose, to see them found."""

from __future__ import annotations

import re
from pathlib import Path


def plant_bias_fault(folder: Path, layer: str, amount: float = 1.0) -> None:
    """Change one bias of a dense layer in the headers of an HLS project."""
    (source,) = (folder / "firmware").glob("*.cpp")
    found = re.search(rf"\b(b\d+)\); // {layer}\n", source.read_text())
    assert found, f"no dense layer {layer} in {source}"
    header = folder / "firmware" / "weights" / f"{found[1]}.h"
    text = header.read_text()
    values = re.search(r"= \{(.*?)\};", text)
    assert values
    first, *others = values[1].split(", ")
    changed = ", ".join([f"{float(first) + amount:.12f}", *others])
    header.write_text(text.replace(values[1], changed))
