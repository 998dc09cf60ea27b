"""Printing the report, with a browser that the tests play."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.pipeline.report_pdf import print_report

PAGE = "<html><body><details><summary>more</summary>all of it</details></body></html>"

PLAYED = """\
#!{python}
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse
options = dict(a.split("=", 1) for a in sys.argv[1:] if "=" in a and a.startswith("--"))
page = Path(unquote(urlparse(sys.argv[-1]).path)).read_bytes()
{what}
"""
PRINTS = 'Path(options["--print-to-pdf"]).write_bytes(b"%PDF-1.4\\n" + page)'


@pytest.fixture
def html(tmp_path: Path) -> Path:
    folder = tmp_path / "a run, 'quoted'"
    folder.mkdir()
    (folder / "report.html").write_text(PAGE, encoding="utf-8")
    return folder / "report.html"


def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """A chromium alone on PATH that does this."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "chromium"
    program.write_text(PLAYED.format(python=sys.executable, what=what), encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def test_the_page_is_printed_unfolded(
    html: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(tmp_path, monkeypatch, PRINTS)
    pdf = tmp_path / "out" / "report.pdf"
    print_report(html, pdf)
    assert pdf.read_bytes() == b"%PDF-1.4\n" + PAGE.replace("<details>", "<details open>").encode()
    assert [path.name for path in pdf.parent.iterdir()] == ["report.pdf"]
    assert html.read_text(encoding="utf-8") == PAGE


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("sys.exit('no display')", "status 1.*no display"),
        ("pass", "printed no PDF .status 0"),
        ('Path(options["--print-to-pdf"]).write_bytes(b"<html>")', "printed no PDF"),
    ],
)
def test_a_browser_that_fails_leaves_no_file(
    html: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, said: str
) -> None:
    play(tmp_path, monkeypatch, what)
    with pytest.raises(EnvironmentProblem, match=f"(?s){said}"):
        print_report(html, tmp_path / "report.pdf")
    assert not (tmp_path / "report.pdf").exists()


def test_without_a_browser_the_error_says_what_helps(
    html: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="install Chromium, or open the report"):
        print_report(html, tmp_path / "report.pdf")


def test_a_run_without_a_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no report"):
        print_report(tmp_path / "report.html", tmp_path / "report.pdf")
