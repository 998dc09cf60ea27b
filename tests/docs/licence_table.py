"""The licences of what naetrigger installs, from the metadata of what is installed here.

python -m tests.docs.licence_table      prints the table of docs/licences.md
"""

from __future__ import annotations

import re
import sys
from importlib import metadata

from packaging.requirements import Requirement

EXTRAS = (
    *("export", "generate", "readers", "simulation", "synthesis", "search", "hls-da"),
    *("place-route", "distributed", "mlflow"),
)
UNSTATED = "in its files"


def rows() -> dict[str, str]:
    """Of each package that the core or an extra asks for and that is installed: its licence."""
    names = set()
    for line in metadata.requires("naetrigger") or ():
        requirement = Requirement(line)
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in ("", *EXTRAS)
        ):
            names.add(requirement.name.lower().replace("_", "-"))
    return {name: found for name in sorted(names) if (found := licence(name))}


def licence(name: str) -> str:
    """What a package's metadata says, in short; an empty string where it is not installed."""
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    classifiers = [c for c in said.get_all("Classifier") or () if c.startswith("License ::")]
    text = said.get("License-Expression") or (said.get("License") or "").partition("\n")[0]
    if not text or text.startswith(("License agreement", "Copyright")):
        text = classifiers[0].rpartition(" :: ")[2] if classifiers else UNSTATED
    return re.sub(r"[|\s]+", " ", text).strip()


def table() -> str:
    """As the page has it."""
    lines = [f"| {name} | {text} |" for name, text in rows().items()]
    return "\n".join(["| package | licence |", "|---|---|", *lines, ""])


if __name__ == "__main__":
    sys.stdout.write(table())
