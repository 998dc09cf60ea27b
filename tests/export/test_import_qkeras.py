"""QKeras files read without Keras: the network's outputs against QKeras' own, event by event."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from naetrigger.contracts.errors import InputError
from naetrigger.contracts.fixed_point import Fixed, Integers, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.import_draft import ImportedModel
from naetrigger.export.import_qkeras import read_qkeras
from naetrigger.export.qkeras_student import libraries

EVENTS = 10_000


def autoencoder(layers: Any, qkeras: Any, model: Any) -> Any:
    """As in QKeras' own tutorials: dense layers, quantized by keywords and by text."""
    bits = qkeras.quantized_bits
    x = inputs = layers.Input((8,), name="features")
    x = qkeras.QActivation(bits(10, 3, alpha=1), name="quantized_features")(x)
    for number, size in enumerate((6, 3, 8)):
        x = qkeras.QDense(
            size,
            kernel_quantizer=bits(5, 0, alpha=1),
            bias_quantizer="quantized_bits(6, 1, alpha=1)",
            bias_initializer="normal",
            name=f"fc{number}",
        )(x)
        if number < 2:
            x = qkeras.QActivation("quantized_relu(6,2)", name=f"relu{number}")(x)
    return model(inputs, x)


def convolutional(layers: Any, qkeras: Any, model: Any) -> Any:
    """Images: convolutions with 'same' and with strides, poolings, slopes, a hard sigmoid."""
    bits = qkeras.quantized_bits
    constants = {"kernel_quantizer": bits(4, 0, alpha=1), "bias_quantizer": bits(4, 0, alpha=1)}
    x = inputs = layers.Input((6, 5, 2))
    x = qkeras.QActivation(bits(6, 1))(x)  # without alpha: of an activation that is 1
    x = qkeras.QConv2D(3, (3, 2), padding="same", bias_initializer="normal", **constants)(x)
    x = qkeras.QActivation("quantized_relu(5,1)")(x)
    x = layers.MaxPooling2D((2, 2))(x)
    x = qkeras.QConv2D(4, (2, 2), strides=(1, 1), activation="quantized_tanh(5)", **constants)(x)
    x = layers.LeakyReLU(0.125)(x)
    x = qkeras.QActivation(bits(6, 1, alpha=1))(x)
    x = layers.AveragePooling2D((2, 1))(x)
    x = layers.Flatten()(x)
    x = qkeras.QDense(2, **constants)(x)
    x = qkeras.QActivation("quantized_sigmoid(7)")(x)
    return model(inputs, x)


def sequential(layers: Any, qkeras: Any, model: Any) -> Any:
    """A sequence: 1-D layers, a batch norm folded into its layer, a residual sum."""
    bits = qkeras.quantized_bits
    constants = {"kernel_quantizer": bits(5, 0, alpha=1), "bias_quantizer": bits(5, 1, alpha=1)}
    x = inputs = layers.Input((7, 3))
    x = first = qkeras.QActivation(bits(7, 2, symmetric=1, alpha=1))(x)
    x = qkeras.QConv1D(3, 3, padding="same", **constants)(x)
    x = qkeras.QActivation(bits(7, 2, alpha=1))(x)
    x = layers.Add()([x, first])
    x = layers.ReLU()(x)
    x = layers.MaxPooling1D(2, strides=1, padding="same")(x)
    x = layers.Reshape((7, 1, 3))(x)
    x = qkeras.QConv2DBatchnorm(2, (3, 1), folding_mode="ema_stats_folding", **constants)(x)
    x = qkeras.QActivation("quantized_relu(5,2)")(x)
    x = layers.Flatten()(x)
    x = qkeras.QDense(3, **constants)(x)
    x = qkeras.QActivation(bits(6, 2, alpha=1))(x)
    return model(inputs, x)


MODELS: dict[str, Callable[..., Any]] = {
    "autoencoder": autoencoder,
    "convolutional": convolutional,
    "sequential": sequential,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Integers, Any]]:
    """Of each model its file, input words, and what QKeras makes of them."""
    libs = libraries()
    folder, made = tmp_path_factory.mktemp("qkeras"), {}
    libs.tf.random.set_seed(4)
    rng = np.random.default_rng(2)
    for name, build in MODELS.items():
        model = build(libs.keras.layers, libs.qkeras, libs.keras.Model)
        for layer in model.layers:
            if "batchnorm" in layer.name:
                values = [np.abs(w) + rng.normal(0.5, 0.1, w.shape) for w in layer.get_weights()]
                layer.set_weights(
                    [v.astype(w.dtype) for v, w in zip(values, layer.get_weights(), strict=True)]
                )
        path = folder / f"{name}.h5"
        model.save(path)
        kind = read_qkeras(path, score="0").network.input.type
        size = (EVENTS, *model.input_shape[1:])
        words = rng.integers(kind.min_mantissa, kind.max_mantissa, size, np.int64, endpoint=True)
        expected = model.predict(kind.real(words), batch_size=EVENTS, verbose=0)
        made[name] = path, words.reshape(EVENTS, -1), expected.reshape(EVENTS, -1)
    return made


