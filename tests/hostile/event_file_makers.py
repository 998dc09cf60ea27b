"""Event files of every format, made with something wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from naetrigger.contracts.events import FORMAT, VERSION, write_events
from tests.hostile.case import Case, Make, text
from tests.pipeline.small_run import crossings

Edit = Callable[[h5py.File], None]
PROCESS = "zero_bias"


def info(name: str, make: Make, said: str, status: int = 2, file: str = "x.csv") -> Case:
    """A file that `data info` refuses, or finds fault with (status 1)."""
    return Case(name, make, f"data info {file}", status, said)


def csv(name: str, content: str, said: str, status: int = 2) -> Case:
    return info(name, text("x.csv", content), said, status)


def hdf5(edit: Edit, name: str = "x.h5") -> Make:
    """An HDF5 file made by hand."""

    def made(folder: Path) -> None:
        with h5py.File(folder / name, "w") as file:
            edit(file)

    return made


def own(name: str, edit: Edit, said: str, status: int = 2) -> Case:
    """naetrigger's own layout, good but for an edit."""
    return info(name, own_file(edit), said, status, "x.h5")


def own_file(edit: Edit) -> Make:
    """x.h5, good events of naetrigger's own layout but for an edit."""

    def made(folder: Path) -> None:
        write_events(folder / "x.h5", [crossings(50)])
        with h5py.File(folder / "x.h5", "a") as file:
            edit(file)

    return made


def dataset(path: str, data: Any) -> Edit:
    """Another dataset in the place of one, with its attributes."""

    def edit(file: h5py.File) -> None:
        attributes = dict(file[path].attrs) if path in file else {}
        if path in file:
            del file[path]
        file[path] = data
        file[path].attrs.update(attributes)

    return edit


def declared(path: str, shape: tuple[int, ...], **options: Any) -> Edit:
    """A dataset of that shape in which nothing was ever stored."""

    def edit(file: h5py.File) -> None:
        attributes = dict(file[path].attrs) if path in file else {}
        if path in file:
            del file[path]
        file.create_dataset(path, shape, "f4", **options)
        file[path].attrs.update(attributes)

    return edit


def attribute(path: str, name: str, value: Any) -> Edit:
    def edit(file: h5py.File) -> None:
        file[path].attrs[name] = value

    return edit


def without(path: str, name: str = "") -> Edit:
    def edit(file: h5py.File) -> None:
        if name:
            del file[path].attrs[name]
        else:
            del file[path]

    return edit


def both(*edits: Edit) -> Edit:
    def edit(file: h5py.File) -> None:
        for part in edits:
            part(file)

    return edit


def elsewhere(file: h5py.File) -> None:
    """Values that lie in another file."""
    del file[f"{PROCESS}/values"]
    file[f"{PROCESS}/values"] = h5py.ExternalLink("events.h5", f"/{PROCESS}/values")


def group_elsewhere(file: h5py.File) -> None:
    del file[PROCESS]
    file[PROCESS] = h5py.ExternalLink("events.h5", f"/{PROCESS}")


def raw_elsewhere(file: h5py.File) -> None:
    """Weights that are bytes of another file of the machine."""
    del file[f"{PROCESS}/weights"]
    external = [("/etc/passwd", 0, 400)]
    file[PROCESS].create_dataset("weights", (50,), "f8", external=external)


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((50,), "f8")
    layout[:] = h5py.VirtualSource("events.h5", f"{PROCESS}/weights", (300,))[:50]
    del file[f"{PROCESS}/weights"]
    file[PROCESS].create_virtual_dataset("weights", layout)


def circle(file: h5py.File) -> None:
    del file[f"{PROCESS}/values"]
    file[f"{PROCESS}/values"] = h5py.SoftLink(f"/{PROCESS}/values")


def cut(name: str, size: int) -> Make:
    """A good file, cut short."""

    def made(folder: Path) -> None:
        content = (folder / "events.h5").read_bytes()
        (folder / name).write_bytes(content[:size])

    return made


