"""What `naetrigger rates` found as tables, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from naetrigger.validation.rates_document import LARGEST_PULL, halves_agree
from naetrigger.validation.report.verdict_page import Cell, Section

Document = Mapping[str, Any]


def rates_tables(document: Document) -> Iterator[Section]:
    """Thresholds, and what else there is: signals, simple seeds."""
    tables = _thresholds(document), _signals(document), _seeds(document)
    return (table for table in tables if table.rows)


def stability_tables(document: Document) -> Iterator[Section]:
    """Rates in parts of the test half, by pile-up and by order, and the chance of their spread."""
    for kind, name in (("pileup", "pile-up"), ("stability", "order in the file")):
        entries = [entry for entry in document["rates"] if kind in entry]
        if entries:
            yield _parts(kind, name, entries)


def summary(document: Document) -> str:
    """The machine and the halves, in a line."""
    sample = document["sample"]
    calibration, test = sample["calibration"], sample["test"]
    return (
        f"{document['machine']['name']}: {document['crossing_rate_khz']:.6g} kHz of crossings; "
        f"calibration {calibration['crossings']} ({calibration['effective_crossings']:.6g} "
        f"effective), test {test['crossings']} ({test['effective_crossings']:.6g} effective)"
    )


def problems(document: Document) -> Iterator[str]:
    """Why a rate has no threshold, with the integers around it, and where the halves disagree."""
    for entry in document["rates"]:
        asked = f"{entry['requested_khz']:g} kHz"
        if entry["note"]:
            yield f"{asked}: {entry['note']}"
            for near in entry["neighbours"]:
                yield f"  threshold {near['threshold_hw']}: {near['rate_khz']:.4g} kHz"
        if not halves_agree(entry):
            yield (
                f"{asked}: the halves differ by {abs(entry['halves_pull']):.1f} sigma (limit "
                f"{LARGEST_PULL:g}): {entry['test']['rate_khz']:.4g} kHz on the test half, "
                f"{entry['neighbours'][-1]['rate_khz']:.4g} kHz on the calibration half"
            )


def _thresholds(document: Document) -> Section:
    return Section(
        "Thresholds",
        ["asked [kHz]", "status", "threshold", "68%", "rate [kHz]", "68%", "events", "pure [kHz]"],
        [_threshold(entry) for entry in document["rates"]],
    )


def _threshold(entry: Document) -> list[Cell]:
    test, pure = entry.get("test", {}), entry.get("pure", {})
    return [
        f"{entry['requested_khz']:g}",
        entry["status"],
        entry["threshold_hw"],
        _range(entry["threshold_interval_68"]),
        test.get("rate_khz"),
        _range(test.get("interval_68")),
        test.get("effective_events"),
        pure.get("rate_khz"),
    ]


def _signals(document: Document) -> Section:
    """Each signal's efficiency at each threshold, with half of the 68% interval."""
    settled = [entry for entry in document["rates"] if entry.get("signals")]
    names = [signal["signal"] for signal in settled[0]["signals"]] if settled else []
    return Section(
        "Signals kept",
        ["signal", *(f"at {e['requested_khz']:g} kHz" for e in settled)],
        [
            [name, *(_kept(entry["signals"][i]) for entry in settled)]
            for i, name in enumerate(names)
        ],
    )


def _kept(signal: Document) -> str:
    low, high = signal["interval_68"]
    return f"{signal['efficiency']:.4f} ± {(high - low) / 2:.4f}"


def _seeds(document: Document) -> Section:
    """Each seed's rate, and which part of what each threshold selects it selects, too."""
    measured = [entry for entry in document["rates"] if "overlaps" in entry]
    rows: list[list[Cell]] = []
    for seed in document["seeds"]:
        shares = [
            next(o["shared_fraction"] for o in e["overlaps"] if o["name"] == seed["name"])
            for e in measured
        ]
        rows.append([seed["name"], seed["rate_khz"], *(f"{share:.1%}" for share in shares)])
    columns = ["seed", "rate [kHz]", *(f"in {e['requested_khz']:g} kHz" for e in measured)]
    return Section("Simple seeds", columns, rows)


def _parts(kind: str, name: str, entries: Sequence[Document]) -> Section:
    """A row for each part, which is the same for all rates."""
    columns = [entry[kind] for entry in entries]
    rows: list[list[Cell]] = [
        [part["name"], *(_rate(column["parts"][i]) for column in columns)]
        for i, part in enumerate(columns[0]["parts"])
    ]
    chances = [c["p_value"] for c in columns]
    rows.append(["chance of the spread", *("-" if p is None else f"{p:.2g}" for p in chances)])
    return Section(
        f"Rates by {name}",
        [name, *(f"{entry['requested_khz']:g} kHz" for entry in entries)],
        rows,
    )


def _rate(part: Document) -> str:
    low, high = part["interval_68"]
    return f"{part['rate_khz']:.4g} ± {(high - low) / 2:.2g}"


def _range(ends: Sequence[float] | None) -> str | None:
    return None if ends is None else f"{ends[0]:.5g} to {ends[1]:.5g}"
