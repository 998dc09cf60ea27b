"""The C++ that clocks the Verilated design: words in, words out, one event a clock.

    design_create(seed)                          a design whose registers hold random bits
    design_clock(design, inputs, outputs, n)     n clock edges, row i of `inputs` at edge i
    design_destroy(design)

`inputs` is (n, inputs) and `outputs` (n, outputs), int64 mantissas; row i of the outputs is what
stands at the output port after edge i. Words lie side by side in the ports, the first lowest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from naetrigger.contracts.fixed_point import Fixed


@dataclass(frozen=True)
class Word:
    """A word of a port.

    port : its format there; None: it has no bits
    kind : the format of the mantissas that come in or go out
    """

    port: Fixed | None
    kind: Fixed

    @property
    def width(self) -> int:
        return self.port.width if self.port else 0

    @property
    def shift(self) -> int:
        """Bits of the mantissa below the port's lowest: those that never change."""
        return self.kind.fraction - self.port.fraction if self.port else 0


def driver(inputs: Sequence[Word], outputs: Sequence[Word]) -> str:
    """The driver of a design with ports clk, model_inp and model_out."""
    fields = {"inputs": _fields(inputs), "outputs": _fields(outputs)}
    sizes = {"n_inputs": len(inputs), "n_outputs": len(outputs)}
    bits = {"in": sum(w.width for w in inputs), "out": sum(w.width for w in outputs)}
    head = "".join(f"constexpr Word {name}[] = {{{text}}};\n" for name, text in fields.items())
    head += "".join(f"constexpr size_t {name} = {n};\n" for name, n in sizes.items())
    head += "".join(
        f"constexpr size_t {k}_words = {(n + 31) // 32 + 3};\n" for k, n in bits.items()
    )
    return _PREAMBLE + head + _CODE


def _fields(words: Sequence[Word]) -> str:
    """C++ initializers: offset, width, shift, sign."""
    offset, fields = 0, []
    for word in words:
        signed = "true" if word.port and word.port.signed else "false"
        fields.append(f"{{{offset}, {word.width}, {word.shift}, {signed}}}")
        offset += word.width
    return ", ".join(fields)


_PREAMBLE = """\
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include "Vdesign.h"
#include "verilated.h"
namespace {
struct Word { size_t offset; unsigned width; int shift; bool is_signed; };
"""

_CODE = """\
uint64_t mask(unsigned width) { return width >= 64 ? ~0ull : (1ull << width) - 1; }

void put(uint32_t* words, const Word& f, int64_t value) {
    if (f.width == 0) return;
    const uint64_t bits = uint64_t(f.shift >= 0 ? value >> f.shift : value << -f.shift)
                          & mask(f.width);
    uint32_t* at = words + f.offset / 32;
    const unsigned low = f.offset % 32;
    const unsigned __int128 placed = (unsigned __int128)bits << low;
    at[0] |= uint32_t(placed);
    at[1] |= uint32_t(placed >> 32);
    at[2] |= uint32_t(placed >> 64);
}

int64_t get(const uint32_t* words, const Word& f) {
    if (f.width == 0) return 0;
    const uint32_t* at = words + f.offset / 32;
    const unsigned __int128 all = (unsigned __int128)at[0] | (unsigned __int128)at[1] << 32
                                  | (unsigned __int128)at[2] << 64;
    uint64_t bits = uint64_t(all >> (f.offset % 32)) & mask(f.width);
    if (f.is_signed && (bits >> (f.width - 1) & 1)) bits |= ~mask(f.width);
    return f.shift >= 0 ? int64_t(bits << f.shift) : int64_t(bits) >> -f.shift;
}

template <class Port> void drive(Port& port, const uint32_t* words) {
    if constexpr (std::is_integral_v<Port>) {
        uint64_t bits;
        std::memcpy(&bits, words, sizeof bits);
        port = Port(bits);
    } else {
        std::memcpy(port.data(), words, sizeof port);
    }
}

template <class Port> void sample(const Port& port, uint32_t* words) {
    if constexpr (std::is_integral_v<Port>) {
        const uint64_t bits = port;
        std::memcpy(words, &bits, sizeof bits);
    } else {
        std::memcpy(words, port.data(), sizeof port);
    }
}

struct Design {
    VerilatedContext context;
    Vdesign* top = nullptr;
};
}  // namespace

#define PUBLIC extern "C" __attribute__((visibility("default")))

PUBLIC void* design_create(int seed) {
    Design* design = new Design;
    design->context.randReset(2);
    design->context.randSeed(seed);
    design->top = new Vdesign(&design->context);
    return design;
}

PUBLIC void design_destroy(void* handle) {
    Design* design = static_cast<Design*>(handle);
    design->top->final();
    delete design->top;
    delete design;
}

PUBLIC void design_clock(void* handle, const int64_t* in, int64_t* out, size_t n) {
    Vdesign* top = static_cast<Design*>(handle)->top;
    uint32_t words[in_words > out_words ? in_words : out_words];
    for (size_t event = 0; event < n; ++event) {
        top->clk = 0;
        top->eval();
        std::memset(words, 0, sizeof words);
        for (size_t i = 0; i < n_inputs; ++i) put(words, inputs[i], in[event * n_inputs + i]);
        drive(top->model_inp, words);
        top->clk = 1;
        top->eval();
        std::memset(words, 0, sizeof words);
        sample(top->model_out, words);
        for (size_t i = 0; i < n_outputs; ++i) out[event * n_outputs + i] = get(words, outputs[i]);
    }
}
"""
