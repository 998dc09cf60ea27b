"""An hls4ml project folder (AMD back ends, io_parallel) as a FixedPointNetwork.

    read_hls4ml(folder, score)

Read are ``firmware/PROJECT.cpp`` (which layer follows which), ``defines.h`` (formats),
``parameters.h`` (sizes, accumulators) and ``weights/``; nothing is compiled. What the C++ does is
kept to the last bit: an accumulator that wraps is a format that wraps, one that cuts single
products is a node that does. One that may saturate on the way is refused by name.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Floats, Overflow, Rounding, parse_fixed
from naetrigger.contracts.regular_file import require_regular
from naetrigger.contracts.window import Shape
from naetrigger.export.import_draft import Constants, Draft, ImportedModel, stored
from naetrigger.export.import_hls4ml_layers import LAYERS
from naetrigger.export.import_score import finished

MAX_FILE = 64 * 2**20
_TYPEDEF = re.compile(r"^\s*typedef\s+(.+?)\s+(\w+);\s*$", re.MULTILINE)
_DEFINE = re.compile(r"^\s*#define\s+(\w+)\s+(\d+)\s*$", re.MULTILINE)
_STRUCT = re.compile(r"struct\s+(\w+)\s*:\s*nnet::\w+\s*\{(.*?)\n\};", re.DOTALL)
_MEMBER = re.compile(r"static const [\w:]+\s+(\w+)\s*=\s*([^;]+);")
_USING = re.compile(r"using\s+(\w+)\s*=\s*nnet::([\w:]+)")
_ARRAY = re.compile(r"^(?:const )?unsigned\s+(\w+)\[\d+\]\s*=\s*\{([\d,\s]+)\};", re.MULTILINE)
_PORT = re.compile(r"(\w+)\s+(\w+)\[([^\]]+)\]")
_CALL = re.compile(r"^\s*nnet::(\w+)<([^;]*?)>\(([^;]*)\);(?:\s*//\s*(\S+))?", re.MULTILINE)
_ALIAS = re.compile(r"^\s*auto\s*&\s*(\w+)\s*=\s*(\w+);", re.MULTILINE)
IGNORED = ("load_weights_from_txt", "save_layer_output", "fill_zero")


@dataclass(frozen=True)
class Call:
    """One layer's call: ``nnet::function<templates>(arguments); // name``."""

    function: str
    templates: tuple[str, ...]
    arguments: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Config:
    """One layer's struct of parameters.h."""

    numbers: dict[str, str]
    types: dict[str, str]
    using: dict[str, str]


def read_hls4ml(folder: Path, score: str | None = None, *, wraps: bool = False) -> ImportedModel:
    """The model of a project.

    score : see import_score.add_score
    wraps : take formats that can overflow and wrap as they are; without, they are refused

    Raises InputError for a folder that is no project, and by its name for a layer that is not
    supported or not exact.
    """
    try:
        return ProjectReader(folder, wraps).read(score)
    except (ValueError, OverflowError, KeyError, IndexError) as error:
        raise InputError(f"{folder}: is damaged, or no hls4ml project ({error!r})") from error


