"""What `naetrigger compare` says on the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from naetrigger.pipeline import compare_command
from naetrigger.pipeline.comparing import CompareOptions, compare_run
from naetrigger.validation.agreement import agreement_checks
from naetrigger.validation.compare_page import compare_page
from naetrigger.validation.compare_schema import (
    ComparedEngine,
    CompareReport,
    PairComparison,
    WorkingThreshold,
)
from naetrigger.validation.pair_counts import Agreement, Block

N = 200
FILE = "more.csv"
POINT = WorkingThreshold(name="background 0.01", student=50, teacher=70.0)


def pairs(engines: dict[str, str], events: str = FILE) -> list[PairComparison]:
    """All pairs of engines that are as they should be: floats differ by rounding."""
    x = np.arange(N)
    scores = {
        name: x if model == "student" else x * (1 + 1e-7 * i)
        for i, (name, model) in enumerate(engines.items())
    }
    counts = Agreement(engines, [POINT], 1e-5, events)
    counts.add(Block((0, "background"), 0, x.astype(np.uint64), scores, x[:, None]))
    return [pair.document() for pair in counts.pairs]


def report(engines: dict[str, str], *, vectors: bool = False) -> CompareReport:
    """What compare writes of such engines."""
    students = {name: model for name, model in engines.items() if model == "student"}
    compared = pairs(engines) + (pairs(students, "test vectors") if vectors else [])
    return CompareReport(
        passed=True,
        naetrigger="0",
        recipe="mine",
        run_manifest_sha256="",
        file=FILE,
        file_sha256="",
        events={"background": N},
        engines=tuple(
            ComparedEngine(name=name, model=model, n=N) for name, model in engines.items()
        ),
        agree=(tuple(students),) if students else (),
        working_points=(POINT,),
        pairs=tuple(compared),
        checks=tuple(agreement_checks(compared)),
    )


def said(found: CompareReport, capsys: pytest.CaptureFixture[str]) -> list[str]:
    compare_command._show(found, quiet=False)
    return capsys.readouterr().out.splitlines()


class Heard:
    """A listener that notes what is begun, and told of."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.told: set[str] = set()

    def start(self, label: str, total: int) -> None:
        self.begun.append(label)
        assert total

    def update(self, done: int, **values: float) -> None:
        del done, values
        self.told.add(self.begun[-1])


def test_every_step_has_a_name(finished_run: Path, tmp_path: Path) -> None:
    heard = Heard()
    chosen = CompareOptions(engines=("network", "qcdq"), events=20)
    compare_run(finished_run, finished_run / "data" / "test.h5", tmp_path, chosen, heard)
    assert heard.begun == [
        "test.h5, 2 engines",
        "test vectors: network",
        "test vectors: qcdq",
        "pairs of 2 engines",
        "layers of qcdq",
        "layers of qcdq",
        "compare.json and compare.html",
    ]
    assert heard.told == {*heard.begun}


def test_every_value_of_a_flip_stands_below_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(report({"torch": "teacher", "network": "student"}), capsys)
    at = lines.index("Decision flips")
    header, row = lines[at + 1], lines[at + 2]
    assert row[header.index("events") :].startswith(FILE)
    assert row.split()[-2:] == ["0", "20"]
    assert header.index("only a") < len(row.rstrip()) - len("20")


EVERY = {
    "torch": "teacher",
    "onnx": "teacher",
    **dict.fromkeys(("network", "qkeras", "qcdq", "qonnx", "hls", "rtl", "rtlsim"), "student"),
}


def test_engines_that_are_equal_stand_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = said(report(EVERY, vectors=True), capsys)[0]
    names = "network = qkeras = qcdq = qonnx = hls = rtl = rtlsim"
    assert line == f"equal on every event: {names} ({N} of {FILE}, {N} of test vectors)"


def test_pairs_fit_a_hundred_columns_with_their_names_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = said(report({**EVERY, "hls_catapult": "student"}, vectors=True), capsys)
    table = lines[lines.index("Pairs") + 1 : lines.index("Decision flips")]
    assert max(map(len, map(str.rstrip, table))) <= 100
    assert [row.split()[:2] for row in table[1:]] == [
        ["teacher/torch", "teacher/onnx"],
        ["teacher/torch", "student/network"],
    ]


def test_a_tolerance_is_said_and_no_share_of_equal_floats(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = said(report({"torch": "teacher", "onnx": "teacher"}), capsys)
    row = lines[lines.index("Pairs") + 2]
    assert "within 1e-05: yes" in row
    assert "%" not in row


def test_pairs_compared_by_rank_have_nothing_to_check(capsys: pytest.CaptureFixture[str]) -> None:
    found = report({"torch": "teacher", "network": "student"})
    assert said(found, capsys)[-1] == (
        f"nothing to check: these engines are compared by rank only ({N} events of {FILE})"
    )
    assert "all 0 checks" not in compare_page(found)
