"""Lookup tables of an input spec as files beside the firmware.

    tables/NAME.mem     one hexadecimal word a line, by address: what $readmemh reads
    tables/tables.json  per feature: file, address (bits, signed, integer bits), format of a word

Features with the same table share its file. The firmware's own inputs come after the tables,
which belong to the logic before the network.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.firmware_configs.lookup_table import table_words


def write_tables(spec: InputSpec, folder: Path) -> bool:
    """Write the tables of all features that have one into `folder`; False if none has."""
    features = [feature for feature in spec.features if feature.table_type is not None]
    if not features:
        return False
    folder.mkdir()
    names: dict[str, str] = {}
    document = []
    for feature in features:
        text = memory_text(feature)
        name = names.setdefault(text, f"{feature.offline}_{len(names)}.mem")
        (folder / name).write_text(text, encoding="ascii")
        document.append(_entry(feature, name))
    record = {"input_spec": spec.name, "features": document}
    (folder / "tables.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return True


def memory_text(feature: Feature) -> str:
    """The words of a table, two's complement, a line each."""
    fixed = feature.table_fixed
    assert fixed is not None
    digits = -(-fixed.width // 4)
    mask = (1 << fixed.width) - 1
    return "".join(f"{word & mask:0{digits}x}\n" for word in table_words(feature).tolist())


def _entry(feature: Feature, file: str) -> dict[str, Any]:
    return {
        "feature": feature.name,
        "file": file,
        "function": feature.offline,
        "integer_bits": feature.bits,
        "integer_signed": feature.signed,
        "address_bits": feature.table_bits or feature.bits,
        "word": feature.table_type,
        "offset": feature.offset,
        "shift": feature.shift,
    }