def outputs_of(model: ImportedModel, words: Integers) -> Any:
    """Real outputs of an imported model."""
    network: FixedPointNetwork = model.network
    return network[model.outputs].type.real(network.trace(words)[model.outputs])


@pytest.mark.parametrize("name", MODELS)
def test_outputs_equal_those_of_qkeras(name: str, files: dict[str, Any]) -> None:
    path, words, expected = files[name]
    found = outputs_of(read_qkeras(path, score="0"), words)
    np.testing.assert_array_equal(found, expected)
    assert len(np.unique(expected)) > 10


def test_scores_are_made_of_the_outputs(files: dict[str, Any]) -> None:
    path, words, expected = files["autoencoder"]
    scores = {
        "2": expected[:, 2],
        "squared_norm": (expected.astype(np.float64) ** 2).sum(axis=1),
        "squared_error": ((words / 64 - expected) ** 2).sum(axis=1),
        "absolute_error": np.abs(words / 64 - expected).sum(axis=1),
    }
    for score, wanted in scores.items():
        network = read_qkeras(path, score=score).network
        np.testing.assert_array_equal(network.score_type.real(network.scores(words)), wanted)
    with pytest.raises(InputError, match=r"has 8 outputs; say which number is the score"):
        read_qkeras(path)
    with pytest.raises(InputError, match="has outputs 0 to 7"):
        read_qkeras(path, score="8")
    with pytest.raises(InputError, match="did you mean 'squared_error'"):
        read_qkeras(path, score="squared_eror")


def changed(source: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a model file with another configuration."""
    target.write_bytes(source.read_bytes())
    with h5py.File(target, "r+") as file:
        model = json.loads(file.attrs["model_config"])
        change({layer["config"]["name"]: layer for layer in model["config"]["layers"]})
        file.attrs["model_config"] = json.dumps(model)
    return target


def quantizer(layers: dict[str, Any], layer: str, **settings: Any) -> None:
    layers[layer]["config"]["kernel_quantizer"]["config"].update(settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["fc1"].update(class_name="Lambda"), "fc1: layer 'Lambda' is not supp.*QDense"),
        (lambda m: quantizer(m, "fc1", alpha="auto_po2"), "fc1: kernel: .*alpha='auto_po2'.*power"),
        (lambda m: quantizer(m, "fc1", alpha=None), "fc1: kernel: .*alpha=None.*alpha=1"),
        (lambda m: quantizer(m, "fc1", alpha=0.3), "fc1: kernel: .*no power of two"),
        (lambda m: quantizer(m, "fc1", qnoise_factor=0.5), "fc1: kernel: .*set qnoise_factor=1"),
        (lambda m: quantizer(m, "fc1", bits=70), "fc1: kernel: .*width must be 1 to 63 bits"),
        (lambda m: m["fc1"]["config"].update(kernel_quantizer=None), "fc1: kernel: .*on no grid"),
        (lambda m: m["relu0"]["config"].update(activation="softmax"), "relu0: .*'softmax' is not"),
        (
            lambda m: m["relu0"]["config"].update(activation="__import__('os').system('x')"),
            "relu0: activation: .*is no quantizer that is known",
        ),
        (
            lambda m: m["quantized_features"]["config"].update(
                activation="quantized_bits(60, 9, alpha=1)"
            ),
            "partial sums reach .* more than 63 bits",
        ),
        (lambda m: m["features"]["config"].update(batch_input_shape=[None, None]), "not fixed"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_by_name(
    change: Callable[..., Any], message: str, files: dict[str, Any], tmp_path: Path
) -> None:
    path = changed(files["autoencoder"][0], tmp_path / "m.h5", change)
    with pytest.raises(InputError, match=message):
        read_qkeras(path, score="0")


def test_inputs_without_a_quantizer_need_a_format(files: dict[str, Any], tmp_path: Path) -> None:
    def without(layers: dict[str, Any]) -> None:
        layers["quantized_features"].update(class_name="Dropout")

    path = changed(files["autoencoder"][0], tmp_path / "m.h5", without)
    with pytest.raises(InputError, match="--input-type"):
        read_qkeras(path, score="0")
    kind = Fixed(True, 10, 4, Rounding.RND_CONV, Overflow.SAT)
    _, words, expected = files["autoencoder"]
    np.testing.assert_array_equal(outputs_of(read_qkeras(path, kind, "0"), words), expected)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_truncated_files_are_refused(part: float, files: dict[str, Any], tmp_path: Path) -> None:
    data = files["autoencoder"][0].read_bytes()
    path = tmp_path / "m.h5"
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(InputError, match=r"m\.h5: is no Keras model"):
        read_qkeras(path, score="0")
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(3000))
    with pytest.raises(InputError, match=r"m\.h5: is no Keras model"):
        read_qkeras(path, score="0")
