"""The texts of an emulator package that are ours: C++, Makefiles, README."""

from __future__ import annotations

from dataclasses import dataclass

from naetrigger.contracts.fixed_point import Fixed
from naetrigger.export.emulator_scales import Scales
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec


@dataclass(frozen=True)
class Emulator:
    """What the texts speak of.

    name : of the model, version apart
    n_in : inputs; x, y : types of the NN's ports
    result, loss : the score's format in C++, and that of the second of the pair
    """

    name: str
    version: int
    namespace: str
    n_in: int
    scales: Scales
    result: Fixed
    loss: Fixed

    @property
    def model(self) -> str:
        """GTADModel_v5: the function, the library, the folder."""
        return f"{self.name}_v{self.version}"


def cpp_type(fixed: Fixed) -> str:
    """ap_fixed<18,13,AP_TRN,AP_WRAP,0>"""
    kind = "ap_fixed" if fixed.signed else "ap_ufixed"
    modes = f"AP_{fixed.rounding.value},AP_{fixed.overflow.value}"
    return f"{kind}<{fixed.width},{fixed.integer},{modes},0>"


def interface_header() -> str:
    """emulator.h: the interface through which the experiment's software calls a model."""
    return """\
// The interface of emulated models: what a program and a model's shared library agree on.
// Order and signatures of the virtual functions are those of the experiment's own header.
#ifndef HLS4ML_EMULATOR_H_
#define HLS4ML_EMULATOR_H_

#include <any>

namespace hls4mlEmulator {

class Model {
  public:
    virtual void prepare_input(std::any input) = 0;
    virtual void predict() = 0;
    virtual void read_result(std::any result) = 0;
    virtual ~Model() = default;
};

} // namespace hls4mlEmulator

#endif
"""


def scales_header(of: Emulator) -> str:
    """scales.h: offsets, shifts and periods by input, and the formula over them."""
    scales = of.scales
    rows = {"ad_offsets": scales.offsets, "ad_shift": scales.shifts, "ad_periods": scales.periods}
    arrays = "".join(
        f"static const int {name}[{of.n_in}] = {{{', '.join(map(str, values))}}};\n"
        for name, values in rows.items()
    )
    return f"""\
// Written by naetrigger from the input spec; not to be edited by hand.
// input = input_t((x - ad_offsets) >> ad_shift); every bit is kept until input_t rounds.
#ifndef {of.model.upper()}_SCALES_H_
#define {of.model.upper()}_SCALES_H_

#include "NN/defines.h"

namespace {of.namespace} {{

typedef {cpp_type(scales.unscaled)} unscaled_t;
typedef {cpp_type(scales.wide)} wide_t;
typedef {cpp_type(of.loss)} resultsq_t;

{arrays}
// Input i of the network. An angle (ad_periods > 0) is taken to the half turn around its offset.
inline input_t scaled_input(unscaled_t x, int i) {{
    wide_t centred = wide_t(x) - ad_offsets[i];
    const int period = ad_periods[i];
    while (period && centred >= period / 2)
        centred -= period;
    while (period && centred < -(period / 2))
        centred += period;
    if (ad_shift[i] < 0)
        return input_t(wide_t(centred << -ad_shift[i]));
    return input_t(wide_t(centred >> ad_shift[i]));
}}

}} // namespace {of.namespace}

#endif
"""


def emulator_source(of: Emulator) -> str:
    """NAME_emulator_vN.cpp: the model behind the interface."""
    name = f"{of.name}_emulator_v{of.version}"
    return f"""\
// {of.model} behind the emulation interface: hardware inputs in, score out.
#include "NN/{of.model}.h"
#include "emulator.h"
#include "scales.h"

#include <any>
#include <array>
#include <utility>

namespace {of.namespace} {{

class {name} : public hls4mlEmulator::Model {{
  public:
    // input: unscaled_t *, {of.n_in} values
    void prepare_input(std::any input) override {{
        const unscaled_t *x = std::any_cast<unscaled_t *>(input);
        for (int i = 0; i < {of.n_in}; i++)
            inputs_[i] = scaled_input(x[i], i);
    }}

    void predict() override {{ {of.model}(inputs_, result_); }}

    // result: pointer to a pair (array of one, or one result_t; resultsq_t), or result_t *;
    // both hold the score. std::bad_any_cast for anything else.
    void read_result(std::any result) override {{
        if (auto pair = std::any_cast<std::pair<std::array<result_t, 1>, resultsq_t> *>(&result)) {{
            (*pair)->first[0] = result_[0];
            (*pair)->second = resultsq_t(result_[0]);
        }} else if (auto pair = std::any_cast<std::pair<result_t, resultsq_t> *>(&result)) {{
            (*pair)->first = result_[0];
            (*pair)->second = resultsq_t(result_[0]);
        }} else {{
            *std::any_cast<result_t *>(result) = result_[0];
        }}
    }}

  private:
    input_t inputs_[{of.n_in}];
    result_t result_[1];
}};

}} // namespace {of.namespace}

#define EXPORTED __attribute__((visibility("default")))

extern "C" EXPORTED hls4mlEmulator::Model *create_model() {{
    return new {of.namespace}::{name};
}}

extern "C" EXPORTED void destroy_model(hls4mlEmulator::Model *model) {{
    delete model;
}}
"""


