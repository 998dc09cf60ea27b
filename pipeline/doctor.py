"""What is installed here, what of it works when it is tried, and how to get the rest.

diagnose().obstacles        what keeps `naetrigger run` from working; empty: nothing does
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from naetrigger.contracts.version import __version__

State = Literal["works", "installed", "missing", "broken"]
"""installed: of the version that is needed, and not tried."""

SLOW = ("CUDA",)  # looks that import what they look at


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    kind : packages of Python, a tool, a vendor's tool, or a device
    needed : whether `naetrigger run` works without it
    versions : of each package or program that is there
    problem : what was wrong, where something was; remedy : the command that mends it
    """

    name: str
    kind: Literal["packages", "tool", "vendor", "device"]
    state: State
    purpose: str
    needed: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    remedy: str = ""

    @property
    def fails(self) -> bool:
        """Whether something is to be done."""
        return self.state in ("missing", "broken")


@dataclass(frozen=True)
class Diagnosis:
    """Everything that was found."""

    findings: tuple[Finding, ...]

    @property
    def obstacles(self) -> tuple[Finding, ...]:
        """What keeps the main job, `naetrigger run`, from working."""
        return tuple(f for f in self.findings if f.needed and f.fails)

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "naetrigger": __version__,
            "python": platform.python_version(),
            "executable": sys.executable,
            "platform": platform.platform(),
            "main_job": not self.obstacles,
            "findings": [asdict(finding) for finding in self.findings],
        }


def diagnose(
    notify: Callable[[str], None] = lambda name: None, *, quick: bool = False
) -> Diagnosis:
    """Look at everything and try it; about a minute where all extras are installed.

    notify : told the name of what is looked at next
    quick : look at versions and tools alone, and import nothing
    """
    return Diagnosis(tuple(_findings(notify, quick)))


def _findings(notify: Callable[[str], None], quick: bool) -> Iterator[Finding]:
    from naetrigger.pipeline import doctor_packages, doctor_tools

    for group in doctor_packages.groups():
        notify(group.name)
        yield doctor_packages.examine(group, tried=not quick)
    for name, look in doctor_tools.LOOKS.items():
        if not (quick and name in SLOW):
            notify(name)
            yield look()
