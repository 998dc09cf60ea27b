"""What the checks of a run's report mean: `naetrigger show RUN --explain CHECK`."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict

import typer

from naetrigger.contracts.errors import InputError, suggestion
from naetrigger.pipeline.terminal import check_line
from naetrigger.validation.report.explanations import EXPLANATIONS, Explanation, explanation
from naetrigger.validation.report.schema import Check, Report

ALL = "all"
SHOWN = 4
WIDTH = 100


def explain_kinds(text: str, *, as_json: bool) -> None:
    """Print the meaning of every kind of check whose name holds `text`, without a run.

    Raises InputError where no kind is called so.
    """
    found = [kind for kind in EXPLANATIONS if text == ALL or _is_named(kind, text.lower())]
    if not found:
        names = [kind.begins for kind in EXPLANATIONS]
        raise InputError(
            f"--explain: no kind of check is called '{text}'{suggestion(text, names)}; '{ALL}' "
            "explains every one"
        )
    if as_json:
        typer.echo(json.dumps([{"kind": kind.begins, **_document(kind, [])} for kind in found]))
        return
    for kind in found:
        unit = f" [{kind.unit}]" if kind.unit else ""
        typer.echo(f"{kind.begins.strip(': ')}{unit}")
        _show_meaning(kind)


def _is_named(kind: Explanation, text: str) -> bool:
    begins = kind.begins.lower()
    return text in begins or text.startswith(begins)


def explain_checks(report: Report, text: str, *, as_json: bool) -> None:
    """Print the meaning of every check whose name holds `text`; of all for 'all'.

    Raises InputError where no check is called so.
    """
    found = [c for c in report.checks if text == ALL or text.lower() in c.name.lower()]
    if not found:
        names = [check.name for check in report.checks]
        raise InputError(
            f"--explain: no check of this run holds '{text}' in its name"
            f"{suggestion(text, names)}; '{ALL}' explains every one"
        )
    groups = _by_meaning(found)
    if as_json:
        typer.echo(json.dumps([_document(meaning, checks) for meaning, checks in groups]))
        return
    for meaning, checks in groups:
        _show(meaning, checks)


def _by_meaning(checks: list[Check]) -> list[tuple[Explanation | None, list[Check]]]:
    """Checks that mean the same together, failed ones first."""
    groups: list[tuple[Explanation | None, list[Check]]] = []
    for check in sorted(checks, key=lambda check: check.passed):
        known = explanation(check.name, check.unit)
        for meaning, others in groups:
            if meaning == known:
                others.append(check)
                break
        else:
            groups.append((known, [check]))
    return groups


def _document(meaning: Explanation | None, checks: list[Check]) -> dict[str, object]:
    told = {} if meaning is None else asdict(meaning)
    return {
        "checks": [check.model_dump(mode="json") for check in checks],
        **{key: told.get(key, "") for key in ("meaning", "setting", "advice")},
    }


def _show(meaning: Explanation | None, checks: list[Check]) -> None:
    for check in checks[:SHOWN]:
        typer.echo(f"{'passed' if check.passed else 'FAILED'}  {check_line(check.model_dump())}")
    if len(checks) > SHOWN:
        failed = sum(not check.passed for check in checks[SHOWN:])
        typer.echo(f"and {len(checks) - SHOWN} more of this kind, {failed} failed")
    if meaning is None:
        typer.echo("  not explained: a check of another version of naetrigger\n")
        return
    _show_meaning(meaning)


def _show_meaning(meaning: Explanation) -> None:
    for title, text in (
        ("means", meaning.meaning),
        ("limit", meaning.setting),
        ("if it fails", meaning.advice),
    ):
        lead = f"  {title + ':':<13}"
        typer.echo(textwrap.fill(text, WIDTH, initial_indent=lead, subsequent_indent=" " * 15))
    typer.echo("")