def test_source(of: Emulator) -> str:
    """test.cpp: every line of the test vectors through the library, as a user loads it."""
    return f"""\
// Loads {of.model}.so and compares its scores with those expected; 0 if all are equal.
#include "emulator.h"
#include "{of.model}/scales.h"

#include <array>
#include <cmath>
#include <dlfcn.h>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>

using namespace {of.namespace};

static int failed(const std::string &why) {{
    std::cerr << "FAILED: " << why << std::endl;
    return 1;
}}

int main() {{
    void *library = dlopen("./{of.model}.so", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return failed(dlerror());
    auto create = (hls4mlEmulator::Model * (*)()) dlsym(library, "create_model");
    auto destroy = (void (*)(hls4mlEmulator::Model *))dlsym(library, "destroy_model");
    if (!create || !destroy)
        return failed("create_model or destroy_model is missing");
    hls4mlEmulator::Model *model = create();

    std::ifstream vectors("test_vectors.txt");
    std::string line;
    long events = 0, differing = 0;
    while (std::getline(vectors, line)) {{
        if (line.empty() || line[0] == '#')
            continue;
        std::istringstream words(line);
        unscaled_t x[{of.n_in}];
        long long word, expected;
        for (int i = 0; i < {of.n_in} && words >> word; i++)
            x[i] = std::ldexp(double(word), {-of.scales.vector_fraction});
        if (!(words >> expected) || (words >> line))
            return failed("test_vectors.txt: event " + std::to_string(events) + " is garbled");
        std::pair<std::array<result_t, 1>, resultsq_t> result;
        model->prepare_input(&x[0]);
        model->predict();
        model->read_result(&result);
        const auto score = (long long)std::ldexp(result.first[0].to_double(), {of.result.fraction});
        if (score != expected && differing++ == 0)
            std::cerr << "event " << events << ": expected " << expected << ", got " << score
                      << std::endl;
        events++;
    }}
    destroy(model);
    dlclose(library);
    std::cout << "{of.model}: " << events << " events, " << differing << " differ" << std::endl;
    return events == 0 || differing > 0;
}}
"""


def root_makefile(of: Emulator) -> str:
    """Makefile of the package: all, install, clean; every folder NAME_vN is a model."""
    return f"""\
# Every folder NAME_vN here is built into NAME_vN.so; ./test compares {of.model}.so with its scores.
CPP_STANDARD := c++17
CXXFLAGS := -O3 -fPIC -std=$(CPP_STANDARD) -fvisibility=hidden -fno-gnu-unique -w
PREFIX := .
EMULATOR_EXTRAS := extras
HLS_ROOT := $(EMULATOR_EXTRAS)
holds-blank = $(if $(word 2,x$($1)x),$(error $1: '$($1)' holds a space; name a path without one))
$(call holds-blank,EMULATOR_EXTRAS)
$(call holds-blank,HLS_ROOT)
flags = -I$1/include/hls4ml -I$1/include/ap_types -I$2/include
INCLUDES := $(call flags,$(EMULATOR_EXTRAS),$(HLS_ROOT))
# the same, from a model's folder: a path that is not absolute is one of this folder
below = $(if $(filter /%,$1),$1,../$1)
INCLUDES_BELOW := $(call flags,$(call below,$(EMULATOR_EXTRAS)),$(call below,$(HLS_ROOT)))
LD_FLAGS :=
LIBRARIES := $(addsuffix .so,$(patsubst %/Makefile,%,$(wildcard *_v*/Makefile)))

.DEFAULT_GOAL := all
.PHONY: all install clean always

all: $(LIBRARIES) test

# a model's own Makefile knows whether it is up to date
%.so: %/Makefile always
	$(MAKE) -C $* INCLUDES="$(INCLUDES_BELOW)" LD_FLAGS="$(LD_FLAGS)" CXXFLAGS="$(CXXFLAGS)"
	cmp -s $*/$@ $@ || cp $*/$@ $@

test: test.cpp $(LIBRARIES)
	$(CXX) -std=$(CPP_STANDARD) -O1 -w $(INCLUDES) $< -o $@ -ldl

install: all
	mkdir -p "$(PREFIX)/lib64"
	cp $(LIBRARIES) "$(PREFIX)/lib64"

clean:
	rm -f *.so test *_v*/*.o *_v*/*.so
"""


