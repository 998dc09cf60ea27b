"""emulation.cpp: one source file through which a host runs many events of an HLS project.

Three functions leave it, PROJECT_scores, PROJECT_decisions (of projects that decide) and
PROJECT_trace, the same for every back end; between them and the project stands one event's call,
which each back end and io type writes differently.
"""

from __future__ import annotations

from dataclasses import dataclass

from naetrigger.export.settings import HlsBackend


@dataclass(frozen=True)
class Emulated:
    """What the source needs to know of a project.

    x, y : names of the input's and the score's variable
    score : type of the score; with two outputs it is not result_t
    input : type of the input; with two it is not input_t
    registers : type of the second input, the thresholds, and what they are until set; None: there
        is none
    bits : type of the second output, the decision, and its number of bits; None: there is none
    weights : definitions of the arrays that Catapult's code declares, 'type name[size]'
    """

    project: str
    backend: HlsBackend
    streams: bool
    namespace: str | None
    n_in: int
    x: str
    y: str
    score: str = "result_t"
    input: str = "input_t"
    registers: tuple[str, tuple[int, ...]] | None = None
    bits: tuple[str, int] | None = None
    weights: tuple[str, ...] = ()


def emulation_source(of: Emulated) -> str:
    """The text of emulation.cpp."""
    return _TEXT.format(
        project=of.project,
        n_in=of.n_in,
        includes="".join(f'#include "firmware/{name}"\n' for name in _includes(of)),
        before=_weights(of) if of.backend == "Catapult" else "",
        using=f"using namespace {of.namespace};\n" if of.namespace else "",
        n_bits=of.bits[1] if of.bits else 0,
        decisions=_DECISIONS.format(project=of.project, n_in=of.n_in, n_bits=of.bits[1])
        if of.bits
        else "",
        registers=_registers(of),
        event="\n".join(f"    {line}" for line in _one_event(of)),
    )


def _includes(of: Emulated) -> list[str]:
    axi = [f"{of.project}_axi.cpp"] if of.backend == "VivadoAccelerator" else []
    return [f"{of.project}.cpp", *axi]


def _registers(of: Emulated) -> str:
    """What the registers hold, and the function that sets them."""
    if of.registers is None:
        return ""
    _, thresholds = of.registers
    return _REGISTERS.format(
        project=of.project, n=len(thresholds), values=", ".join(map(str, thresholds))
    )


def _weights(of: Emulated) -> str:
    return _WEIGHTS_FOLDER + "".join(f"{weight};\n" for weight in of.weights)


def _one_event(of: Emulated) -> list[str]:
    """Statements that take `input` (doubles) through the top function to `score`."""
    call = f"{of.namespace}::{of.project}" if of.namespace else of.project
    to_input = f"nnet::convert_data<double, {of.input}, {of.n_in}>"
    source = "const_cast<double *>(input)"
    if of.backend == "VivadoAccelerator":  # through the wrapper that the host talks to
        return [
            "input_axi_t x[N_IN];",
            "output_axi_t y[N_OUT];",
            f"nnet::convert_data<double, input_axi_t, N_IN>({source}, x);",
            f"{of.project}_axi(x, y);",
            "*score = double(y[0]);",
        ]
    if of.backend == "Quartus":
        from_result = "nnet::convert_data_back<result_t, double, 1>"
        if of.streams:
            return [
                "stream_in<input_t> x;",
                "stream_out<result_t> y;",
                f"{to_input}({source}, x);",
                f"{call}(x, y);",
                f"{from_result}(y, score);",
            ]
        return [
            "input_data x;",
            f"{to_input}({source}, x.{of.x});",
            f"output_data y = {call}(x);",
            f"{from_result}(y.{of.y}, score);",
        ]
    kind, n_bits = of.bits or ("", 0)
    level, _ = of.registers or ("", ())
    ports = ", ".join(["x", *(["t"] if of.registers else []), "y", *(["z"] if of.bits else [])])
    if of.streams:
        channel = "ac_channel" if of.backend == "Catapult" else "hls::stream"
        decision = [f"{channel}<{kind}> z;"] if of.bits else []
        return [
            f"{channel}<{of.input}> x;",
            f"{channel}<{of.score}> y;",
            *decision,
            f"{to_input}({source}, x);",
            *(
                [
                    f"{channel}<{level}> t;",
                    f"nnet::convert_data<double, {level}, {n_bits}>(levels, t);",
                ]
                if of.registers
                else []
            ),
            f"{call}({ports});",
            f"nnet::convert_data<{of.score}, double, 1>(y, score);",
            *([f"nnet::convert_data<{kind}, double, {n_bits}>(z, bits);"] if of.bits else []),
        ]
    return [
        f"{of.input} x[{of.n_in}];",
        f"{of.score} y[1];",
        *([f"{kind} z[{n_bits}];"] if of.bits else []),
        f"for (int i = 0; i < {of.n_in}; i++)",
        f"    x[i] = {of.input}(input[i]);",
        *(
            [
                f"{level} t[{n_bits}];",
                f"nnet::convert_data<double, {level}, {n_bits}>(levels, t);",
            ]
            if of.registers
            else []
        ),
        f"{call}({ports});",
        "*score = y[0].to_double();",
        *(
            [f"for (int i = 0; i < {n_bits}; i++)", "    bits[i] = z[i].to_double();"]
            * bool(n_bits)
        ),
    ]


