"""The report as a PDF, printed by a Chromium that is installed.

    print_report(html, pdf)

The page's folded parts are opened first: paper cannot be clicked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.whole_file import whole_file

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
LONGEST_SECONDS = 300.0


def print_report(html: Path, pdf: Path) -> None:
    """Write the page `html` as the file `pdf`.

    Raises EnvironmentProblem where no browser is installed or the browser fails, InputError where
    there is no page.
    """
    if not html.is_file():
        raise InputError(f"{html}: there is no report; make it with: naetrigger validate")
    program = find_browser()
    with tempfile.TemporaryDirectory(prefix="naetrigger-pdf-") as work:
        page = Path(work) / "report.html"
        text = html.read_text(encoding="utf-8")
        page.write_text(text.replace("<details>", "<details open>"), encoding="utf-8")
        printed = Path(work) / "report.pdf"
        _print(program, page, printed, Path(work))
        pdf.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(pdf) as path:
            shutil.copyfile(printed, path)


def find_browser() -> str:
    """The first of BROWSERS on PATH."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise EnvironmentProblem(
            f"no browser that prints PDF is on PATH ({', '.join(BROWSERS)}); install Chromium, or "
            "open the report in any browser and print it there"
        )
    return found


def _print(program: str, page: Path, pdf: Path, work: Path) -> None:
    options = ["--headless", "--disable-gpu", "--no-pdf-header-footer"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # Chromium's sandbox refuses root
        options.append("--no-sandbox")
    try:
        done = subprocess.run(
            [
                program,
                *options,
                f"--user-data-dir={work / 'profile'}",
                f"--print-to-pdf={pdf}",
                page.as_uri(),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LONGEST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentProblem(
            f"{program} did not print the report within {LONGEST_SECONDS:g} s"
        ) from error
    if done.returncode != 0 or not pdf.is_file() or not pdf.read_bytes().startswith(b"%PDF"):
        said = "\n  ".join(done.stderr.strip().splitlines()[-3:])
        raise EnvironmentProblem(
            f"{program} printed no PDF (status {done.returncode}):\n  {said or 'it said nothing'}"
        )
