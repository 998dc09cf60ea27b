"""Is this a release? sdist and wheel, built, looked at, and used in clean environments.

    python .ci/release_check.py                          everything
    python .ci/release_check.py --extras export search   these extras alone; none: --extras

1. The version stands in contracts/version.py alone: CITATION.cff has it, and where this commit has
   a tag v<version>, tag and changelog have it, too.
2. The wheel is built from the sdist, and its metadata are valid.
3. In a new environment with the wheel alone, outside the checkout: commands work, and `doctor`
   says that the main job lacks the extra `export`.
4. With each extra, in an environment of its own, `doctor` finds that it works. With `export` a
   small recipe runs to its report.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path

from packaging.metadata import Metadata

REPOSITORY = Path(__file__).parents[1]
OF_DEVELOPERS = {"dev", "all", "docs", "browser"}
CORE_STATUS = 3  # doctor's, where the main job cannot run
RECIPE = """\
name: small
data: {source: background.csv}
model: {hidden: [4], latent: 1}
objective: {name: ae, steps: 20}
student: {epochs: 1}
firmware: {board: vu13p-5ns, vectors: 1000}
validation:
  background_efficiencies: [0.1]
  bootstrap_replicas: 20
  limits: {student_auc_loss: 1, student_spearman: -1, saturated_fraction: 1}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--extras", nargs="*", default=None, help="default: every one of users")
    asked = parser.parse_args().extras
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = sorted(set(project["optional-dependencies"]) - OF_DEVELOPERS)
    with tempfile.TemporaryDirectory(prefix="naetrigger-release-") as work:
        folder = Path(work)
        _say(f"version {check_version()}")
        wheel = build(folder / "dist")
        _say(f"{wheel.name}: {check_wheel(wheel)} files, metadata valid")
        check_core(wheel, folder)
        for extra in extras if asked is None else asked:
            check_extra(wheel, extra, folder)
    _say("ready")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def version() -> str:
    text = (REPOSITORY / "contracts" / "version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    assert found, "contracts/version.py: no __version__"
    return found[1]


def check_version() -> str:
    """Everything that names a version names this one."""
    ours = version()
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {ours}\n" in citation, f"CITATION.cff: version must be {ours}"
    command = ["git", "-C", str(REPOSITORY), "tag", "--points-at", "HEAD"]
    tags = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    if any(tag.startswith("v") for tag in tags):
        assert f"v{ours}" in tags, f"this commit is tagged {tags}, contracts/version.py says {ours}"
        changes = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
        assert f"\n## [{ours}]" in changes, f"CHANGELOG.md has no heading [{ours}]"
    return ours


def build(folder: Path) -> Path:
    """The wheel, made from the sdist."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    run([*command, str(REPOSITORY)], REPOSITORY)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check_wheel(wheel: Path) -> int:
    """Valid metadata, type information, the licence; the number of files."""
    archive = zipfile.ZipFile(wheel)
    (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    found = Metadata.from_email(archive.read(path), validate=True)
    assert str(found.version) == version()
    assert found.description_content_type == "text/markdown"
    assert found.description
    names = archive.namelist()
    assert sum(name.endswith("/py.typed") for name in names) == 6, "py.typed in every room"
    assert any(name.endswith("/LICENSE") for name in names)
    return len(names)


def environment(wheel: Path, extra: str, folder: Path) -> Path:
    """A new environment with the wheel and one extra, by uv where it can be had."""
    home = folder / f"env-{extra or 'core'}"
    venv.create(home, with_pip=True)
    requirement = f"naetrigger[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
    installer = [str(home / "bin" / "python"), str(REPOSITORY / ".ci" / "install.py")]
    run([*installer, requirement], folder, {"UV_CACHE_DIR": str(folder / "uv-cache")})
    return home / "bin"


def check_core(wheel: Path, folder: Path) -> None:
    """Without any extra."""
    programs = environment(wheel, "", folder)
    naetrigger = str(programs / "naetrigger")
    assert version() in run([naetrigger, "--version"], folder)
    for kind in ("recipes", "boards", "inputs", "objectives", "samples", "engines"):
        assert len(run([naetrigger, "list", kind], folder).splitlines()) > 1, kind
    found = doctor(programs, folder, CORE_STATUS)
    assert found["core"]["state"] == "works", found["core"]
    assert found["export"]["state"] == "missing", found["export"]
    assert found["export"]["remedy"] == "pip install 'naetrigger[export]'"
    background(folder)
    run([naetrigger, "data", "info", "background.csv"], folder)
    run([naetrigger, "train", "small.yaml", "--out", "trained"], folder)
    refused = subprocess.run(
        [naetrigger, "run", "small.yaml", "--out", "refused"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == CORE_STATUS, refused
    assert "pip install 'naetrigger[export]'" in refused.stderr
    _say("core: commands, training, and a clear refusal of what needs an extra")
    shutil.rmtree(programs.parent)


def check_extra(wheel: Path, extra: str, folder: Path) -> None:
    """With one extra: it works, and doctor knows."""
    programs = environment(wheel, extra, folder)
    found = doctor(programs, folder, 0 if extra == "export" else CORE_STATUS)
    name = "verilator" if extra == "simulation" else extra
    assert found[name]["state"] == "works", found[name]
    if extra == "export":
        background(folder)
        run([str(programs / "naetrigger"), "run", "small.yaml"], folder)
    _say(f"{extra}: works")
    shutil.rmtree(programs.parent)


def background(folder: Path) -> None:
    """A recipe with its events: two columns that follow each other."""
    rows = [f"{i % 17 + (i * 7) % 5},{i % 17 + (i * 11) % 7}" for i in range(4000)]
    (folder / "background.csv").write_text("\n".join(["a,b", *rows, ""]), encoding="utf-8")
    (folder / "small.yaml").write_text(RECIPE, encoding="utf-8")


def doctor(programs: Path, folder: Path, status: int) -> Mapping[str, dict[str, str]]:
    """What it found, by name."""
    command = [str(programs / "naetrigger"), "doctor", "--json"]
    document = json.loads(run(command, folder, status=status))
    return {finding["name"]: finding for finding in document["findings"]}


def run(
    command: list[str], folder: Path, more: Mapping[str, str] | None = None, status: int = 0
) -> str:
    """What a command says; fails with all of it if it does not end as expected."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**clean, **(more or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