def version_makefile(of: Emulator) -> str:
    """Makefile of the version's folder; CXXFLAGS, INCLUDES and LD_FLAGS come from above."""
    objects = f"{of.name}_emulator_v{of.version}.o {of.model}.o"
    return f"""\
.PHONY: clean
HEADERS := scales.h $(wildcard NN/*.h NN/*/*.h)

{of.model}.so: {objects}
	$(CXX) $(CXXFLAGS) -shared $^ -o $@ $(LD_FLAGS)

%.o: NN/%.cpp $(HEADERS)
	$(CXX) $(CXXFLAGS) $(INCLUDES) -INN -c $< -o $@

%.o: %.cpp $(HEADERS)
	$(CXX) $(CXXFLAGS) $(INCLUDES) -INN -c $< -o $@

clean:
	rm -f *.o *.so
"""


def readme(of: Emulator, spec: InputSpec) -> str:
    """README.md: what is here, how it is built and called."""
    scales = of.scales
    taken = (
        "hardware integers, in the order below; `scales.h` makes the network's inputs of them"
        if scales.hardware
        else "the network's own inputs: their input spec has steps that no firmware does"
    )
    names = "".join(f"{i} {name}\n" for i, name in enumerate(spec.columns))
    return f"""\
# {of.model}

Bit-exact emulation of a trigger's anomaly score, for a program that loads it as a shared library.

```
make && ./test        # g++ and make are all it needs
make install PREFIX=/somewhere
sha256sum -c MANIFEST.sha256
```

`EMULATOR_EXTRAS` and `HLS_ROOT` name other places of the headers `emulator.h` and `ap_fixed.h`;
`extras/` holds those that are used otherwise. Another version's folder, put beside this one, is
built too.

| what | where |
|---|---|
| network, and the headers it includes | `{of.model}/NN/` |
| offset, shift and period of every input | `{of.model}/scales.h` |
| the model behind the interface | `{of.model}/{of.name}_emulator_v{of.version}.cpp` |
| thresholds | `{of.model}/thresholds.json` |
| inputs and the scores they must give | `test_vectors.txt`, read by `test.cpp` |
| sha256 of every file | `MANIFEST.sha256` |
| licences of the headers | `LICENSES/` |

## Calling it

`dlopen("{of.model}.so")`, then `create_model()` and, at the end, `destroy_model(model)`.

| call | takes |
|---|---|
| `prepare_input` | `unscaled_t *`: {of.n_in} values of `{cpp_type(scales.unscaled)}` |
| `predict` | |
| `read_result` | `std::pair<std::array<result_t, 1>, resultsq_t> *` |

Inputs are {taken}. `result_t` is `{cpp_type(of.result)}`, `resultsq_t` `{cpp_type(of.loss)}`; both
hold the score. An event fires where the score's integer (score * 2^{of.result.fraction}) reaches
the threshold.

The library shows `create_model` and `destroy_model` alone, and its code stands in namespace
`{of.namespace}`, so that several versions live in one process.

## Before the call

{_before_the_call(callers_steps(of.scales, spec))}
## Inputs of spec {spec.name}

```
{names}```
"""


def callers_steps(scales: Scales, spec: InputSpec) -> list[str]:
    """What software does to the values before prepare_input, in order."""
    steps = [_step_text(step.model_dump(mode="json", exclude_none=True)) for step in spec.steps]
    if not scales.hardware:
        steps += [_formula(feature) for feature in spec.features]
        steps.append(f"rounding to `{cpp_type(scales.unscaled)}`")
    return steps


def _before_the_call(steps: list[str]) -> str:
    if not steps:
        return "No step of the input spec is left to the caller.\n"
    numbered = "".join(f"{number}. {step}\n" for number, step in enumerate(steps, 1))
    return f"""\
The caller does these steps of the input spec in software, in this order; the library starts after
them, and so do `test_vectors.txt`:

{numbered}"""


def _step_text(settings: dict[str, object]) -> str:
    """`sum`: prefix pix, shape [40, 40], ..."""
    rest = ", ".join(f"{key} {value}" for key, value in settings.items() if key != "step")
    return f"`{settings['step']}`: {rest}"


def _formula(feature: Feature) -> str:
    """`pt`: (log1p(x) - 14) / 2^3"""
    x = "x" if feature.offline == "none" else f"{feature.offline}(x)"
    table = (
        f", {feature.offline} from a table of {feature.table_type}" if feature.table_type else ""
    )
    angle = f", an angle of {feature.period} steps" if feature.period else ""
    return f"`{feature.name}`: ({x} - {feature.offset!r}) / 2^{feature.shift}{table}{angle}"
