"""An alkaid model file, as users of HGQ2 save theirs, as an RTL project; there is no network of it.

    write_alkaid(path, folder, board, settings)

The file is JSON, or JSON in gzip, and holds the logic itself: adders, shifts and tables. So RTL is
the only target, pipelined for the board, and alkaid's emulator of the same file is its reference.
"""

from __future__ import annotations

import gzip
import json
import shutil
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError, MissingExtra
from naetrigger.export.licenses import copy_license
from naetrigger.export.rtl import port_format, rtl_model
from naetrigger.export.settings import FirmwareSettings
from naetrigger.firmware_configs.board import Board

MAX_BYTES = 256 * 2**20
LOGIC = "logic.json"


def read_alkaid(path: Path) -> Any:
    """The logic in a file; InputError for anything that is none, or that cannot run."""
    try:
        from alkaid.types import CombLogic
    except ImportError as error:
        raise MissingExtra("alkaid", "export") from error
    try:
        logic = CombLogic.from_dict(json.loads(_text(path)))
        low = np.array([[q.min for q in logic.inp_qint]], dtype=np.float64)
        logic.predict(low)  # refuses operations that point nowhere
    except InputError:
        raise
    except Exception as error:  # alkaid raises many types of its own on damaged files
        raise InputError(f"{path}: is no alkaid model ({error!r})") from error
    return logic


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: is larger than {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text ({error})") from error


def write_alkaid(
    path: Path, folder: Path, board: Board, settings: FirmwareSettings
) -> dict[str, Any]:
    """Write the RTL of the model in `path` into the new folder; ports and estimates, as JSON."""
    logic = read_alkaid(path)
    folder.mkdir(parents=True)
    for language in settings.languages:
        model = rtl_model(logic, folder / language, board, settings, language)
        model.write()
        shutil.rmtree(folder / language / "model", ignore_errors=True)  # stamped with the time
    logic.save(folder / LOGIC)
    copy_license("alkaid", folder)
    inputs, outputs = (
        [port_format(kif) for kif in np.transpose(kifs).tolist()]
        for kifs in (logic.inp_kifs, logic.out_kifs)
    )
    return {
        "ports": {"inputs": inputs, "outputs": outputs},
        "cycles": int(model.latency),
        "lut": round(logic.cost),
        "ff": int(model.reg_bits),
        "source_of_figures": "estimate",
    }
