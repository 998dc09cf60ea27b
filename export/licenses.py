"""Licences of what other packages put into our projects; their texts travel with it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from naetrigger.contracts.errors import MissingExtra


def copy_license(package: str, folder: Path) -> None:
    """Write the package's licence as `folder`/LICENSE-PACKAGE.txt."""
    try:
        files = distribution(package).files or []
    except PackageNotFoundError as error:
        raise MissingExtra(package, "export") from error
    paths = sorted((file for file in files if file.name == "LICENSE"), key=lambda f: len(f.parts))
    own = [file for file in paths if file.parts[0].startswith(package)]
    texts = [Path(str(file.locate())).read_text(encoding="utf-8") for file in own[:1]]
    target = folder / f"LICENSE-{package}.txt"
    target.write_text("".join(texts) or f"See the package {package}.\n", encoding="utf-8")
