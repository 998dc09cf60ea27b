"""What is fuzzed: every reader of a file from outside, given bytes, must read them or refuse them.

A target takes any bytes. It raises nothing but what the readers promise to raise: a refusal counts
as an answer, anything else as a defect.
"""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from naetrigger.contracts.errors import NaetriggerError
from naetrigger.contracts.events import write_events
from naetrigger.contracts.manifest import Manifest, read_manifest, write_manifest
from naetrigger.contracts.network_file import load_network, save_network
from naetrigger.firmware_configs.input_spec import load_input_spec
from naetrigger.firmware_configs.shipped import parse_yaml
from naetrigger.pipeline.recipe import parse_recipe
from naetrigger.training.data.formats.format import ReadOptions
from naetrigger.training.data.readers import open_events
from tests.pipeline.small_run import crossings, network

MAX_EVENTS = 10_000  # a reader that gives more of a small file does not end


def refused(target: Callable[[], object]) -> bool:
    """Whether it refused; what else it raises goes through."""
    try:
        target()
    except NaetriggerError as error:
        return bool(str(error))
    return False


def recipe(data: bytes) -> None:
    """A recipe's text."""
    text = data.decode("utf-8", "surrogateescape")
    refused(lambda: parse_recipe(parse_yaml(text, "fuzz.yaml"), "fuzz.yaml"))


def input_spec(data: bytes) -> None:
    _of_file(data, "spec.yaml", lambda path: load_input_spec(str(path)))


def text_events(data: bytes) -> None:
    """CSV and test vectors, as they are recognised."""
    _of_file(data, "x.csv", _all_events)


def binary_events(data: bytes) -> None:
    """HDF5, parquet, ROOT, as they are recognised."""
    if not has_endless_heap(data):
        _of_file(data, "x.bin", _all_events)


def has_endless_heap(data: bytes) -> bool:
    """Whether an HDF5 file has a global heap in which free space of size 0 comes early.

    The HDF5 library (1.14.6 and 2.0.0) reads such a heap without end, as docs/limits.md says; a
    target cannot.
    """
    start = data.find(b"GCOL")
    while start >= 0:
        size = int.from_bytes(data[start + 8 : start + 16], "little")
        place, end = start + 16, min(start + size, len(data)) - 16
        while place <= end:
            index, length = struct.unpack_from("<H6xQ", data, place)
            if index == 0 and length == 0:
                return True
            place += length if index == 0 else 16 + -(-length // 8) * 8
        start = data.find(b"GCOL", start + 1)
    return False


def manifest(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "manifest.json").write_bytes(data)
        refused(lambda: read_manifest(Path(folder)))


def network_document(data: bytes) -> None:
    """network.json beside good arrays."""
    with tempfile.TemporaryDirectory() as folder:
        save_network(network(), Path(folder))
        (Path(folder) / "network.json").write_bytes(data)
        refused(lambda: load_network(Path(folder)).bounds())


def network_arrays(data: bytes) -> None:
    """network.npz beside a good document."""
    with tempfile.TemporaryDirectory() as folder:
        save_network(network(), Path(folder))
        (Path(folder) / "network.npz").write_bytes(data)
        refused(lambda: load_network(Path(folder)).bounds())


def qonnx(data: bytes) -> None:
    from naetrigger.export.import_qonnx import read_qonnx

    _of_file(data, "x.onnx", lambda path: read_qonnx(path, None, "0"))


def _of_file(data: bytes, name: str, read: Callable[[Path], object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        refused(lambda: read(path))


def _all_events(path: Path) -> None:
    source = open_events(path, ReadOptions())
    count = 0
    for events in source.chunks():
        assert np.isfinite(events.values).all()
        assert (events.weights > 0).all()
        count += len(events)
        assert count <= MAX_EVENTS


def seeds(name: str) -> list[bytes]:
    """Good inputs of a target, to be mutated."""
    return SEEDS[name]()


def _recipes() -> list[bytes]:
    folder = Path(__file__).parents[2] / "firmware_configs" / "recipes"
    return [path.read_bytes() for path in sorted(folder.glob("*.yaml"))]


def _specs() -> list[bytes]:
    folder = Path(__file__).parents[2] / "firmware_configs" / "inputs"
    found = [path.read_bytes() for path in sorted(folder.glob("*.yaml"))]
    return [content for content in found if len(content) < 4000] or found[:1]


def _texts() -> list[bytes]:
    vector = " ".join(["0001", *["0" * 16] * 8, *["0" * 8] * 48, "0" * 64, "0" * 128, "0"])
    return [b"a,b,weight,event_id\n1,2,1,3\n-1e3,0,2,3\n", b"a,context.b\n1,2\n", vector.encode()]


def _binaries() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.h5"
        write_events(path, [crossings(3)])
        own = path.read_bytes()
    particles = io.BytesIO()
    with h5py.File(particles, "w") as file:
        table = np.zeros((2, 19, 4), np.float32)
        table[:, 0] = (30, 0, 1, 1)
        file["Particles"] = table
    regions = io.BytesIO()
    with h5py.File(regions, "w") as file:
        file["CaloRegions"] = np.zeros((2, 252), np.uint16)
    return [own, particles.getvalue(), regions.getvalue(), *_parquet()]


def _parquet() -> list[bytes]:
    import pyarrow
    import pyarrow.parquet

    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, 2.0], "weight": [1.0, 1.0]}), content)
    return [content.getvalue()]


def _manifests() -> list[bytes]:
    from tests.pipeline.small_run import make_run

    with tempfile.TemporaryDirectory() as folder:
        write_manifest(Path(folder), Manifest())
        empty = (Path(folder) / "manifest.json").read_bytes()
        whole = (make_run(Path(folder) / "run") / "manifest.json").read_bytes()
    return [empty, json.dumps(json.loads(whole)).encode()]


def _network(name: str) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        save_network(network(), Path(folder))
        content = (Path(folder) / name).read_bytes()
    if name.endswith(".npz"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.namelist()
    return [content]


def _onnx() -> list[bytes]:
    from tests.export.test_import_qonnx import Graph

    graph = Graph((3,), 5)
    graph.quant(2**-3, 6)
    graph.add("MatMul", graph.weights((3, 1), 2**-3))
    graph.quant(2**-2, 7)
    return [graph.model(1).SerializeToString()]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "recipe": recipe,
    "input_spec": input_spec,
    "text_events": text_events,
    "binary_events": binary_events,
    "manifest": manifest,
    "network_document": network_document,
    "network_arrays": network_arrays,
    "qonnx": qonnx,
}
SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "recipe": _recipes,
    "input_spec": _specs,
    "text_events": _texts,
    "binary_events": _binaries,
    "manifest": _manifests,
    "network_document": lambda: _network("network.json"),
    "network_arrays": lambda: _network("network.npz"),
    "qonnx": _onnx,
}
