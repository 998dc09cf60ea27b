"""Notes of C++ libraries stay out of what the user reads."""

from __future__ import annotations

import logging
import os

import pytest

from naetrigger.export.native_output import STANDARD_ERROR, errors_in_log

log = logging.getLogger("naetrigger.export.test_native_output")


def test_what_is_written_goes_to_the_log(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), errors_in_log(log):
        os.write(STANDARD_ERROR, b"I0000 oneDNN\n")
    os.write(STANDARD_ERROR, b"after\n")
    assert capfd.readouterr().err == "after\n"
    assert caplog.messages == ["I0000 oneDNN"]


def test_an_exception_gives_it_back(capfd: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        with errors_in_log(log):
            os.write(STANDARD_ERROR, b"no such library\n")
            raise ImportError

    with pytest.raises(ImportError):
        fails()
    assert capfd.readouterr().err == "no such library\n"
