"""The tables of the hold-out benchmark: AUCs beside the papers' column, settings, time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from holdout_systems import Protocol, System
from markdown_table import table
from naetrigger.contracts.errors import InputError

Records = list[dict[str, Any]]
Results = dict[str, dict[int, Records]]
"""Of each system, of each held-out digit, one record a seed."""
Choices = dict[str, dict[int, dict[str, float]]]
"""Of each system, of each held-out digit, the proxies' mean AUC of each candidate."""


def tables(protocol: Protocol, digits: Sequence[int], results: Results, choices: Choices) -> str:
    """AUCs and settings of one set of digits, in Markdown."""
    systems = [s for s in protocol.systems if s.name in results]
    head = ["system", *map(str, digits), "mean", "paper (MNIST)", "CPU s a training"]
    rows = [_row(system, digits, results[system.name]) for system in systems]
    parts = [table(head, rows), "Settings, and the mean AUC of the proxies that chose them:"]
    parts += [_settings(s, results[s.name], choices[s.name]) for s in systems]
    return "\n\n".join(parts) + "\n"


def placed(page: str, place: str, text: str, path: Path) -> str:
    """The page with the text between its marks; InputError where it has no such place."""
    begin, end = f"<!-- {place}: made by benchmarks/holdout_digits.py -->", f"<!-- /{place} -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise InputError(f"{path}: has no place for the tables, which is between {begin} and {end}")
    return f"{before}{begin}\n\n{text}\n{end}{after}"


def _row(system: System, digits: Sequence[int], found: Mapping[int, Records]) -> list[str]:
    cells = [_cell(found.get(digit, []), digit) for digit in digits]
    paper = [f"{system.paper[d]:.3f}" if d in system.paper else "" for d in digits]
    said = f"{system.paper_mean:.3f}" if system.paper_mean is not None else ""
    if any(paper):
        said += f" ({', '.join(f'{d}: {p}' for d, p in zip(digits, paper, strict=True) if p)})"
    seconds = [r["cpu_s"] for records in found.values() for r in records]
    return [
        system.name,
        *cells,
        mean_cell(found, digits),
        said,
        f"{np.mean(seconds):.0f}" if seconds else "",
    ]


def _cell(records: Records, digit: int) -> str:
    """Mean over seeds; its error from the bootstrap of the test images."""
    found = [(r["auc"][str(digit)], r["error"][str(digit)]) for r in records if r["auc"]]
    if not records:
        return ""
    if len(found) < len(records):
        return f"diverged ({len(records) - len(found)} of {len(records)})"
    return f"{np.mean([a for a, _ in found]):.3f} ± {np.mean([e for _, e in found]):.3f}"


def mean_cell(found: Mapping[int, Records], digits: Sequence[int]) -> str:
    """Mean over the digits, with two errors: bootstrap of the images, spread over the seeds.

    Digits share their normal test images, so that the first error is a little too small.
    """
    per_seed: dict[int, list[float]] = {}
    errors = []
    for digit in digits:
        for record in found.get(digit, []):
            if record["auc"]:
                per_seed.setdefault(record["seed"], []).append(record["auc"][str(digit)])
                errors.append(record["error"][str(digit)])
    whole = [float(np.mean(values)) for values in per_seed.values() if len(values) == len(digits)]
    if not whole:
        return ""
    bootstrap = float(np.sqrt(np.mean(np.square(errors)) / len(digits)))
    text = f"{np.mean(whole):.3f} ± {bootstrap:.3f}"
    if len(whole) > 1:
        text += f" ± {np.std(whole, ddof=1) / np.sqrt(len(whole)):.3f} ({len(whole)} seeds)"
    return text


def _settings(
    system: System, found: Mapping[int, Records], choices: Mapping[int, Mapping[str, float]]
) -> str:
    """Candidates in the benchmark's own words, which digits got which, and why."""
    lines = [f"**{system.name}**", ""]
    for name, document in system.candidates.items():
        digits = [d for d, rs in found.items() if rs and rs[0]["candidate"] == name]
        used = f"digits {', '.join(map(str, digits))}" if digits else "not chosen"
        means = dict.fromkeys(f"{m[name]:.3f}" for m in choices.values() if m[name] == m[name])
        why = f"; proxies {', '.join(means)}" if means else ""
        lines.append(f"- `{name}` ({used}{why}): `{json.dumps(document)}`")
    return "\n".join(lines)
