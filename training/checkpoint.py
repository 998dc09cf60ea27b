"""Checkpoints: one safetensors file each, replaced atomically, with the facts in its header."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.whole_file import no_follow


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that at any moment the old or the new content is there, whole."""
    partial = _partial(path)
    with open(partial, "wb", opener=no_follow) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def tensor_bytes(tensors: dict[str, Tensor], facts: dict[str, Any] | None = None) -> bytes:
    """A safetensors file; `facts` go into its header as JSON, under the one key 'facts'."""
    contiguous = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    metadata = None if facts is None else {"facts": json.dumps(facts, sort_keys=True)}
    return safetensors.torch.save(contiguous, metadata)


def write_checkpoint(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Replace the checkpoint at `path`."""
    write_atomic(path, tensor_bytes(tensors, facts))


def remove_checkpoint(path: Path) -> None:
    """Delete the checkpoint, and what a kill while it was written may have left."""
    path.unlink(missing_ok=True)
    _partial(path).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `write_checkpoint` wrote; InputError if the file is damaged."""
    return tensors_from(path.read_bytes(), str(path))


def tensors_from(content: bytes, source: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What `tensor_bytes` made a file of; InputError, naming `source`, if it is damaged."""
    try:
        tensors = safetensors.torch.load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        return tensors, json.loads(metadata["facts"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{source}: not a whole checkpoint ({error}); delete it to train from the start"
        ) from error


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")
