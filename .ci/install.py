"""Install requirements into the environment this runs in: by uv where it can be had, else by pip.

    python .ci/install.py -e '.[dev]'

Versions are those of constraints.txt. uv takes a third of pip's time, but reads none of
pip's settings; they are handed to it. With a setting of pip that has no counterpart here, or when
uv fails, pip does the work.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

VERSIONS = ("--constraint", str(Path(__file__).parents[1] / "constraints.txt"))
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
PIP_INSTALL = (*PIP, "install", "--quiet", *VERSIONS)
UV = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable)
# pip takes the best version of all indexes; uv by itself that of the first which has any.
BEST_OF_ALL = ("--index-strategy", "unsafe-best-match")

OPTIONS = {
    "find-links": "--find-links",
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "constraint": "--constraint",
}
VARIABLES = {
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
WITHOUT_EFFECT = {
    "break-system-packages",
    "cache-dir",
    "compile",
    "disable-pip-version-check",
    "no-cache-dir",
    "no-color",
    "no-compile",
    "no-input",
    "no-warn-script-location",
    "progress-bar",
    "quiet",
    "require-virtualenv",
    "retries",
    "root-user-action",
    "verbose",
}


def main() -> int:
    """Install what the arguments say, as pip understands them; the installer's exit status."""
    requirements = sys.argv[1:]
    if installed_by_uv(requirements):
        return 0
    sys.stderr.write("uv cannot install this here; pip does, in some minutes\n")
    return subprocess.run([*PIP_INSTALL, *requirements], check=False).returncode


def installed_by_uv(requirements: list[str]) -> bool:
    """Whether uv was at hand, understood pip's settings, and installed everything."""
    listed = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False)
    settings = uv_settings(listed.stdout)
    if listed.returncode or settings is None:
        return False
    if subprocess.run([*PIP_INSTALL, "uv"], check=False).returncode:
        return False
    options, variables = settings
    command = [*UV, *BEST_OF_ALL, *options, *VERSIONS, *requirements]
    cache = {"UV_CACHE_DIR": str(Path(sys.prefix) / "uv-cache")}  # linked from, so it costs nothing
    environment = {**cache, **os.environ, **variables}
    return subprocess.run(command, env=environment, check=False).returncode == 0


def uv_settings(listed: str) -> tuple[list[str], dict[str, str]] | None:
    """uv's options and environment for what `pip config list` said; None: one that uv lacks.

    A variable counts more than the section [install], which counts more than [global].
    """
    rank = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in rank and rank[section] >= found.get(key, (0, ""))[0]:
            found[key] = rank[section], str(ast.literal_eval(value))
    if found.keys() - OPTIONS.keys() - VARIABLES.keys() - WITHOUT_EFFECT:
        return None
    options = [
        part
        for key, option in OPTIONS.items()
        for value in found.get(key, (0, ""))[1].split()
        for part in (option, value.removeprefix("file://") if key == "constraint" else value)
    ]
    return options, {VARIABLES[k]: value for k, (_, value) in found.items() if k in VARIABLES}


if __name__ == "__main__":
    sys.exit(main())
