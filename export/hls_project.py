"""What is put right in a project that hls4ml has written, and the test bench it is given.

hls4ml's test bench prints scores and returns 0 whatever they are. Ours compares what it printed
with the expected scores, and returns 1 with the first event where they differ, in the vendor's C
simulation as with g++.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from naetrigger.contracts.errors import EnvironmentProblem
from naetrigger.contracts.fixed_point import Floats
from naetrigger.export.hls_backends import BackendKind

STAMP = "emulation"
COMPARED = ("Vitis", "Vivado", "VivadoAccelerator", "Catapult")
"""Back ends whose test bench compares scores; the others' run under their own simulator."""


@contextlib.contextmanager
def writable(kind: BackendKind, project: Path) -> Iterator[None]:
    """hls4ml's wheel lacks a script of Libero's, the last one its writer copies and none needs.

    Its writer for Catapult packs the project into an archive besides, unless one is there.
    """
    if kind.name == "Catapult":
        project.with_name(f"{project.name}.tar.gz").touch()
    if kind.name != "Libero":
        yield
        return
    from hls4ml.writer.libero_writer import LiberoWriter

    write = LiberoWriter.write_build_script

    def without_script(writer: Any, model: Any) -> None:
        try:
            write(writer, model)
        except FileNotFoundError as error:
            if not str(error.filename).endswith("libero/build_lib.sh"):
                raise

    LiberoWriter.write_build_script = without_script
    try:
        yield
    finally:
        LiberoWriter.write_build_script = write


def settle(project: Path, kind: BackendKind, name: str, stamp: str) -> None:
    """Take out what differs from run to run, and mend what does not fit a namespace.

    stamp : hls4ml's random one
    """
    places = sorted({str(project), str(project.resolve())}, key=len, reverse=True)
    for path in _scripts(project):
        text = before = path.read_text(encoding="utf-8")
        for found in (f"'{stamp}'", stamp):  # YAML quotes one that could be a number
            text = text.replace(found, STAMP)
        for place in places:
            text = text.replace(place, ".")
        text = text.replace(_PATH_OBJECT, "SmartHLSPath: ")
        if text != before:
            path.write_text(text, encoding="utf-8")
    if kind.name == "VivadoAccelerator":
        wrapper = project / "firmware" / f"{name}_axi.cpp"
        include = f'#include "{name}_axi.h"\n'
        _edit(wrapper, include, f"{include}\nusing namespace naetrigger_{name};\n")
    if kind.namespaced:
        _name_shifts(project / "firmware" / "nnet_utils" / "nnet_code_gen.h", name)


def _name_shifts(generated: Path, name: str) -> None:
    """Distributed arithmetic calls the shifts of namespace nnet from within the project's own."""
    if generated.exists() and "bit_shift<" in generated.read_text(encoding="utf-8"):
        opening = f"namespace naetrigger_{name} {{\n"
        _edit(generated, opening, f"{opening}\nusing nnet::bit_shift;\n")


def write_bench(
    project: Path, kind: BackendKind, name: str, inputs: Floats, expected: Floats
) -> None:
    """tb_data/: inputs and expected outputs as decimal numbers, exact; and a bench that compares.

    inputs : shape (N, F); expected : scores and bits of the decision, shape (N, 1 + K)
    """
    folder = project / "tb_data"
    folder.mkdir(exist_ok=True)
    for file, table in (
        ("tb_input_features.dat", inputs),
        ("tb_output_predictions.dat", expected),
    ):
        lines = (" ".join(map(repr, row)) for row in table.tolist())
        (folder / file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if kind.name in COMPARED:
        bench = project / f"{name}_test.cpp"
        bench.write_text(_comparing(bench.read_text(encoding="utf-8"), bench), encoding="utf-8")


def _comparing(text: str, path: Path) -> str:
    """The test bench with numbers as doubles, all digits printed, and its verdict at the end."""
    text = text.replace("bool trace_enabled = true", "bool trace_enabled = false")
    text = text.replace("std::vector<float>", "std::vector<double>")
    text = text.replace("copy_data<float,", "copy_data<double,")
    text = text.replace("copy_data_axi<float,", "copy_data_axi<double,")
    # a word of the AXI stream prints its last flag too
    text = text.replace("print_result<output_axi_t, 1>(outputs, fout)", _AXI_SCORE)
    for old, new in (
        ("std::ofstream fout(RESULTS_LOG);", _OPENED),
        ("    return 0;\n", "    return differing_scores(RESULTS_LOG) ? 1 : 0;\n"),
        ("#define CHECKPOINT 5000\n", f"#define CHECKPOINT 5000\n{_VERDICT}"),
    ):
        text = _replaced(text, old, new, path)
    return text


def _edit(path: Path, old: str, new: str) -> None:
    text = _replaced(path.read_text(encoding="utf-8"), old, new, path)
    path.write_text(text, encoding="utf-8")


def _replaced(text: str, old: str, new: str, path: Path) -> str:
    if text.count(old) != 1:
        raise EnvironmentProblem(
            f"hls4ml wrote {path.name} otherwise than version 1.3 does: no single "
            f"'{old.strip()}'; install the version of constraints.txt"
        )
    return text.replace(old, new)


def _scripts(project: Path) -> list[Path]:
    """Files outside the sources of the layers: what may name a folder or a stamp."""
    return sorted(
        path
        for path in project.rglob("*")
        if path.is_file() and "firmware" not in path.relative_to(project).parts[:-1]
    )


_PATH_OBJECT = "SmartHLSPath: !!python/object/apply:pathlib.PosixPath\n- "

_AXI_SCORE = "print_result<double, 1>(std::vector<double>{double(outputs[0])}.data(), fout)"

_OPENED = """std::ofstream fout(RESULTS_LOG);
    fout.precision(17);"""

_VERDICT = """
// Compares what was written with the scores expected, number by number; 0 where all are equal.
static int differing_scores(const std::string &results) {
    std::ifstream seen(results), expected("tb_data/tb_output_predictions.dat");
    long events = 0, differing = 0;
    double a, b;
    while (expected >> b) {
        const bool there = bool(seen >> a);
        if ((!there || a != b) && differing++ == 0) {
            std::cerr << "ERROR: event " << events << ": expected " << b << ", got ";
            (there ? std::cerr << a : std::cerr << "nothing") << std::endl;
        }
        events++;
    }
    std::cout << "INFO: " << events << " events, " << differing << " scores differ" << std::endl;
    return events == 0 || differing > 0;
}
"""