class ProjectReader:
    """The texts of a project, and the draft that is made of them.

    edges : the draft's node of each C++ array
    saturating : exact sums whose accumulator must be proved not to saturate, with its format
    """

    def __init__(self, folder: Path, wraps: bool) -> None:
        self.folder = folder
        self.draft = Draft(str(folder), wraps)
        self.edges: dict[str, str] = {}
        self.saturating: dict[str, Fixed] = {}
        firmware = folder / "firmware"
        if not (firmware / "defines.h").is_file() or not (firmware / "parameters.h").is_file():
            raise InputError(
                f"{folder}: is no hls4ml project: firmware/defines.h and parameters.h are missing"
            )
        defines, parameters = (_text(firmware / f"{n}.h") for n in ("defines", "parameters"))
        self.types = {name: text for text, name in _TYPEDEF.findall(defines)}
        self.sizes = {name: int(value) for name, value in _DEFINE.findall(defines)}
        self.arrays = {
            name: tuple(int(n) for n in text.split(",") if n.strip())
            for name, text in _ARRAY.findall(parameters)
        }
        self.configs = {name: _config(body) for name, body in _STRUCT.findall(parameters)}
        sources = [
            (path, _text(path))
            for path in sorted(firmware.glob("*.cpp"))
            if "hls-fpga-machine-learning insert layers" in _text(path)
        ]
        if len(sources) != 1:
            raise InputError(f"{folder}: firmware/ has {len(sources)} files of layers, not one")
        self.path, self.source = sources[0]
        # a reshape is the same array under another name
        self.aliases = dict(_ALIAS.findall(self.source))

    def read(self, score: str | None) -> ImportedModel:
        outputs = self._ports()
        for call in self._calls():
            self._layer(call)
        made = self._edge(outputs, "the output")
        model = finished(self.draft, made, score, {"source": "hls4ml"})
        self._check_saturating(model)
        return model

    def _ports(self) -> str:
        """Make the input; the name of the output's array."""
        head = re.search(rf"void\s+{re.escape(self.path.stem)}\s*\(([^)]*)\)", self.source)
        ports = _PORT.findall(head[1]) if head else []
        if "hls::stream" in (head[1] if head else ""):
            raise InputError(f"{self.path}: is written for io_stream; write it with io_parallel")
        if len(ports) != 2:
            raise InputError(
                f"{self.path}: one input and one output are supported, found {len(ports)} arrays"
            )
        (kind, name, size), (_, output, _) = ports
        self.edges[name] = self.draft.input((self._size(size),), self.format(kind, name))
        return str(output)

    def _size(self, text: str) -> int:
        product = 1
        for factor in text.split("*"):
            factor = factor.strip()
            if not factor.isdecimal() and factor not in self.sizes:
                raise InputError(f"{self.path}: the size '{text}' is not known")
            product *= int(factor) if factor.isdecimal() else self.sizes[factor]
        return product

    def _calls(self) -> list[Call]:
        calls = []
        for found in _CALL.finditer(self.source):
            if found[1] in IGNORED:
                continue
            templates = tuple(part.strip() for part in found[2].split(","))
            arguments = tuple(part.strip() for part in found[3].split(","))
            name = found[4] or arguments[-1]
            calls.append(Call(found[1], templates, arguments, name))
        return calls

    def _layer(self, call: Call) -> None:
        if call.function not in LAYERS:
            raise self.draft.refuse(
                call.name,
                f"layer 'nnet::{call.function}' is not supported; supported are "
                f"{', '.join(sorted(LAYERS))}",
            )
        output, made = LAYERS[call.function](self, call)
        self.edges[output] = made

    def _edge(self, array: str, where: str) -> str:
        for _ in self.aliases:  # of aliases, at most
            array = self.aliases.get(array, array)
        if array not in self.edges:
            raise self.draft.refuse(where, f"the array '{array}' is not made before it is used")
        return self.edges[array]

    def source_of(self, call: Call, index: int = 0, shape: Shape | None = None) -> str:
        """The node of an argument, in the shape that the layer takes it for."""
        x = self._edge(call.arguments[index], call.name)
        if shape is None or self.draft[x].dims == shape:
            return x
        if self.draft[x].size != int(np.prod(shape)):
            raise self.draft.refuse(call.name, f"takes {shape}, and gets {self.draft[x].dims}")
        return self.draft.reshape(f"{x}_image", x, shape)

    def config(self, call: Call) -> Config:
        name = call.templates[-1]
        if name not in self.configs:
            raise self.draft.refuse(call.name, f"its struct '{name}' is not in parameters.h")
        return self.configs[name]

    def number(self, call: Call, name: str, default: int | None = None) -> int:
        """A whole number of a layer's struct."""
        text = self.config(call).numbers.get(name)
        if text is None and default is not None:
            return default
        if text is None or not re.fullmatch(r"-?\d+(\s*\*\s*\d+)*", text.strip()):
            raise self.draft.refuse(call.name, f"'{name}' of its struct is no number: {text}")
        return math.prod(int(factor) for factor in text.split("*"))

    def format(self, name: str, where: str) -> Fixed:
        """The format that a name of defines.h, or of a struct, stands for."""
        text = self.types.get(name, name)
        text = self.types.get(text, text)
        try:
            return parse_fixed(text)
        except ValueError as error:
            raise InputError(f"{self.folder}: {where}: type '{name}': {error}") from error

    def own_format(self, call: Call, name: str) -> Fixed:
        """A format that a layer's struct names."""
        types = self.config(call).types
        if name not in types:
            raise self.draft.refuse(call.name, f"its struct names no {name}")
        return self.format(types[name], call.name)

    def weights(self, call: Call, array: str, kind: Fixed) -> Constants:
        """An array of weights/: of its header, or of its text file where that has no values."""
        folder = self.folder / "firmware" / "weights"
        where = f"{self.folder}: {call.name}: {array}"
        for path, pattern in (
            (folder / f"{array}.txt", r"^(.*)$"),
            (folder / f"{array}.h", r"=\s*\{([^}]*)\}"),
        ):
            found = re.search(pattern, _text(path), re.DOTALL) if path.is_file() else None
            if found:
                # the C++ puts the numbers of the text into the format as any assignment does
                return Constants(kind.mantissas(_numbers(found[1], where)), stored(kind))
        raise InputError(f"{where}: its values are in neither {array}.txt nor {array}.h")

    def cast(self, name: str, x: str, kind: Fixed) -> str:
        """x in a format; nothing if it is in that already."""
        node = self.draft[x]
        same = node.type == replace(kind, rounding=node.type.rounding, overflow=node.type.overflow)
        return x if same else self.draft.add(name, "cast", [x], None, kind)

    def cut(self, call: Call, finest: int) -> int | None:
        """Fraction bits that the accumulator cuts single products to; None: it cuts none.

        finest : fraction bits of the products and of the bias
        """
        kind = self.own_format(call, "accum_t")
        if kind.fraction >= finest:
            return None
        if kind.rounding is not Rounding.TRN:
            raise self.draft.refuse(
                call.name,
                f"each product of {finest} fraction bits is rounded into accum_t {kind}; give "
                "accum_t the precision 'auto', or all bits",
            )
        return kind.fraction

    def accumulated(self, call: Call, x: str) -> str:
        """A sum in the layer's accumulator."""
        kind = self.own_format(call, "accum_t")
        if kind.overflow is not Overflow.WRAP:
            self.saturating[x] = kind
        return self.cast(f"{call.name}_accum", x, replace(kind, overflow=Overflow.WRAP))

    def _check_saturating(self, model: ImportedModel) -> None:
        bounds = model.network.bounds()
        for name, kind in self.saturating.items():
            needed = bounds[name].accumulator
            negative = needed.signed and not kind.signed
            if negative or needed.integer + (kind.signed and not needed.signed) > kind.integer:
                raise self.draft.refuse(
                    name, f"its accumulator {kind} can saturate on the way; it needs {needed}"
                )


def _config(body: str) -> Config:
    return Config(
        dict(_MEMBER.findall(body)),
        {name: text for text, name in _TYPEDEF.findall(body)},
        dict(_USING.findall(body)),
    )


def _numbers(text: str, where: str) -> Floats:
    parts = [part for part in re.split(r"[,\s]+", text.strip()) if part]
    try:
        values = np.array([float(part) for part in parts])
    except ValueError as error:
        raise InputError(f"{where}: is no list of numbers ({error})") from error
    if not values.size or not np.all(np.isfinite(values)):
        raise InputError(f"{where}: is empty, or holds what is no number")
    return values


def _text(path: Path) -> str:
    if require_regular(path) > MAX_FILE:
        raise InputError(f"{path}: is larger than {MAX_FILE >> 20} MiB")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
