"""Run folders from elsewhere: edited, torn, of other versions, leading out; and their networks."""

# ruff: noqa: E501 (a table: a case a line)

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from naetrigger.contracts.manifest import read_manifest, record_files, write_manifest
from tests.hostile.case import Case, Make, all_of, nothing
from tests.hostile.recipe_cases import fifo, folder_named, link

SCORE = "score done events.h5 --workers 1"


def manifest(edit: Callable[[dict[str, Any]], object]) -> Make:
    """manifest.json with an edit."""

    def made(folder: Path) -> None:
        path = folder / "done" / "manifest.json"
        document = json.loads(path.read_text())
        edit(document)
        path.write_text(json.dumps(document))

    return made


def content(name: str, data: bytes) -> Make:
    """A file of the run, replaced."""

    def made(folder: Path) -> None:
        (folder / "done" / name).write_bytes(data)

    return made


def gone(name: str) -> Make:
    def made(folder: Path) -> None:
        path = folder / "done" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return made


def cut(name: str) -> Make:
    def made(folder: Path) -> None:
        path = folder / "done" / name
        path.write_bytes(path.read_bytes()[:-7])

    return made


def vouched(folder: Path) -> None:
    """A manifest that says of the edited files that they are as they should be."""
    from dataclasses import replace

    root = folder / "done"
    found = read_manifest(root)
    stages = {}
    for name, stage in found.stages.items():
        try:
            files = record_files(root / name, name)
        except Exception:  # what the manifest's own reader cannot open stays as it was
            files = stage.files
        stages[name] = replace(stage, files=files)
    write_manifest(root, replace(found, stages=stages))


def moved_out(name: str) -> Make:
    """A file of the run that lies elsewhere, with a link to it."""

    def made(folder: Path) -> None:
        path, target = folder / "done" / name, folder / "elsewhere"
        path.rename(target)
        path.symlink_to(target)

    return made


def network(edit: Callable[[dict[str, Any]], object]) -> Make:
    """network.json with an edit that the manifest vouches for."""

    def edited(folder: Path) -> None:
        path = folder / "done" / "export" / "network" / "network.json"
        document = json.loads(path.read_text())
        edit(document)
        path.write_text(json.dumps(document))

    return all_of(edited, vouched)


def node(index: int, **changes: Any) -> Make:
    return network(lambda document: document["nodes"][index].update(changes))


def arrays(edit: Callable[[dict[str, Any]], object]) -> Make:
    """network.npz with an edit that the manifest vouches for."""

    def edited(folder: Path) -> None:
        path = folder / "done" / "export" / "network" / "network.npz"
        with np.load(path) as found:
            values = dict(found)
        edit(values)
        np.savez(path, **values)

    return all_of(edited, vouched)


def archive(**members: bytes) -> Make:
    """network.npz as a zip file of these members, packed."""

    def edited(folder: Path) -> None:
        path = folder / "done" / "export" / "network" / "network.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in members.items():
                file.writestr(name.replace("__", "."), data)

    return all_of(edited, hashed)


def hashed(folder: Path) -> None:
    """The manifest vouches for bytes alone, of arrays that nothing can open."""
    from dataclasses import replace

    from naetrigger.contracts.manifest import sha256_of

    root = folder / "done"
    found = read_manifest(root)
    stages = {
        name: replace(
            stage,
            files=tuple(
                replace(f, sha256=sha256_of(root / f.path), bytes=(root / f.path).stat().st_size)
                for f in stage.files
            ),
        )
        for name, stage in found.stages.items()
    }
    write_manifest(root, replace(found, stages=stages))


