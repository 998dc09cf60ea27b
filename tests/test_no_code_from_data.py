"""Nothing in the product runs what it reads: no pickle, eval, exec, shell, no loose archives."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("contracts", "firmware_configs", "training", "export", "validation", "pipeline")
CODE = ("eval", "exec", "compile", "__import__", "execfile")
MODULES = ("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal")
CALLS = {
    "os.system": "a shell",
    "os.popen": "a shell",
    "subprocess.getoutput": "a shell",
    "subprocess.getstatusoutput": "a shell",
    "yaml.load": "tags of Python objects",
    "yaml.unsafe_load": "tags of Python objects",
    "yaml.full_load": "tags of Python objects",
    "yaml.safe_load": "aliases, and keys that stand twice; parse_yaml of shipped.py",
    "torch.load": "pickles",
    "pandas.read_pickle": "pickles",
    "pandas.read_hdf": "pickles",
    "shutil.unpack_archive": "archives that lead out",
    "tempfile.mktemp": "a name that another may take",
}
WORDS = {
    "shell": "a shell",
    "allow_pickle": "pickles",
    "weights_only": "pickles",
}
METHODS = ("extractall", "extract", "unsafe_load")


def offences(source: str) -> Iterator[str]:
    """What of a module could run data."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                if name.split(".")[0] in MODULES:
                    yield f"line {node.lineno}: imports {name}"
        if isinstance(node, ast.Call):
            yield from of_call(node)


def of_call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    if isinstance(node.func, ast.Name) and called in CODE:
        yield f"line {node.lineno}: {called} runs code"
    if called in CALLS:
        yield f"line {node.lineno}: {called} takes {CALLS[called]}"
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        yield f"line {node.lineno}: {called} unpacks to wherever the archive says"
    for word in node.keywords:
        safe = isinstance(word.value, ast.Constant) and word.value.value is False
        if word.arg in WORDS and not (safe and word.arg != "weights_only"):
            yield f"line {node.lineno}: {called}({word.arg}=...) takes {WORDS[word.arg]}"
    if called in ("np.load", "numpy.load") and not any(
        word.arg == "allow_pickle" for word in node.keywords
    ):
        yield f"line {node.lineno}: {called} must say allow_pickle=False"


def modules() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def test_no_module_runs_what_it_reads() -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for path in modules()
        if (lines := list(offences(path.read_text(encoding="utf-8"))))
    }
    assert len(modules()) > 200
    assert found == {}


@pytest.mark.parametrize(
    "bad",
    [
        "import pickle",
        "from pickle import loads",
        "import torch\ntorch.load(path)",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=flag)",
        "os.system(command)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.safe_load(text)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "tarfile.open(path).extractall(folder)",
        "archive.extract(member)",
        "tempfile.mktemp()",
    ],
)
def test_each_of_them_is_seen(bad: str) -> None:
    assert len(list(offences(bad))) == 1


@pytest.mark.parametrize(
    "good", ["model.eval()", "np.load(path, allow_pickle=False)", "re.compile(text)", "run(['a'])"]
)
def test_what_is_safe_passes(good: str) -> None:
    assert list(offences(good)) == []
