"""Event files of every format: damaged, of other shapes, lying about themselves, bombs."""

# ruff: noqa: E501 (a table: a case a line)

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from naetrigger.contracts.events import FORMAT, VERSION, write_events
from tests.hostile.case import Case, Make, nothing, raw, text
from tests.hostile.recipe_cases import fifo, folder_named, link
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

    def made(folder: Path) -> None:
        write_events(folder / "x.h5", [crossings(50)])
        with h5py.File(folder / "x.h5", "a") as file:
            edit(file)

    return info(name, made, said, status, "x.h5")


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


HEAD = "a,b,weight,event_id\n"
CASES = [
    # CSV
    csv("csv: empty", "", "x.csv: is empty"),
    csv("csv: blank lines", "\n\n\n", "is empty"),
    csv("csv: header alone", "a,b\n", "holds no events"),
    csv("csv: no header", "1,2\n3,4\n", "the first line must name the columns"),
    csv("csv: column twice", "a,a\n1,2\n", "stands twice"),
    csv("csv: column without a name", "a,,b\n1,2,3\n", "every column needs a name of its own"),
    csv("csv: too few fields", "a,b\n1,2\n3\n", "x.csv: line 3: expected 2 columns"),
    csv("csv: too many fields", "a,b\n1,2,3\n", "x.csv: line 2: expected 2 columns (a, b), got 3"),
    csv("csv: word for a number", "a,b\n1,x\n", "line 2: column 'b': must be a number, got 'x'"),
    csv("csv: empty field", "a,b\n1,\n", "line 2: column 'b'"),
    csv("csv: hexadecimal", "a,b\n1,0x10\n", "column 'b': must be a number"),
    csv("csv: underscores", "a,b\n1,1_000\n", "column 'b': must be a number"),
    csv("csv: complex", "a,b\n1,1+2j\n", "column 'b': must be a number"),
    csv("csv: other digits", "a,b\n1,\u0661\u0662\n", "column 'b': must be a number"),
    csv("csv: NaN", "a,b\n1,nan\n2,3\n", "1 rows hold NaN or infinity, the first in row 0", 1),
    csv("csv: infinity", "a,b\n1,1e999\n2,3\n", "1 rows hold NaN or infinity", 1),
    csv("csv: beyond float32", "a,b\n1,1e300\n2,3\n", "1 rows hold NaN or infinity", 1),
    csv("csv: zero weight", HEAD + "1,2,0,1\n", "weights are not positive", 1),
    csv("csv: negative weight", HEAD + "1,2,-3,1\n", "weights are not positive", 1),
    csv("csv: broken id", HEAD + "1,2,1,1.5\n", "column 'event_id' must hold whole numbers"),
    csv("csv: negative id", HEAD + "1,2,1,-7\n", "column 'event_id' must hold whole numbers"),
    csv("csv: id beyond 64 bits", HEAD + f"1,2,1,{2**64}\n", "column 'event_id' must hold whole"),
    csv("csv: id is no number", HEAD + "1,2,1,x\n", "column 'event_id'"),
    csv("csv: only weights", "weight,event_id\n1,2\n", "holds no columns of values"),
    csv("csv: semicolons", "a;b\n1;2\n", "must be separated by commas"),
    csv("csv: tabs", "a\tb\n1\t2\n", "must be separated by commas"),
    csv("csv: quote that never ends", 'a,b\n"1,2\n', "x.csv: line"),
    csv("csv: header of one quote", '"\n1\n', "x.csv"),
    csv("csv: formula", "a,b\n=1+1,2\n", "must be a number, got '=1+1'"),
    csv("csv: comment", "a,b\n# 1,2\n", "must be a number"),
    csv("csv: context alone", "context.a\n1\n", "holds no columns of values"),
    csv("csv: context without a name", "a,context.\n1,2\n", "every column needs a name of its own"),
    csv("csv: a column is twice after all", "a,context.a\n1,2\n", "'a' stands twice"),
    info("csv: UTF-16", raw("x.csv", "a,b\n1,2\n".encode("utf-16")), "x.csv"),
    info("csv: NUL", raw("x.csv", b"a,b\n1,\x002\n"), "x.csv"),
    info("csv: Latin-1", raw("x.csv", "\xe4,b\n1,2\n".encode("latin-1")), "cannot be read as text"),
    info("csv: gzip", raw("x.csv", gzip.compress(b"a,b\n1,2\n")), "x.csv"),
    info("csv: gzip bomb", raw("x.csv.gz", gzip.compress(bytes(10**7))), "x.csv.gz: is in none of",
         file="x.csv.gz"),
    info("csv: zip", raw("x.csv", b"PK\x03\x04" + bytes(100)), "x.csv"),
    csv("csv: 100000 columns", ",".join(f"c{i}" for i in range(100_000)) + "\n1\n", "expected 100000"),
    info("csv: BOM is no harm", raw("x.csv", b"\xef\xbb\xbfa,b\n1,2\n"), "x.csv", 0),
    info("csv: CRLF is no harm", raw("x.csv", b"a,b\r\n1,2\r\n"), "x.csv", 0),
    # what the path is
    info("file: none", nothing, "none.h5: no such file", file="none.h5"),
    info("file: a folder", folder_named("x.h5"), "x.h5: is a folder", file="x.h5"),
    info("file: a FIFO", fifo("x.h5"), "x.h5: is no regular file but a FIFO", file="x.h5"),
    info("file: a device", nothing, "is no regular file but a device", file="/dev/zero"),
    info("file: /dev/full", nothing, "is no regular file but a device", file="/dev/full"),
    info("file: a dangling link", link("x.h5", "gone"), "x.h5: no such file", file="x.h5"),
    info("file: a circle of links", link("x.h5", "x.h5"), "x.h5: cannot be opened", file="x.h5"),
    info("file: a name of 5000 letters", nothing, "cannot be opened", file="x" * 5000),
    info("file: a file as a folder", nothing, "no such file", file="good.csv/x.h5"),
    info("file: empty", raw("x.h5", b""), "x.h5: is empty", file="x.h5"),
    info("file: random bytes", raw("x.bin", bytes(range(256)) * 9), "in none of the known formats",
         file="x.bin"),
    Case("file: no such format", nothing, "data info good.csv --format cvs", 2, "did you mean 'csv'"),
    Case("file: another format", nothing, "data info good.csv --format parquet", 2, "good.csv"),
    Case("file: a view of none", nothing, "data info good.csv --view images", 2, "view 'images'"),
    Case("file: no such spec", nothing, "data info good.csv --input-spec l1-75", 2, "l1-57"),
    Case("file: a spec of other columns", nothing, "data info good.csv --input-spec jets8", 2,
         "good"),
    # naetrigger's own
    info("own: cut in the middle", cut("x.h5", 3000), "x.h5: truncated", file="x.h5"),
    info("own: cut at the end", cut("x.h5", -1), "x.h5: truncated", file="x.h5"),
    info("own: signature alone", raw("x.h5", b"\x89HDF\r\n\x1a\n"), "x.h5: truncated", file="x.h5"),
    info("own: wrong bytes", flipped("x.h5", 997), "x.h5", file="x.h5"),
    own("own: no format", without("/", "format"), "of no known layout"),
    own("own: format is a number", attribute("/", "format", 3), "of no known layout"),
    own("own: newer version", attribute("/", "version", 99), "layout version 99"),
    own("own: version is text", attribute("/", "version", "one"), "x.h5"),
    own("own: no process", without(PROCESS), "x.h5"),
    own("own: names a process it lacks", attribute("/", "processes", ["tops"]), "tops"),
    own("own: process leads out", attribute("/", "processes", ["../x"]), "x.h5: not the documented layout"),
    own("own: process is a dataset", dataset(PROCESS, [1.0]), "x.h5"),
    own("own: no role", without(PROCESS, "role"), "role"),
    own("own: another role", attribute(PROCESS, "role", "noise"), "role is one of"),
    own("own: no values", without(f"{PROCESS}/values"), "values"),
    own("own: no weights", without(f"{PROCESS}/weights"), "weights"),
    own("own: no columns", without(f"{PROCESS}/values", "columns"), "columns"),
    own("own: fewer columns", attribute(f"{PROCESS}/values", "columns", ["a"]), "must have shape"),
    own("own: columns are numbers", attribute(f"{PROCESS}/values", "columns", 57), "x.h5"),
    own("own: column twice", attribute(f"{PROCESS}/values", "columns", ["a"] * 57), "'a'"),
    own("own: more units", attribute(f"{PROCESS}/values", "units", ["1"] * 58), "58 units for 57"),
    own("own: values are text", dataset(f"{PROCESS}/values", [["a"] * 57] * 50), "values"),
    own("own: values are complex", dataset(f"{PROCESS}/values", np.ones((50, 57), "c8")), "values"),
    own("own: values of three axes", dataset(f"{PROCESS}/values", np.ones((50, 57, 2))), "shape"),
    own("own: a value alone", dataset(f"{PROCESS}/values", np.float32(3)), "x.h5"),
    own("own: fewer weights", dataset(f"{PROCESS}/weights", np.ones(49)), "weights must have shape"),
    own("own: ids are fractions", dataset(f"{PROCESS}/event_ids", np.full(50, 0.5)), "event_ids"),
    own("own: ids are negative", dataset(f"{PROCESS}/event_ids", np.full(50, -5)), "event_ids"),
    own("own: weights are text", dataset(f"{PROCESS}/weights", ["x"] * 50), "weights are stored as"),
    own("own: NaN", dataset(f"{PROCESS}/values", np.full((50, 57), np.nan)), "NaN or infinity", 1),
    own("own: NaN weights", dataset(f"{PROCESS}/weights", np.full(50, np.nan)), "weights are not", 1),
    own("own: no events", both(
        dataset(f"{PROCESS}/values", np.ones((0, 57), np.float32)),
        dataset(f"{PROCESS}/weights", np.ones(0)),
        dataset(f"{PROCESS}/event_ids", np.ones(0, np.uint64)),
        dataset(f"{PROCESS}/context", np.ones((0, 3), np.float32)),
    ), "holds no events"),
    own("own: rows that were never stored", both(*(
        declared(f"{PROCESS}/{name}", shape, chunks=True, maxshape=(None, *shape[1:]))
        for name, shape in (
            ("values", (10**12, 57)), ("weights", (10**12,)), ("event_ids", (10**12,)),
            ("context", (10**12, 3)),
        )
    )), "declares"),
    info("own: a gigabyte a row", bomb("x.h5"), "x.h5: dataset 'zero_bias/values'", file="x.h5"),
    own("own: values in another file", elsewhere, "another file"),
    own("own: a group in another file", group_elsewhere, "another file"),
    own("own: bytes of another file", raw_elsewhere, "another file"),
    own("own: a virtual dataset", virtual, "another file"),
    own("own: a circle of links", circle, "x.h5"),
    info("hdf5: nothing in it", hdf5(lambda file: None), "holds nothing", file="x.h5"),
    info("hdf5: something else", hdf5(dataset("jets", [1.0])), "holds jets", file="x.h5"),
    # 40-MHz particles
    forty("40mhz: 18 objects", "must have shape (N, 19, 4)", dataset("Particles", particles()[:, 1:])),
    forty("40mhz: no axes", "must have shape (N, 19, 4)", dataset("Particles", 1.0)),
    forty("40mhz: text", "expected numbers", dataset("Particles", [b"a"])),
    forty("40mhz: a group", "x.h5", lambda file: (file.pop("Particles"), file.create_group("Particles"))[0]),
    forty("40mhz: wrong class", "class", changed((2, 9, 3), 3)),
    forty("40mhz: negative pt", "row 2", changed((2, 9, 0), -1)),
    forty("40mhz: NaN", "row 2", changed((2, 9, 0), np.nan)),
    forty("40mhz: infinity", "row 2", changed((2, 9, 0), np.inf)),
    forty("40mhz: rising pt", "row 2", changed((2, slice(9, 11)), [[50, 0, 1, 4], [60, 0, 1, 4]])),
    forty("40mhz: fewer ids", "3 EvtId for 5 events", dataset("EvtId", [1, 2, 3])),
    forty("40mhz: ids are fractions", "EvtId", dataset("EvtId", [0.5] * 5)),
    forty("40mhz: ids are a group", "EvtId", lambda file: file.create_group("EvtId") and None),
    forty("40mhz: other names", "Particles_Names must be", dataset("Particles_Names", [b"E"] * 4)),
    forty("40mhz: other classes", "Particles_Classes", dataset("Particles_Classes", [b"Four_Mu_class_9"])),
    forty("40mhz: no events", "no events", dataset("Particles", particles(0))),
    forty("40mhz: a declared billion", "declares",
          declared("Particles", (10**9, 19, 4), chunks=(1000, 19, 4))),
    # calorimeter regions
    regions("regions: turned", "phi then eta", np.zeros((5, 14, 18), "u2")),
    regions("regions: fractions", "no hardware integers", np.full((5, 18, 14), 0.5)),
    regions("regions: negative", "no hardware integers", np.full((5, 252), -1)),
    regions("regions: beyond 16 bits", "no hardware integers", np.full((5, 252), 70000)),
    regions("regions: NaN", "no hardware integers", np.full((5, 252), np.nan)),
    regions("regions: fewer flags", "does not go with 5 events", np.zeros((5, 252)),
            dataset("AcceptanceFlag", [1, 0])),
    regions("regions: flags are text", "expected numbers", np.zeros((5, 252)),
            dataset("AcceptanceFlag", [b"a"] * 5)),
    regions("regions: no events", "no events", np.zeros((0, 252))),
    # parquet
    info("parquet: cut", parquet_cut, "x.parquet: truncated", file="x.parquet"),
    info("parquet: magic alone", raw("x.parquet", b"PAR1"), "x.parquet", file="x.parquet"),
    info("parquet: empty", raw("x.parquet", b""), "x.parquet: is empty", file="x.parquet"),
    parquet("parquet: text", "expected numbers", lambda: {"a": ["x", "y"]}),
    parquet("parquet: lists", "expected numbers", lambda: {"a": [[1.0], [2.0]]}),
    parquet("parquet: nulls", "NaN or infinity", lambda: {"a": [1.0, None]}, 1),
    parquet("parquet: no columns of values", "no columns of values", lambda: {"weight": [1.0]}),
    parquet("parquet: no rows", "holds no events", lambda: {"a": np.zeros(0)}),
    parquet("parquet: negative ids", "whole numbers", lambda: {"a": [1.0], "event_id": [-1]}),
    parquet("parquet: ids are fractions", "whole numbers", lambda: {"a": [1.0], "event_id": [0.5]}),
    parquet("parquet: weights are text", "expected numbers", lambda: {"a": [1.0], "weight": ["x"]}),
    parquet("parquet: zero weights", "weights are not positive", lambda: {"a": [1.0], "weight": [0.0]},
            1),
    # ROOT
    info("root: cut", raw("x.root", b"root" + bytes(200)), "x.root: no tree 'Events'", file="x.root"),
    info("root: magic alone", raw("x.root", b"root"), "x.root", file="x.root"),
    info("root: named so", text("x.root", "hello"), "x.root", file="x.root"),
    # pandas tables
    info("pandas: a pickle that runs a command", hdf5(frame(EVIL_PICKLE)), "x.h5", file="x.h5"),
    info("pandas: a pickle cut short", hdf5(frame(b"\x80\x04]")), "x.h5", file="x.h5"),
    info("pandas: names beyond the columns", hdf5(frame(b"(lp0\nVa\np1\na.")), "x.h5", file="x.h5"),
    # test vectors
    vector("vectors: fields missing", "x.txt", "0001 " + "0" * 16 + " 00" * 9),
    vector("vectors: 59 fields", "expected 60 fields", VECTOR.rpartition(" ")[0]),
    vector("vectors: no hex", "line 1: muon 1: must be 16 hex digits",
           VECTOR.replace("0" * 16, "x" * 16, 1)),
    vector("vectors: final OR of 2", "final OR: must be 0 or 1", VECTOR[:-1] + "2"),
    vector("vectors: tabs", "separated by blanks", VECTOR.replace(" ", "\t")),
    vector("vectors: a crossing of 400 digits", "x.txt", VECTOR.replace("0001", "9" * 400)),
    # converting
    Case("convert: onto itself", nothing, "data convert good.csv --out good.csv --force", 2,
         "is one of the files to be read"),
    Case("convert: through a link onto itself", link("l.csv", "good.csv"),
         "data convert good.csv --out l.csv --force", 2, "is one of the files to be read"),
    Case("convert: exists", nothing, "data convert good.csv --out two.csv", 2, "is there already"),
    Case("convert: to nothing known", nothing, "data convert good.csv --out x.xls", 2, ".xls"),
    Case("convert: into no folder", nothing, "data convert good.csv --out no/x.h5", 2, "no folder no"),
    Case("convert: onto a folder", folder_named("x.h5"), "data convert good.csv --out x.h5 --force",
         2, "x.h5: is a folder"),
    Case("convert: onto a FIFO", fifo("x.h5"), "data convert good.csv --out x.h5 --force", 2,
         "x.h5: is no regular file but a FIFO"),
    Case("convert: a name of 5000 letters", nothing, f"data convert good.csv --out {'x' * 5000}.h5",
         2, "too long"),
    Case("convert: NaN", text("x.csv", "a\n1\nnan\n"), "data convert x.csv --out y.h5", 2,
         "x.csv: line 3: column 'a': must be a finite number"),
    Case("convert: other columns", nothing, "data convert good.csv two.csv --out y.parquet --force",
         2, "holds one process"),
    Case("convert: process leads out", nothing, "data convert good.csv --process ../x --out y.h5", 2,
         "../x"),
    Case("convert: process is a path", nothing, "data convert good.csv --process a/b --out y.h5", 2,
         "a/b"),
    Case("convert: process has no name", nothing, "data convert good.csv --process '' --out y.h5", 2,
         "process"),
    Case("convert: process of a newline", nothing, "data convert good.csv --process 'a\nb' --out y.h5",
         2, "process"),
    Case("convert: no such role", nothing, "data convert good.csv --role noise --out y.h5", 2,
         "--role noise"),
    Case("convert: a branch of nothing", nothing, "data convert good.csv --branch =x --out y.h5", 2,
         "--branch =x"),
    Case("convert: no trigger objects as vectors", nothing, "data convert good.csv --out y.txt", 2,
         "good: no column 'met_pt'"),
    Case("spec: constant column", text("x.csv", "a,b\n" + "1,2\n1,3\n" * 20), "data spec x.csv", 2,
         "'a'"),
    Case("spec: one event", text("x.csv", "a,b\n1,2\n"), "data spec x.csv", 2,
         "is constant"),
    Case("spec: log of zero", text("x.csv", "a\n" + "0\n1\n2\n" * 9), "data spec x.csv --offline a=log",
         2, "'a'"),
    Case("spec: two processes as one", nothing, "data spec events.h5 --offline z=log", 2, "z"),
    # what a run is given
    Case("score: other columns", nothing, "score done good.csv", 2, "met_pt"),
    Case("score: no events", text("x.csv", "a,b\n"), "score done x.csv", 2, "holds no events"),
    Case("score: NaN", changed_events("x.h5", values=np.full((40, 57), np.nan, np.float32)),
         "score done x.h5 --workers 1", 2, "NaN or infinite"),
    Case("score: another unit", changed_events("x.h5", units=("TeV",) * 57), "score done x.h5", 2,
         "TeV"),
    Case("score: no units", changed_events("x.h5", units=()), "score done x.h5", 2, "--units"),
    Case("score: fractions of integers",
         changed_events("x.h5", values=np.full((40, 57), 0.5, np.float32), units=("hw",) * 57),
         "score done x.h5 --workers 1", 2, "x.h5: zero_bias: column 'met_pt': hardware integers are"),
    Case("score: beyond the hardware",
         changed_events("x.h5", values=np.full((40, 57), 60000, np.float32)), "score done x.h5 --workers 1", 2, "from 0 to 4095, row 0 holds 60000"),
    Case("score: one event is no harm", changed_events("x.h5", **{
        name: getattr(crossings(40), name)[:1]
        for name in ("values", "weights", "event_ids", "context")
    }), "score done x.h5 --workers 1", 0, "1"),
    Case("score: no such engine", nothing, "score done events.h5 --engine netwrk", 2, "network"),
    Case("score: an engine it lacks", nothing, "score done events.h5 --engine torch", 2, "torch"),
    Case("score: no workers", nothing, "score done events.h5 --workers 0", 2, "--workers"),
    Case("score: a million workers", nothing, "score done events.h5 --workers 1000000", 2, "1 to 1024"),
    Case("score: onto text", nothing, "score done events.h5 --out x.txt", 2, "x.txt"),
    Case("score: onto a folder", folder_named("x.h5"), "score done events.h5 --out x.h5 --force", 2,
         "x.h5: is a folder"),
    Case("score: onto a FIFO", fifo("x.h5"), "score done events.h5 --out x.h5 --force --workers 1", 2,
         "x.h5: is no regular file but a FIFO"),
    Case("score: onto what it reads", nothing, "score done events.h5 --out events.h5 --force", 2,
         "events.h5"),
    Case("score: no run", nothing, "score good.csv events.h5", 2, "good.csv: no such run folder"),
    Case("rates: one event", changed_events("x.h5", **{
        name: getattr(crossings(40), name)[:1]
        for name in ("values", "weights", "event_ids", "context")
    }), "rates done x.h5 --out v --rate 1 --workers 1", 2, "give a larger file", ("v",)),
    Case("rates: constant scores", constant("x.h5", 400),
         "rates done x.h5 --out v --rate 5000 --workers 1", 1, "crossings share few scores", ("v",)),
    Case("rates: negative", nothing, "rates done events.h5 --out v --rate -1 --workers 1", 2, "rate",
         ("v",)),
    Case("rates: NaN", nothing, "rates done events.h5 --out v --rate nan --workers 1", 2, "rate",
         ("v",)),
    Case("rates: above all crossings", nothing,
         "rates done events.h5 --out v --rate 1e9 --workers 1", 2, "rate", ("v",)),
    Case("rates: no such machine", nothing, "rates done events.h5 --out v --machine lhc", 2, "lhc",
         ("v",)),
    Case("rates: no such process", nothing, "rates done events.h5 --out v --process x", 2,
         "--process x", ("v",)),
    Case("rates: not zero bias", changed_events("x.h5", process="qcd"),
         "rates done x.h5 --out v --workers 1", 2, "--zero-bias", ("v",)),
    Case("rates: no such pool", nothing, "rates done events.h5 --out v --pool x", 2, "--pool x",
         ("v",)),
    Case("rates: a pool of NaN", changed_events("x.h5", context=np.full((40, 3), np.nan, np.float32)),
         "rates done x.h5 --out v --workers 1", 2, "pool", ("v",)),
    Case("monitor: no test sample", nothing, "monitor done events.h5 --out v --workers 1", 2,
         "test.h5", ("v",)),
    Case("monitor: one event", changed_events("x.h5", **{
        name: getattr(crossings(40), name)[:1]
        for name in ("values", "weights", "event_ids", "context")
    }), "monitor done x.h5 --reference events.h5 --out v --workers 1 --quiet", 2,
         "needs at least 50", ("v",)),
    Case("monitor: nothing is accepted", nothing,
         "monitor done events.h5 --reference events.h5 --alpha 0 --out v --workers 1", 2, "alpha",
         ("v",)),
    Case("monitor: alpha is NaN", nothing,
         "monitor done events.h5 --reference events.h5 --alpha nan --out v --workers 1", 2, "alpha",
         ("v",)),
    Case("monitor: no such reference", nothing, "monitor done events.h5 --reference x.h5 --out v", 2,
         "x.h5: no such file", ("v",)),
    Case("compare: no events", nothing, "compare done events.h5 --events 0 --out v", 2, "--events",
         ("v",)),
    Case("compare: one engine", nothing, "compare done events.h5 --engines network --out v", 2,
         "engine", ("v",)),
    Case("compare: an engine twice", nothing,
         "compare done events.h5 --engines network,network --out v", 2, "network", ("v",)),
]  # fmt: skip
