"""Ctrl-C is told as what it is, whatever a library makes of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from naetrigger.pipeline.command_options import OPTIONS, resumable

ROOT = Path("runs/mine")


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """For people, whatever a command before this test was asked for."""
    monkeypatch.setattr(OPTIONS, "json", False)


def interrupt_a_library() -> None:
    """As TensorFlow's tracing does."""
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise AssertionError("Concurrent access?") from None


def test_an_interruption_that_became_another_error(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), resumable(ROOT):
        interrupt_a_library()
    assert f"the same command goes on in {ROOT}" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_a_plain_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), resumable(ROOT):
        signal.raise_signal(signal.SIGINT)
    assert capsys.readouterr().err.count("the same command goes on") == 1


def test_an_error_without_an_interruption_stays_what_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(AssertionError, match="defect"), resumable(ROOT):
        raise AssertionError("defect")
    assert capsys.readouterr().err == ""


def test_in_a_thread_that_gets_no_signals() -> None:
    done: list[bool] = []

    def work() -> None:
        with resumable(ROOT):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_an_interrupted_command_tidies_up_and_leaves_with_130() -> None:
    code = (
        "import atexit; from naetrigger.pipeline import cli; "
        "cli.run_command_line = lambda arguments: cli.INTERRUPTED; "
        "atexit.register(print, 'tidied up'); cli.main([])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stdout == "tidied up\n"
