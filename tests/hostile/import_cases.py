# ruff: noqa: E501 (a table: a case a line)
"""Foreign models: QONNX, QKeras, hls4ml and alkaid files that are damaged or mean ill."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.hostile.case import Case, Make, all_of, nothing, raw, text
from tests.hostile.recipe_cases import fifo, folder_named, link

Edit = Callable[[Any], object]


def take(name: str, file: str, make: Make, said: str, options: str = "--score 0") -> Case:
    """A model that is refused, and nothing of it written."""
    return Case(f"import: {name}", make, f"import {file} --out taken {options}", 2, said)


def onnx_model(edit: Edit) -> Make:
    """x -> Quant -> MatMul -> Quant, with an edit of the protobuf."""

    def made(folder: Path) -> None:
        import onnx

        from tests.export.test_import_qonnx import Graph

        graph = Graph((3,), 5)
        graph.quant(2**-3, 6)
        graph.add("MatMul", graph.weights((3, 1), 2**-3))
        graph.quant(2**-2, 7)
        model = graph.model(1)
        edit(model)
        onnx.save(model, str(folder / "m.onnx"))

    return made


def onnx_case(name: str, edit: Edit, said: str, options: str = "--score 0") -> Case:
    return take(f"onnx {name}", "m.onnx", onnx_model(edit), said, options)


def outside(model: Any) -> None:
    """Weights that lie in another file of the machine."""
    from onnx import TensorProto

    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../../../etc/passwd"), ("length", "4")):
        tensor.external_data.add(key=key, value=value)


def beside(model: Any) -> None:
    outside(model)
    model.graph.initializer[0].external_data[0].value = "good.csv"


def huge(model: Any) -> None:
    model.graph.initializer[0].ClearField("dims")
    model.graph.initializer[0].dims.extend([10**6, 10**9])


def input_dims(*dims: int) -> Edit:
    def edit(model: Any) -> None:
        found = model.graph.input[0].type.tensor_type.shape.dim
        for place, size in zip(found, (1, *dims), strict=False):
            place.dim_value = size

    return edit


def parameter(place: int, value: float) -> Edit:
    """The value of one of the constants of Quant nodes: scale, zero point, bits."""

    def edit(model: Any) -> None:
        from onnx import numpy_helper

        name = model.graph.node[0].input[place]
        for i, tensor in enumerate(model.graph.initializer):
            if tensor.name == name:
                new = numpy_helper.from_array(np.array(value, np.float32), name)
                model.graph.initializer[i].CopyFrom(new)

    return edit


def op(kind: str) -> Edit:
    def edit(model: Any) -> None:
        model.graph.node[-2].op_type = kind

    return edit


def cycle(model: Any) -> None:
    node = next(n for n in model.graph.node if n.op_type == "MatMul")
    node.input[0] = model.graph.output[0].name


BITS = {"class_name": "quantized_bits", "config": {"bits": 6, "integer": 0, "alpha": 1}}
LAYERS: list[dict[str, Any]] = [
    {"class_name": "InputLayer", "config": {"name": "i", "batch_input_shape": [None, 3]}},
    {"class_name": "QActivation", "config": {"name": "q", "activation": BITS}},
    {
        "class_name": "QDense",
        "config": {"name": "d", "units": 1, "kernel_quantizer": BITS, "bias_quantizer": BITS},
    },
]


def keras(edit: Edit = lambda layers: None, kernel: Any = None, config: str | None = None) -> Make:
    """A file as QKeras saves it, its layers edited."""

    def made(folder: Path) -> None:
        layers = json.loads(json.dumps(LAYERS))
        edit(layers)
        document = {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}
        with h5py.File(folder / "m.h5", "w") as file:
            file.attrs["model_config"] = json.dumps(document) if config is None else config
            group = file.create_group("model_weights/d/d")
            group["kernel:0"] = np.full((3, 1), 0.5) if kernel is None else kernel
            group["bias:0"] = np.zeros(1)

    return made


def layer(index: int, **changes: Any) -> Make:
    return keras(lambda layers: layers[index]["config"].update(changes))


def keras_case(name: str, make: Make, said: str, options: str = "") -> Case:
    return take(f"keras {name}", "m.h5", make, said, options)


def external_weights(folder: Path) -> None:
    keras()(folder)
    with h5py.File(folder / "m.h5", "a") as file:
        del file["model_weights/d/d/kernel:0"]
        file["model_weights/d/d/kernel:0"] = h5py.ExternalLink("events.h5", "/zero_bias/weights")


def undeclared(folder: Path) -> None:
    keras()(folder)
    with h5py.File(folder / "m.h5", "a") as file:
        del file["model_weights/d/d/kernel:0"]
        file["model_weights/d/d"].create_dataset(
            "kernel:0", (10**6, 10**6), "f4", chunks=(1000, 1000)
        )


DEFINES = """#define N_INPUT_1_1 3
#define N_LAYER_2 1
typedef ap_fixed<8,3> input_t;
typedef ap_fixed<16,6> model_default_t;
typedef ap_fixed<24,10> layer2_t;
typedef ap_fixed<6,1> weight2_t;
typedef ap_fixed<6,1> bias2_t;
"""
PARAMETERS = """struct config2 : nnet::dense_config {
    static const unsigned n_in = 3;
    static const unsigned n_out = 1;
    typedef layer2_t accum_t;
    typedef bias2_t bias_t;
    typedef weight2_t weight_t;
};
"""
SOURCE = """void myproject(input_t x[N_INPUT_1_1], layer2_t layer2_out[N_LAYER_2]) {
    // hls-fpga-machine-learning insert layers
    nnet::dense<input_t, layer2_t, config2>(x, layer2_out, w2, b2); // fc
}
"""
GOOD = {
    "defines.h": DEFINES,
    "parameters.h": PARAMETERS,
    "myproject.cpp": SOURCE,
    "weights/w2.txt": "0.5, 0.25, -0.5\n",
    "weights/b2.txt": "0\n",
}


def project(**changes: str | None) -> Make:
    """An hls4ml project written by hand; names with _ for . and None for a file that is missing."""

    def made(folder: Path) -> None:
        given = {
            name.replace("__", "/").replace("_", "."): value for name, value in changes.items()
        }
        (folder / "p" / "firmware" / "weights").mkdir(parents=True)
        for name, content in {**GOOD, **given}.items():
            if content is not None:
                (folder / "p" / "firmware" / name).write_text(content)

    return made


def hls(name: str, make: Make, said: str, options: str = "--wraps") -> Case:
    return take(f"hls4ml {name}", "p", make, said, options)


CASES = [
    # the file
    take("no file", "m.onnx", nothing, "m.onnx: no such file"),
    take("a kind that is not read", "good.csv", nothing, "is of no kind that is read"),
    take("a FIFO", "m.onnx", fifo("m.onnx"), "m.onnx: is no regular file but a FIFO"),
    take("a device", "m.onnx", link("m.onnx", "/dev/zero"), "m.onnx: is no regular file but a device"),
    take("a folder named so", "m.onnx", folder_named("m.onnx"), "is no hls4ml project"),
    take("a name of 5000 letters", "x" * 5000 + ".onnx", nothing, "too long"),
    take("a circle of links", "m.onnx", link("m.onnx", "m.onnx"), "m.onnx"),
    Case("import: out is there", onnx_model(lambda m: None), "import m.onnx --out two.csv", 2, "two.csv: is there already"),
    Case("import: out below a file", onnx_model(lambda m: None), "import m.onnx --out two.csv/x", 2, "two.csv"),
    Case("import: no such target", nothing, "import m.onnx --target vhdl", 2, "--target: one of"),
    Case("import: no such type", nothing, "import m.onnx --input-type int8", 2, "--input-type"),
    Case("import: no such board", onnx_model(lambda m: None), "import m.onnx --board vu99 --out taken", 2, "vu99"),
    # QONNX
    take("onnx empty", "m.onnx", raw("m.onnx", b""), "m.onnx: is no ONNX model"),
    take("onnx random bytes", "m.onnx", raw("m.onnx", bytes(range(256)) * 4), "m.onnx: is no readable ONNX"),
    take("onnx cut", "m.onnx", all_of(onnx_model(lambda m: None), lambda folder: (folder / "m.onnx").write_bytes((folder / "m.onnx").read_bytes()[:-20]) and None), "m.onnx"),
    onnx_case("without nodes", lambda m: m.graph.ClearField("node"), "it has no nodes or no inputs"),
    onnx_case("without inputs", lambda m: m.graph.ClearField("input"), "it has no nodes or no inputs"),
    onnx_case("without outputs", lambda m: m.graph.ClearField("output"), "0 outputs"),
    onnx_case("weights in a file of the machine", outside, "another file"),
    onnx_case("weights in a file beside it", beside, "another file"),
    onnx_case("a petabyte declared", huge, "m.onnx"),
    onnx_case("an input of no size", input_dims(0), "its shape"),
    onnx_case("a negative input", input_dims(-5), "m.onnx"),
    onnx_case("a huge input", input_dims(10**15), "m.onnx"),
    onnx_case("an input of other size", input_dims(4), "m.onnx"),
    onnx_case("an operator that runs code", op("PyOp"), "operator 'PyOp' is not supported"),
    onnx_case("a loop", op("Loop"), "operator 'Loop' is not supported"),
    onnx_case("a cycle", cycle, "is not made by what comes before it"),
    onnx_case("a scale of zero", parameter(1, 0), "m.onnx"),
    onnx_case("a negative scale", parameter(1, -0.125), "m.onnx"),
    onnx_case("a scale of NaN", parameter(1, float("nan")), "m.onnx"),
    onnx_case("a scale of 0.3", parameter(1, 0.3), "no power of two"),
    onnx_case("a zero point", parameter(2, 3), "zero point"),
    onnx_case("no bits", parameter(3, 0), "bits"),
    onnx_case("half a bit", parameter(3, 2.5), "one whole number"),
    onnx_case("infinite bits", parameter(3, float("inf")), "m.onnx"),
    onnx_case("bits of NaN", parameter(3, float("nan")), "m.onnx"),
    onnx_case("99 bits", parameter(3, 99), "width must be 1 to 63"),
    onnx_case("a score that it lacks", lambda m: None, "score", "--score 7"),
    onnx_case("a score of a word", lambda m: None, "score", "--score best"),
    # QKeras
    keras_case("random bytes", raw("m.h5", bytes(range(256)) * 4), "is no Keras model in HDF5"),
    keras_case("another HDF5 file", lambda folder: (folder / "m.h5").write_bytes((folder / "events.h5").read_bytes()) and None, "is no Keras model"),
    keras_case("deep configuration", keras(config="[" * 10**5), "m.h5"),
    keras_case("configuration is a list", keras(config="[]"), "is no Keras model"),
    keras_case("no layers", keras(lambda layers: layers.clear()), "m.h5"),
    keras_case("a Lambda layer", keras(lambda layers: layers.append({"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAA==", None, None]}})), "'Lambda' is not supported"),
    keras_case("a layer of its own", keras(lambda layers: layers.append({"class_name": "os>system", "config": {"name": "l"}})), "is not supported"),
    keras_case("a quantizer that is code", layer(1, activation="__import__('os').system('touch hacked')"), "m.h5"),
    keras_case("a quantizer of huge bits", layer(1, activation="quantized_bits(10**9, 1, alpha=1)"), "m.h5"),
    keras_case("a quantizer of 99 bits", layer(1, activation="quantized_bits(99, 1, alpha=1)"), "m.h5"),
    keras_case("alpha of auto", layer(1, activation="quantized_bits(8, 1, alpha='auto')"), "m.h5"),
    keras_case("a quantizer nested deeply", layer(1, activation="quantized_bits(" + "(" * 10**4), "m.h5"),
    keras_case("an input without a shape", layer(0, batch_input_shape=[None, None]), "shape is not fixed"),
    keras_case("a negative input", layer(0, batch_input_shape=[None, -3]), "m.h5"),
    keras_case("a huge input", layer(0, batch_input_shape=[None, 10**15]), "m.h5"),
    keras_case("a kernel of NaN", keras(kernel=np.full((3, 1), np.nan)), "m.h5"),
    keras_case("a kernel of other size", keras(kernel=np.zeros((4, 1))), "m.h5"),
    keras_case("a kernel of text", keras(kernel=[[b"x"]] * 3), "m.h5"),
    keras_case("a kernel in another file", external_weights, "another file"),
    keras_case("a terabyte declared", undeclared, "declares"),
    # hls4ml
    hls("without parameters", project(parameters_h=None), "is no hls4ml project"),
    hls("without layers", project(myproject_cpp=""), "has 0 files of layers"),
    hls("of io_stream", project(myproject_cpp=SOURCE.replace("input_t x[N_INPUT_1_1]", "hls::stream<input_t> &x")), "io_stream"),
    hls("of an unknown size", project(myproject_cpp=SOURCE.replace("N_INPUT_1_1", "N_NONE")), "the size 'N_NONE' is not known"),
    hls("of a huge size", project(defines_h=DEFINES.replace("N_INPUT_1_1 3", "N_INPUT_1_1 99999999999999")), "p"),
    hls("of a size of 5000 digits", project(defines_h=DEFINES.replace("N_INPUT_1_1 3", "N_INPUT_1_1 " + "9" * 5000)), "p"),
    hls("of no bits", project(defines_h=DEFINES.replace("ap_fixed<8,3>", "ap_fixed<0,0>")), "width must be 1 to 63"),
    hls("of 999 bits", project(defines_h=DEFINES.replace("ap_fixed<8,3>", "ap_fixed<999,3>")), "width must be 1 to 63"),
    hls("of an unknown type", project(defines_h=DEFINES.replace("ap_fixed<8,3>", "std::string")), "input_t"),
    hls("of an unknown layer", project(myproject_cpp=SOURCE.replace("nnet::dense", "nnet::lstm")), "'nnet::lstm' is not supported"),
    hls("without its weights", project(weights__w2_txt=None), "w2"),
    hls("with weights that are words", project(weights__w2_txt="rm -rf /"), "is no list of numbers"),
    hls("with weights of NaN", project(weights__w2_txt="nan, 1, 1"), "holds what is no number"),
    hls("with fewer weights", project(weights__w2_txt="1"), "p"),
    hls("with a cycle", project(myproject_cpp=SOURCE.replace("(x, layer2_out", "(layer2_out, layer2_out")), "is not made before it is used"),
    hls("with a layer of no inputs", project(parameters_h=PARAMETERS.replace("n_in = 3", "n_in = 0")), "p"),
    hls("with an include that leads out", project(weights__w2_txt=None, myproject_cpp=SOURCE.replace("w2, b2", "../../../../etc/passwd, b2")), "p"),
    hls("of Latin-1", all_of(project(), raw("p/firmware/defines.h", b"\xe4\xff")), "cannot be read"),
    hls("whose source is a FIFO", all_of(project(myproject_cpp=None), fifo("p/firmware/myproject.cpp")), "myproject.cpp: is no regular file"),
    # alkaid
    take("alkaid empty", "m.json", text("m.json", ""), "m.json: is no alkaid model"),
    take("alkaid deep", "m.json", text("m.json", "[" * 10**5), "m.json: is no alkaid model"),
    take("alkaid of nothing", "m.json", text("m.json", "{}"), "m.json: is no alkaid model"),
    take("alkaid gzip cut", "m.json.gz", raw("m.json.gz", gzip.compress(b"{}")[:-4]), "m.json.gz: cannot be read"),
    take("alkaid gzip bomb", "m.json.gz", raw("m.json.gz", gzip.compress(bytes(257 << 20), 1)), "is larger than 256 MiB"),
]  # fmt: skip