def header(shape: str, descr: str = "<i8") -> bytes:
    """The beginning of a .npy file that declares a shape."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (118 - len(text)) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def pickled() -> bytes:
    """An array of objects, which only a pickle can hold."""
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return file.getvalue()


def weights(shape: tuple[int, ...] = (57, 57), value: float = 1, kind: str = "i8") -> np.ndarray:
    return np.full(shape, value, kind)


def bad(name: str, make: Make, said: str, command: str = SCORE) -> Case:
    return Case(f"run: {name}", make, command, 2, said, leaves=("v",))


def net(name: str, make: Make, said: str) -> Case:
    return Case(f"network: {name}", make, SCORE, 2, said)


FILE = {"path": "data/x", "sha256": "0", "bytes": 1, "role": "other", "arrays": {}}


def naming(path: str) -> Make:
    """A manifest that names a file of that path."""
    return manifest(lambda d: d["stages"]["data"]["files"].append({**FILE, "path": path}))


CASES = [
    # the folder
    bad("none", nothing, "none: no such run folder", "show none"),
    bad("a file", nothing, "good.csv: no such run folder", "show good.csv"),
    bad("empty", folder_named("x"), "x: not a run folder", "show x"),
    bad("a name of 5000 letters", nothing, "too long", f"show {'x' * 5000}"),
    bad("something else in the folder", nothing, "so it is no run folder", "train jets-quickstart --out ."),
    bad("out is a file", nothing, "good.csv: is a file", "train jets-quickstart --out good.csv"),
    bad("out below a file", nothing, "good.csv/x", "train jets-quickstart --out good.csv/x"),
    bad("out is a FIFO", fifo("x"), "x: is a file", "train jets-quickstart --out x"),
    bad("out is a device", nothing, "/dev/full: is a file", "train jets-quickstart --out /dev/full"),
    bad("out of 5000 letters", nothing, "too long", f"train jets-quickstart --out {'x' * 5000}"),
    # the manifest
    bad("no manifest", gone("manifest.json"), "not a run folder", SCORE),
    bad("empty manifest", content("manifest.json", b""), "not a readable manifest"),
    bad("torn manifest", cut("manifest.json"), "not a readable manifest"),
    bad("manifest of NUL", content("manifest.json", bytes(4096)), "not a readable manifest"),
    bad("manifest of Latin-1", content("manifest.json", b"{\xe4}"), "not a readable manifest"),
    bad("manifest is a list", content("manifest.json", b"[]"), "not a readable manifest"),
    bad("deep manifest", content("manifest.json", b"[" * 10**6), "not a readable manifest"),
    bad("manifest is a folder", all_of(gone("manifest.json"), folder_named("done/manifest.json")),
        "manifest.json: is a folder"),
    bad("manifest is a FIFO", all_of(gone("manifest.json"), fifo("done/manifest.json")),
        "manifest.json: is no regular file but a FIFO"),
    bad("manifest is a device", all_of(gone("manifest.json"), link("done/manifest.json", "/dev/zero")),
        "manifest.json: is no regular file but a device"),
    bad("newer manifest", manifest(lambda d: d.update(version=2)), "got naetrigger-run version 2"),
    bad("older manifest", manifest(lambda d: d.update(version=0)), "got naetrigger-run version 0"),
    bad("another format", manifest(lambda d: d.update(format="x")), "expected naetrigger-run version 1"),
    bad("no stages", manifest(lambda d: d.pop("stages")), "not a readable manifest"),
    bad("stages are a list", manifest(lambda d: d.update(stages=[])), "not a readable manifest"),
    bad("a stage without a key", manifest(lambda d: d["stages"]["data"].pop("key")), "not a readable"),
    bad("negative size", naming("data/x"), "data/x: is missing"),
    bad("path leads up", naming("data/../../events.h5"), "leads out of the run folder"),
    bad("path begins above", naming("../events.h5"), "leads out of the run folder"),
    bad("absolute path", naming("/etc/passwd"), "leads out of the run folder"),
    bad("path without a folder", naming("passwd"), "leads out of the run folder"),
    bad("path of another stage", naming("export/none"), "export/none"),
    bad("path with a NUL", naming("data/a\0b"), "data/a"),
    bad("path of 5000 letters", naming("data/" + "x" * 5000), "data/xxx"),
    bad("path is a number", manifest(lambda d: d["stages"]["data"]["files"][0].update(path=3)),
        "leads out of the run folder"),
    bad("path is a folder", naming("data/."), "data"),
    # the files
    bad("edited", content("data/input_spec.yaml", b"name: x\n"), "input_spec.yaml: "),
    bad("truncated", cut("export/network/network.json"), "network.json: truncated"),
    bad("missing file", gone("export/network/network.npz"), "network.npz: is missing"),
    bad("missing stage", gone("export"), "export"),
    bad("a file is a folder", all_of(gone("data/train.h5"), folder_named("done/data/train.h5")),
        "train.h5: is missing"),
    bad("a file is a FIFO", all_of(gone("data/train.h5"), fifo("done/data/train.h5")),
        "train.h5: is missing"),
    bad("a file is a device", all_of(gone("data/train.h5"), link("done/data/train.h5", "/dev/zero")),
        "train.h5: is missing"),
    bad("a file is a dangling link", all_of(gone("data/train.h5"), link("done/data/train.h5", "x")),
        "train.h5: is missing"),
    bad("a link to other bytes", all_of(gone("data/train.h5"), link("done/data/train.h5", "../../events.h5")),
        "train.h5: edited"),
    Case("run: a link to the same bytes is no harm", moved_out("data/train.h5"), SCORE, 0, "scores"),
    Case("run: a stage on another disk is no harm", moved_out("data"), SCORE, 0, "scores"),
    bad("no recipe", gone("recipe.yaml"), "recipe.yaml: no such file"),
    bad("broken recipe", content("recipe.yaml", b"{"), "recipe.yaml: not valid YAML"),
    bad("recipe of a newer program", content("recipe.yaml", b"name: x\nnewer: 1\n"), "newer: unknown key"),
    bad("recipe is a bomb", content("recipe.yaml", b"a: &a [x]\nb: [*a, *a]\n"), "aliases", "diff done done"),
    bad("recipe is a FIFO", all_of(gone("recipe.yaml"), fifo("done/recipe.yaml")),
        "recipe.yaml: is no regular file", "diff done done"),
    bad("no report", nothing, "stage 'validation' is not finished", "report done"),
    bad("train.h5 of nothing", all_of(content("data/train.h5", b"x"), hashed), "train.h5: truncated"),
    bad("spec of nothing", all_of(content("data/input_spec.yaml", b"{}"), vouched), "input_spec.yaml"),
    bad("spec of other columns", all_of(
        content("data/input_spec.yaml", b"name: x\ndescription: x\nsource: x\ntype: fixed<8,4>\nfeatures: [{name: zz, offset: 0, shift: 0}]\n"),
        vouched), "zz"),
    bad("report of another kind", all_of(folder_named("done/validation"), content("validation/report.json", b"[1]")),
        "report.json", "diff done done"),
    bad("deep report", all_of(folder_named("done/validation"), content("validation/report.json", b"[" * 10**6)),
        "report.json", "diff done done"),
    bad("newer report", all_of(folder_named("done/validation"),
        content("validation/report.json", b'{"format": "naetrigger-report", "version": 99}')),
        "report.json: version 99", "diff done done"),
    bad("working points of nothing", all_of(folder_named("done/validation"),
        content("validation/report.json", b'{"working_points": [3]}')),
        "report.json", "monitor done events.h5 --reference events.h5 --workers 1 --out v"),
    bad("decision of nothing", content("export/decision.json", b"[" * 10**6), "decision.json",
        "monitor done events.h5 --reference events.h5 --workers 1 --out v"),
    # the network's document
    net("empty", all_of(content("export/network/network.json", b""), vouched), "not a readable network"),
    net("a list", all_of(content("export/network/network.json", b"[]"), vouched), "not a readable network"),
    net("deep", all_of(content("export/network/network.json", b"[" * 10**6), vouched), "not a readable"),
    net("newer", network(lambda d: d.update(version=9)), "expected naetrigger-network version"),
    net("another format", network(lambda d: d.update(format="onnx")), "expected naetrigger-network"),
    net("no nodes", network(lambda d: d.update(nodes=[])), "the first node must be the input"),
    net("a million nodes", network(lambda d: d.update(nodes=[d["nodes"][0]] * 100_000)), "network"),
    net("nodes are text", network(lambda d: d.update(nodes="abc")), "not a readable network"),
    net("a cycle", node(1, inputs=["score"]), "input score does not come before it"),
    net("a node of itself", node(1, inputs=["dense"]), "does not come before it"),
    net("a name twice", node(2, name="dense"), "the name stands twice"),
    net("a name that leads out", node(1, name="../../x"), "is no name"),
    net("a name with a newline", node(2, name="a\nb"), "is no name"),
    net("a name that is C++", node(2, name="a;system(0)"), "is no name"),
    net("unknown op", node(2, op="softmax"), "op 'softmax' is not possible here"),
    net("no bits", node(1, type="fixed<0,0,TRN,WRAP>"), "width must be 1 to 63"),
    net("64 bits", node(1, type="fixed<64,0,TRN,WRAP>"), "width must be 1 to 63"),
    net("negative bits", node(1, type="fixed<-8,0,TRN,WRAP>"), "network"),
    net("a fraction of bits", node(1, type="fixed<8.5,4,TRN,WRAP>"), "network"),
    net("bits out of range", node(1, type=f"fixed<8,{10**30},TRN,WRAP>"), "out of range"),
    net("bits of 5000 digits", node(1, type=f"fixed<{'9' * 5000},4,TRN,WRAP>"), "network"),
    net("no such rounding", node(1, type="fixed<8,4,UP,WRAP>"), "network"),
    net("a type of null", node(1, type=None), "not a readable network"),
    net("a size of zero", node(1, size=0), "size must be 1 to 65536"),
    net("a negative size", node(1, size=-57), "size must be 1 to 65536"),
    net("a huge size", node(0, size=10**15), "size must be 1 to 65536"),
    net("a size of 5000 digits", node(0, size="9" * 5000), "not a readable network"),
    net("infinite scale", network(lambda d: d.update(score_scale=float("inf"))), "score_scale must be"),
    net("a scale of NaN", network(lambda d: d.update(score_scale=float("nan"))), "score_scale must be"),
    net("zero scale", network(lambda d: d.update(score_scale=0)), "score_scale must be"),
    net("no such output", network(lambda d: d.update(output="x")), "the output 'x' must be"),
    net("output of 57 values", network(lambda d: d.update(output="dense")), "the output 'dense' must"),
    net("decision of nothing", network(lambda d: d.update(decision="x")), "the decision 'x' must"),
    net("another input", node(0, size=56), "56"),
    net("a window of a dense layer", node(1, window={"size": [0, 0], "stride": [0, 0], "padding": [0] * 4}),
        "network"),
    net("a cut out of range", node(1, cut=10**9), "out of range"),
    # the network's arrays
    net("no arrays", archive(), "network"),
    net("weights missing", arrays(lambda a: a.clear()), "weights must have shape"),
    net("weights of another shape", arrays(lambda a: a.update({"dense.weights": weights((56, 57))})),
        "weights must have shape (57, 57)"),
    net("weights are floats", arrays(lambda a: a.update({"dense.weights": weights(kind="f8")})), "int64"),
    net("weights are NaN", arrays(lambda a: a.update({"dense.weights": weights(value=np.nan, kind="f8")})),
        "int64"),
    net("weights are text", arrays(lambda a: a.update({"dense.weights": np.array("x")})), "network"),
    net("weights beyond their format", arrays(lambda a: a.update({"dense.weights": weights(value=99)})),
        "weights leave their format"),
    net("pickled weights", archive(dense__weights__npy=pickled()), "not a readable network"),
    net("a petabyte declared", archive(dense__weights__npy=header("(1000000, 1000000000)")), "network.npz"),
    net("a bomb of zeros", archive(dense__weights__npy=header("(65536, 8192)") + bytes(2**22)), "network.npz"),
    net("a negative shape", archive(dense__weights__npy=header("(-57, 57)")), "network"),
    net("a header that is code", archive(dense__weights__npy=header("(__import__('os').getpid(), 57)")),
        "network"),
    net("a member that leads out", archive(**{"../../dense__weights__npy": header("(1,)") + bytes(8)}),
        "weights must have shape"),
    net("no zip file", all_of(content("export/network/network.npz", b"x" * 99), hashed), "network"),
    net("a zip cut short", all_of(cut("export/network/network.npz"), hashed), "network"),
]  # fmt: skip


def lockfile_leads_out(folder: Path) -> None:
    """A lock that is a link to a file of the user's."""
    (folder / "mine.txt").write_text("mine\n")
    (folder / "run").mkdir()
    os.symlink(folder / "mine.txt", folder / "run" / ".lock")
