"""The installer hands pip's settings to uv, and leaves to pip what uv would not understand."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci" / "install.py"
uv_settings = runpy.run_path(str(SCRIPT))["uv_settings"]


def test_settings_of_pip_become_those_of_uv() -> None:
    listed = (
        ":env:.find-links='/wheels'\n"
        ":env:.default-timeout='180'\n"
        "global.cert='/etc/ca.crt'\n"
        "global.constraint='file:///etc/caps.txt'\n"
        "global.extra-index-url='\\nhttps://one.example/simple\\nhttps://two.example/simple'\n"
        "global.progress-bar='off'\n"
        "list.format='columns'\n"
    )
    options, variables = uv_settings(listed)
    assert " ".join(options) == (
        "--find-links /wheels --index https://one.example/simple "
        "--index https://two.example/simple --constraint /etc/caps.txt"
    )
    assert variables == {"UV_HTTP_TIMEOUT": "180", "SSL_CERT_FILE": "/etc/ca.crt"}


def test_the_nearer_setting_counts() -> None:
    lines = ["global.find-links='far'", ":env:.find-links='near'", "install.find-links='middle'"]
    for listed in (lines, lines[::-1]):
        assert uv_settings("\n".join(listed)) == (["--find-links", "near"], {})


@pytest.mark.parametrize("setting", ["no-index='true'", "proxy='http://p'", "only-binary=':all:'"])
def test_a_setting_without_counterpart_leaves_it_to_pip(setting: str) -> None:
    assert uv_settings(f"global.{setting}") is None
    assert uv_settings(f"download.{setting}") == ([], {})  # of another command


def test_what_this_pip_lists_is_understood() -> None:
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    settings = uv_settings(done.stdout)
    assert settings is None or all(isinstance(option, str) for option in settings[0])