_WEIGHTS_FOLDER = """\
#include <dlfcn.h>

// Catapult's code reads its weights from text files; they lie beside this library.
const char *get_weights_dir() {
    static std::string folder;
    Dl_info library;
    if (folder.empty() && dladdr((void *)&get_weights_dir, &library)) {
        const std::string path = library.dli_fname;
        folder = path.substr(0, path.rfind('/') + 1) + "firmware/weights";
    }
    return folder.c_str();
}
"""

_DECISIONS = """
// inputs: (n, {n_in}), bits: (n, {n_bits})
void {project}_decisions(const double *inputs, double *bits, size_t n) {{
    double score;
    for (size_t i = 0; i < n; i++)
        one_event(inputs + i * {n_in}, &score, bits + i * {n_bits});
}}
"""

_REGISTERS = """
static double levels[{n}] = {{{values}}};

// Thresholds of all events that follow, in steps of the score.
extern "C" void {project}_set_thresholds(const double *thresholds) {{
    for (int i = 0; i < {n}; i++)
        levels[i] = thresholds[i];
}}
"""

_TEXT = """\
// Emulation of {project} for a host: scores, and the output of every layer, of many events.
{includes}#include <cstring>
#include <map>
#include <string>
{before}
namespace nnet {{
bool trace_enabled = false;
std::map<std::string, void *> *trace_outputs = NULL;
size_t trace_type_size = sizeof(double);
}} // namespace nnet

{using}{registers}
static void one_event(const double *input, double *score, double *bits) {{
{event}
}}

extern "C" {{
{decisions}
// inputs: (n, {n_in}), scores: (n)
void {project}_scores(const double *inputs, double *scores, size_t n) {{
    double bits[{n_bits} + 1];
    for (size_t i = 0; i < n; i++)
        one_event(inputs + i * {n_in}, scores + i, bits);
}}

// outputs: for each of the n_layers names an array (n, sizes[layer])
void {project}_trace(const double *inputs, double *scores, size_t n, size_t n_layers,
                     const char **names, const size_t *sizes, double **outputs) {{
    std::map<std::string, void *> storage;
    nnet::trace_outputs = &storage;
    nnet::trace_enabled = true;
    double bits[{n_bits} + 1];
    for (size_t i = 0; i < n; i++) {{
        for (size_t layer = 0; layer < n_layers; layer++)
            storage[names[layer]] = outputs[layer] + i * sizes[layer];
        one_event(inputs + i * {n_in}, scores + i, bits);
    }}
    nnet::trace_enabled = false;
    nnet::trace_outputs = NULL;
}}
}}
"""
