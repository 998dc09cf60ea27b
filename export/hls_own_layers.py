"""Two layers that hls4ml has not, by its extension API: an exact table, and clipping at ends."""

from __future__ import annotations

import functools
from pathlib import Path

from hls4ml.backends import get_backend
from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
from hls4ml.model.attributes import Attribute, TypeAttribute, WeightAttribute
from hls4ml.model.layers import Layer, register_layer

INCLUDE = ["nnet_utils/nnet_naetrigger.h"]


class NaetriggerLayer(Layer):  # type: ignore[misc]
    """Every value by itself, with constants `entries`."""

    _expected_attributes = (
        Attribute("n_in"),
        Attribute("first", default=0),
        WeightAttribute("entries"),
        TypeAttribute("entries"),
    )

    def initialize(self) -> None:
        self.add_output_variable(self.get_input_variable().shape)
        self.add_weights_variable(name="entries", var_name="e{index}")


class NaetriggerTable(NaetriggerLayer):
    """What stands in a table at the place that the value's bits say."""


class NaetriggerClip(NaetriggerLayer):
    """The value, or the end that it lies beyond."""


class NaetriggerConfig(LayerConfigTemplate):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__((NaetriggerTable, NaetriggerClip))

    def format(self, node: NaetriggerLayer) -> str:
        parameters = self._default_config_params(node)
        parameters["n_in"] = node.get_input_variable().size_cpp()
        parameters["first"] = node.get_attr("first")
        parameters["n_entries"] = node.weights["entries"].data_length
        return _CONFIG.format(**parameters)


class _Call(FunctionCallTemplate):  # type: ignore[misc]
    def format(self, node: NaetriggerLayer) -> str:
        parameters = self._default_function_params(node)
        parameters["entries"] = node.get_weights("entries").name
        parameters["function"] = self.function
        return _CALL.format(**parameters)


class TableCall(_Call):
    function = "exact_table"

    def __init__(self) -> None:
        super().__init__(NaetriggerTable, include_header=INCLUDE)


class ClipCall(_Call):
    function = "clip_to"

    def __init__(self) -> None:
        super().__init__(NaetriggerClip, include_header=INCLUDE)


@functools.cache
def register(backends: tuple[str, ...], header: Path) -> None:
    """Make both layers known to back ends, whose projects then carry `header`."""
    for layer in (NaetriggerTable, NaetriggerClip):
        register_layer(layer.__name__, layer)
    for name in backends:
        backend = get_backend(name)
        for template in (NaetriggerConfig, TableCall, ClipCall):
            backend.register_template(template)
        backend.register_source(header)


_CONFIG = """struct config{index} : nnet::naetrigger_config {{
    static const unsigned n_in = {n_in};
    static const int first = {first};
    static const unsigned n_entries = {n_entries};
    typedef {entries_t.name} entries_t;
}};\n"""

_CALL = "nnet::{function}<{input_t}, {output_t}, {config}>({input}, {output}, {entries});"
