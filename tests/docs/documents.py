"""Checks of YAML, JSON and Python blocks without running them."""

from __future__ import annotations

import ast
import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

import yaml

from naetrigger.contracts.errors import NaetriggerError
from naetrigger.firmware_configs.board import load_board
from naetrigger.firmware_configs.input_spec import InputSpec, load_input_spec
from naetrigger.firmware_configs.machine import load_machine
from naetrigger.firmware_configs.shipped import validate
from naetrigger.pipeline.batch_farm import read_farm
from naetrigger.pipeline.recipe import Recipe, load_recipe
from tests.docs.blocks import Block

LOADERS: dict[str, Any] = {
    "recipe": load_recipe,
    "input_spec": load_input_spec,
    "board": load_board,
    "machine": load_machine,
    "farm": lambda path: read_farm(Path(path)),
}
BASE = {"name": "page", "data": {"source": "jets"}}


def yaml_problem(block: Block) -> str:
    """What is wrong with a YAML block: a recipe or its sections, or what `schema` says."""
    if block.schema in ("features", "steps"):
        return _of_spec(block)
    document = yaml.safe_load(block.text)
    if not block.schema and set(document) - set(Recipe.model_fields):
        return f"neither a recipe nor a part of one: {', '.join(document)}; say its schema"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "block.yaml"
        if block.schema:
            path.write_text(block.text, encoding="utf-8")
        else:
            path.write_text(yaml.safe_dump({**BASE, **document}), encoding="utf-8")
        try:
            LOADERS[block.schema or "recipe"](str(path))
        except NaetriggerError as error:
            return str(error)
    return ""


def _of_spec(block: Block) -> str:
    """Features, or sources and steps, of an input spec: each is read as the settings it is."""
    document = yaml.safe_load(block.text)
    parts = {"features": document} if isinstance(document, list) else document
    whole = {"name": "page", "description": "a page's", "source": "a page", **parts}
    whole.setdefault("features", [{"name": "sum_0", "offset": 0, "shift": 0, "lsb": 1, "bits": 13}])
    try:
        validate(InputSpec, {"type": "fixed<30,20,RND_CONV,SAT>", **whole}, block.place)
    except NaetriggerError as error:
        return str(error)
    return ""


def json_problem(block: Block) -> str:
    """What is wrong with a JSON block."""
    try:
        json.loads(block.text)
    except ValueError as error:
        return str(error)
    return ""


def python_problem(block: Block) -> str:
    """What is wrong with a Python block: its syntax, or a name of ours that does not exist."""
    try:
        tree = ast.parse(block.before + block.text)
    except SyntaxError as error:
        return str(error)
    missing = [
        f"{node.module} has no {alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("naetrigger")
        for alias in node.names
        if not _has(str(node.module), alias.name)
    ]
    return "; ".join(missing)


def _has(module: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), name)
    except ImportError:
        return False
