"""The two benchmarks with pictures run in a tiny setting, and go on where they were."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LIMIT = 200_000  # bytes of a figure
TINY = {
    "density_2d": ["--sets", "rings", "--systems", "AE", "NAE-CD", "--steps", "2"],
    "jet_images": ["--systems", "PCA, 16", "kernel AE", "NAE, sigma 1", "--events", "300"],
}
FEW = {"density_2d": [], "jet_images": ["--steps", "3", "--block", "8"]}
PICTURES = {"density_2d": "density-2d.png", "jet_images": "jet-images.png"}


@pytest.mark.parametrize("name", TINY)
def test_a_tiny_run_goes_on_with_what_is_missing(name, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    options = [*TINY[name], *FEW[name], "--seeds", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [name, *options])
    script = importlib.import_module(name)
    script.main()
    first = {path: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert (tmp_path / f"{name}.md").read_text() in capsys.readouterr().out
    assert 0 < (tmp_path / PICTURES[name]).stat().st_size < LIMIT

    lost = tmp_path / f"{_stem(script, name)}.json"
    kept = {path: path.stat().st_mtime_ns for path in first if path != lost}
    lost.unlink()
    script.main()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert _timeless(json.loads(lost.read_text())) == _timeless(first[lost])


def _stem(script, name):
    if name == "density_2d":
        return script.stem("rings", "AE", 1)
    return script.stem("tops in QCD", "kernel AE", 1)


def _timeless(result):
    return {key: value for key, value in result.items() if key != "cpu_seconds"}
