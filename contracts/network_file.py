"""A FixedPointNetwork on disk: ``network.json`` and ``network.npz``.

``network.json`` holds the nodes in order, formats as ``fixed<width,integer,rounding,overflow>``;
``network.npz`` the arrays ``NODE.weights`` and ``NODE.bias``, int64 mantissas. docs/firmware.md
describes both for other readers.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers, parse_fixed
from naetrigger.contracts.network import FixedPointNetwork, Node
from naetrigger.contracts.npz_file import load_arrays
from naetrigger.contracts.regular_file import read_json
from naetrigger.contracts.window import Window

FORMAT = "naetrigger-network"
VERSION = 2
READABLE = (1, 2)  # version 1 has no decision
"""Versions that load_network takes."""


def save_network(network: FixedPointNetwork, folder: Path) -> None:
    """Write network.json and network.npz into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    nodes = [
        {
            "name": node.name,
            "op": node.op,
            "inputs": list(node.inputs),
            "size": node.size,
            "type": str(node.type),
            **({"weight_type": str(node.weight_type)} if node.weight_type else {}),
            **({"bias_type": str(node.bias_type)} if node.bias_type else {}),
            **({"shape": list(node.shape)} if node.shape else {}),
            **({"window": asdict(node.window)} if node.window else {}),
            **({"axes": list(node.axes)} if node.axes else {}),
            **({"cut": node.cut} if node.cut is not None else {}),
        }
        for node in network.nodes
    ]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "output": network.output,
        "decision": network.decision,
        "score_scale": network.score_scale,
        "about": dict(network.about),
        **({"wraps": True} if network.wraps else {}),
        "nodes": nodes,
    }
    arrays = {
        f"{node.name}.{part}": values
        for node in network.nodes
        for part, values in (("weights", node.weights), ("bias", node.bias))
        if values is not None
    }
    (folder / "network.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    np.savez(folder / "network.npz", **arrays)  # type: ignore[arg-type]


def load_network(folder: Path) -> FixedPointNetwork:
    """Read what save_network wrote; InputError for anything that is not such a network."""
    path = folder / "network.json"
    try:
        document = read_json(path)
        if document["format"] != FORMAT or document["version"] not in READABLE:
            known = " or ".join(map(str, READABLE))
            raise InputError(
                f"{path}: expected {FORMAT} version {known}, got {document['format']} "
                f"version {document['version']}"
            )
        arrays = load_arrays(folder / "network.npz")
        nodes = tuple(_read_node(entry, arrays) for entry in document["nodes"])
        return FixedPointNetwork(
            nodes=nodes,
            output=str(document["output"]),
            score_scale=float(document["score_scale"]),
            about={str(k): str(v) for k, v in document["about"].items()},
            wraps=bool(document.get("wraps", False)),
            decision=_optional_name(document.get("decision")),
        )
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    except (
        OSError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        zipfile.BadZipFile,
        OverflowError,
    ) as error:
        raise InputError(f"{folder}: not a readable network ({error!r})") from error


def _optional_name(value: object) -> str | None:
    return None if value is None else str(value)


def _read_node(entry: Mapping[str, Any], arrays: Mapping[str, Any]) -> Node:
    def part(name: str) -> Integers | None:
        key = f"{entry['name']}.{name}"
        return np.asarray(arrays[key]) if key in arrays else None

    def format_of(name: str) -> Fixed | None:
        return parse_fixed(entry[name]) if name in entry else None

    return Node(
        name=str(entry["name"]),
        op=str(entry["op"]),
        inputs=tuple(str(name) for name in entry["inputs"]),
        size=int(entry["size"]),
        type=parse_fixed(entry["type"]),
        weights=part("weights"),
        weight_type=format_of("weight_type"),
        bias=part("bias"),
        bias_type=format_of("bias_type"),
        shape=_ints(entry.get("shape", ())),
        window=_read_window(entry["window"]) if "window" in entry else None,
        axes=_ints(entry.get("axes", ())),
        cut=int(entry["cut"]) if "cut" in entry else None,
    )


def _read_window(entry: Mapping[str, Any]) -> Window:
    vertical, horizontal = _ints(entry["size"])
    down, across = _ints(entry["stride"])
    top, left, bottom, right = _ints(entry["padding"])
    return Window((vertical, horizontal), (down, across), (top, left, bottom, right))


def _ints(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values)