def flipped(name: str, step: int) -> Make:
    """A good file with a byte wrong here and there."""

    def made(folder: Path) -> None:
        content = bytearray((folder / "events.h5").read_bytes())
        for place in range(600, len(content), step):
            content[place] ^= 0x55
        (folder / name).write_bytes(content)

    return made


def particles(n: int = 5) -> np.ndarray:
    table = np.zeros((n, 19, 4), np.float32)
    table[:, 0] = (30, 0, 1, 1)
    table[:, 9] = (50, 0.5, 1, 4)
    return table


def forty(name: str, said: str, *edits: Edit, status: int = 2) -> Case:
    """particles-40mhz, good but for some edits."""
    good = dataset("Particles", particles())
    return info(name, hdf5(both(good, *edits)), said, status, "x.h5")


def changed(place: tuple[Any, ...], value: Any) -> Edit:
    table = particles()
    table[place] = value
    return dataset("Particles", table)


def regions(name: str, said: str, data: Any, *edits: Edit, status: int = 2) -> Case:
    return info(name, hdf5(both(dataset("CaloRegions", data), *edits)), said, status, "x.h5")


def parquet(name: str, said: str, table: Callable[[], dict[str, Any]], status: int = 2) -> Case:
    def made(folder: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table(table()), folder / "x.parquet")

    return info(name, made, said, status, "x.parquet")


def parquet_cut(folder: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"a": list(range(1000))}), folder / "x.parquet")
    (folder / "x.parquet").write_bytes((folder / "x.parquet").read_bytes()[:-40])


def frame(pickled: bytes, columns: int = 2101, rows: int = 3) -> Edit:
    """A table as pandas stores it, with the names of its columns as a pickle."""

    def edit(file: h5py.File) -> None:
        kind = np.dtype([("index", "i8"), ("values_block_0", "f4", (columns,))])
        group = file.create_group("df")
        group["table"] = np.zeros(rows, kind)
        group["table"].attrs["values_block_0_kind"] = np.void(pickled)

    return edit


EVIL_PICKLE = b"cposix\nsystem\n(S'touch hacked'\ntR."
VECTOR = " ".join(["0001", *["0" * 16] * 8, *["0" * 8] * 48, "0" * 64, "0" * 128, "0"])


def vector(name: str, said: str, line: str, status: int = 2) -> Case:
    return info(name, text("x.txt", line), said, status, "x.txt")


def bomb(name: str) -> Make:
    """A gigabyte of zeros in a megabyte of gzip, chunk by chunk, in HDF5."""

    def made(folder: Path) -> None:
        with h5py.File(folder / name, "w") as file:
            file.attrs.update({"format": FORMAT, "version": VERSION})
            group = file.create_group(PROCESS)
            group.attrs["role"] = "background"
            wide = 250_000_000
            values = group.create_dataset(
                "values", (1, wide), "f4", chunks=(1, 1_000_000), compression="gzip"
            )
            values.attrs["columns"] = ["a"]
            for key, kind in (("weights", "f8"), ("event_ids", "u8")):
                group[key] = np.ones(1, kind)
            group["context"] = np.zeros((1, 0), np.float32)

    return made


def changed_events(name: str, **changes: Any) -> Make:
    """Events of the run's layout with something of it replaced."""

    def made(folder: Path) -> None:
        write_events(folder / name, [replace(crossings(40), **changes)])

    return made


def constant(name: str, n: int) -> Make:
    """The same event again and again."""

    def made(folder: Path) -> None:
        one = crossings(1)
        events = replace(
            crossings(n),
            values=np.repeat(one.values, n, axis=0),
            context=np.stack([np.full(n, 50), np.arange(n), np.full(n, 9)], axis=1).astype("f4"),
            weights=np.ones(n),
        )
        write_events(folder / name, [events])

    return made
