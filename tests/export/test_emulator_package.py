"""The emulator package: built by g++ and make, loaded by dlopen, equal to the network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naetrigger.contracts.decision import with_decision
from naetrigger.contracts.errors import AgreementError, EnvironmentProblem, InputError
from naetrigger.contracts.fixed_point import Fixed, Overflow, Rounding
from naetrigger.contracts.network import FixedPointNetwork
from naetrigger.export.emulator_check import run_package, verify_package
from naetrigger.export.emulator_headers import included_files
from naetrigger.export.emulator_package import PackageSettings, write_package
from naetrigger.export.emulator_scales import GLOBAL_TRIGGER, scales_of, words_of
from naetrigger.export.emulator_sources import Emulator, readme
from naetrigger.firmware_configs.board import load_board
from naetrigger.firmware_configs.feature import Feature
from naetrigger.firmware_configs.input_spec import InputSpec, load_input_spec
from tests.export.targets.layer_networks import image_network
from tests.export.targets.networks import random_network, spec_of
from tests.quick_compiler import quick_compiler

INPUT = Fixed(True, 9, 4, Rounding.RND_CONV, Overflow.SAT)
FEATURES = (
    Feature(name="pt", lsb=0.5, bits=9, offset=14.0, shift=3, exact=False),
    Feature(name="eta", lsb=0.04, bits=8, signed=True, offset=-2.0, shift=6, exact=False),
    Feature(name="phi", lsb=0.04, bits=8, period=144, offset=70.0, shift=5, exact=False),
    Feature(name="n", lsb=1.0, bits=3, offset=4.0, shift=-1, exact=False),
)
SPEC = InputSpec(
    name="small", description="four integers", type=str(INPUT), source="test", features=FEATURES
)
EVENTS = 10_000


def network(seed: int = 0) -> FixedPointNetwork:
    return random_network(seed, features=len(FEATURES), input_type=INPUT)


def real_events() -> np.ndarray:
    low, high = (np.array(end) for end in (scales_of(SPEC).low, scales_of(SPEC).high))
    return np.random.default_rng(3).integers(low, high, (EVENTS, 4), endpoint=True)


def package(folder: Path, version: int, **changes: object) -> Path:
    write_package(
        with_decision(network(abs(version)), [30]),
        SPEC,
        folder,
        replace(PackageSettings("GTADModel", version), **changes),  # type: ignore[arg-type]
        load_board("vu13p-5ns"),
        events=real_events(),
        thresholds={"rates": []},
        vectors=EVENTS,
    )
    return folder


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(quick_compiler(tmp_path_factory.mktemp("quick")))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return package(tmp_path_factory.mktemp("package") / "v5", 5)


@pytest.fixture(scope="module")
def built(written: Path, compiler: str) -> Path:
    """A built copy, another version's folder beside the first."""
    folder = written.parent / "built"
    shutil.copytree(written, folder)
    other = package(written.parent / "v6", 6)
    shutil.copytree(other / "GTADModel_v6", folder / "GTADModel_v6")
    shutil.copy(other / "test_vectors.txt", folder / "vectors_v6.txt")
    subprocess.run(["make", f"CXX={compiler}"], cwd=folder, check=True, capture_output=True)
    return folder


def test_its_own_test_finds_every_score_equal(built: Path) -> None:
    done = subprocess.run(["./test"], cwd=built, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"GTADModel_v5: {EVENTS} events, 0 differ\n"


def test_a_perturbed_expected_score_is_found(built: Path, tmp_path: Path) -> None:
    for name in ("test", "GTADModel_v5.so"):
        shutil.copy(built / name, tmp_path)
    lines = (built / "test_vectors.txt").read_text().splitlines()
    *inputs, score = lines[100].split()
    lines[100] = " ".join([*inputs, str(int(score) ^ 1)])
    (tmp_path / "test_vectors.txt").write_text("\n".join(lines) + "\n")
    done = subprocess.run(["./test"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "event 99: expected" in done.stderr
    assert "1 differ" in done.stdout


def test_its_vectors_are_the_network_s_scores(written: Path) -> None:
    table = np.loadtxt(written / "test_vectors.txt", dtype=np.int64, comments="#")
    assert table.shape == (EVENTS, 5)
    words = SPEC.mantissas(table[:, :4].astype(np.float64))
    np.testing.assert_array_equal(network(5).scores(words), table[:, 4])
    assert len(np.unique(table[:, 4])) > 50


TWO = """\
#include "emulator.h"
#include "GTADModel_v5/scales.h"
#include "GTADModel_v6/scales.h"
#include <array>
#include <cmath>
#include <dlfcn.h>
#include <utility>

static hls4mlEmulator::Model *models[2];

extern "C" int load(const char *first, const char *second) {
    const char *names[2] = {first, second};
    for (int i = 0; i < 2; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (!library)
            return 1;
        models[i] = ((hls4mlEmulator::Model * (*)()) dlsym(library, "create_model"))();
    }
    return models[0] == models[1];
}

template <class X, class R, class L> static double score(int model, const long *x) {
    X words[4];
    for (int i = 0; i < 4; i++)
        words[i] = X(x[i]);
    std::pair<std::array<R, 1>, L> both;
    std::pair<R, L> plain;
    R alone;
    models[model]->prepare_input(&words[0]);
    models[model]->predict();
    models[model]->read_result(&both);
    models[model]->read_result(&plain);
    models[model]->read_result(&alone);
    if (both.first[0] != both.second || both.second != plain.first || alone != plain.second)
        return -1;
    return alone.to_double();
}

extern "C" void scores(const long *x, double *first, double *second, long n) {
    namespace a = hls4ml_gtadmodel_v5;
    namespace b = hls4ml_gtadmodel_v6;
    for (long i = 0; i < n; i++, x += 4) {
        first[i] = score<a::unscaled_t, a::result_t, a::resultsq_t>(0, x);
        second[i] = score<b::unscaled_t, b::result_t, b::resultsq_t>(1, x);
    }
}

extern "C" int refused() {
    int nothing = 0;
    try {
        models[0]->read_result(&nothing);
    } catch (const std::bad_any_cast &) {
        return 1;
    }
    return 0;
}
"""


CALL_TWO = """
import ctypes, sys
import numpy as np
library = ctypes.CDLL("./two.so")
assert library.load(*(name.encode() for name in sys.argv[1:])) == 0
x = np.load("two_inputs.npy")
found = np.zeros((2, len(x)))
pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (x, found[0], found[1])]
library.scores(*pointers, ctypes.c_long(len(x)))
assert library.refused() == 1
np.save("two_scores.npy", found)
"""


def test_two_versions_in_one_process_keep_their_scores_apart(built: Path, compiler: str) -> None:
    (built / "two.cpp").write_text(TWO)
    headers = [f"-Iextras/include/{name}" for name in ("hls4ml", "ap_types")]
    command = [compiler, "-std=c++17", "-w", "-shared", "-fPIC", *headers, "two.cpp", "-ldl"]
    subprocess.run([*command, "-o", "two.so"], cwd=built, check=True, capture_output=True)
    names = [str(built / f"GTADModel_v{version}.so") for version in (5, 6)]
    x = np.ascontiguousarray(real_events(), np.int64)
    np.save(built / "two_inputs.npy", x)
    subprocess.run([sys.executable, "-c", CALL_TWO, *names], cwd=built, check=True)
    found = np.load(built / "two_scores.npy")
    words = SPEC.mantissas(x.astype(np.float64))
    for version, scores in zip((5, 6), found, strict=True):
        expected = network(version).score_type.real(network(version).scores(words))
        np.testing.assert_array_equal(scores, expected)
    assert np.any(found[0] != found[1])


def test_a_convolution_is_in_the_package_s_namespace(tmp_path: Path, compiler: str) -> None:
    """hls4ml writes code for it into a header beside its own."""
    net = image_network()
    spec = spec_of(net)
    events = np.zeros((0, len(spec.features)), np.int64)
    write_package(
        net,
        spec,
        tmp_path / "conv",
        PackageSettings("Conv", namespace="mine"),
        load_board("vu13p-5ns"),
        events=events,
        thresholds={},
        vectors=300,
    )
    assert "300 events, 0 differ" in run_package(tmp_path / "conv", compiler)


def test_the_library_shows_two_names_alone(built: Path) -> None:
    shown = subprocess.run(
        ["nm", "-D", "--defined-only", "GTADModel_v5.so"],
        cwd=built,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    ours = [line.split()[-1] for line in shown.splitlines() if line.split()[-2] in "TDBR"]
    assert sorted(ours) == ["create_model", "destroy_model"]


def test_install_and_clean(built: Path, compiler: str, tmp_path: Path) -> None:
    copy = tmp_path / "package"
    shutil.copytree(built, copy, copy_function=shutil.copy2)
    for arguments in (("install", f"PREFIX={tmp_path / 'there'}"), ("clean",)):
        subprocess.run(
            ["make", f"CXX={compiler}", *arguments], cwd=copy, check=True, capture_output=True
        )
    installed = sorted(path.name for path in (tmp_path / "there" / "lib64").iterdir())
    assert installed == ["GTADModel_v5.so", "GTADModel_v6.so"]
    assert not [path for path in copy.rglob("*") if path.suffix in (".o",) or path.name == "test"]


def test_a_changed_weight_is_built_again(built: Path, compiler: str, tmp_path: Path) -> None:
    """Weights stand in headers: make looks at these, too, and at nothing twice."""
    folder = tmp_path / "package"
    shutil.copytree(built, folder)
    command = ["make", f"CXX={compiler}", "GTADModel_v5.so", "test"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert compiler not in done.stdout
    (weights,) = (folder / "GTADModel_v5" / "NN" / "weights").glob("b2.h")
    weights.write_text(re.sub(r"= \{[^,}]+", "= {1.96875", weights.read_text()))
    subprocess.run(command, cwd=folder, capture_output=True, check=True)
    done = subprocess.run(["./test"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert " 0 differ" not in done.stdout


def test_the_manifest_holds_and_sha256sum_agrees(written: Path) -> None:
    names = [path for path in written.rglob("*") if path.is_file()]
    assert verify_package(written) == len(names) - 1
    subprocess.run(
        ["sha256sum", "--quiet", "-c", "MANIFEST.sha256"], cwd=written, check=True, timeout=60
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "GTADModel_v5" / "scales.h").write_text("//"), "scales.h: edited"),
        (lambda f: (f / "test_vectors.txt").unlink(), "test_vectors.txt: is missing"),
        (lambda f: (f / "GTADModel_v5" / "NN" / "x.h").write_text(""), "x.h: the manifest does"),
        (lambda f: (f / "MANIFEST.sha256").write_text("0 ../x\n"), "line 1: must be a sha256"),
        (lambda f: (f / "MANIFEST.sha256").unlink(), "not an emulator package"),
    ],
)
def test_a_tampered_package_is_noticed(
    damage: object, message: str, written: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "package"
    shutil.copytree(written, folder)
    assert callable(damage)
    damage(folder)
    with pytest.raises(InputError, match=message):
        verify_package(folder)


MAKEFILE = """\
all:
\t@printf '#!/bin/sh\\necho "3 events"\\nexit %s\\n' $(STATUS) > test && chmod +x test
STATUS := {status}
{more}
"""


@pytest.mark.parametrize(
    ("status", "more", "error", "said"),
    [
        (0, "", None, "3 events"),
        (1, "", AgreementError, "not the expected ones: 3 events"),
        (0, "$(error no)", EnvironmentProblem, "make failed"),
    ],
)
def test_check_builds_a_copy_and_asks_its_test(
    status: int, more: str, error: type[Exception] | None, said: str, tmp_path: Path
) -> None:
    (tmp_path / "Makefile").write_text(MAKEFILE.format(status=status, more=more))
    if error is None:
        assert run_package(tmp_path) == said
    else:
        with pytest.raises(error, match=said):
            run_package(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_only_what_is_included_is_in_it(written: Path) -> None:
    model = written / "GTADModel_v5" / "NN"
    names = {path.name for path in model.rglob("*.h")}
    assert {"nnet_dense.h", "nnet_merge.h", "nnet_activation.h"} <= names
    assert not {"nnet_conv2d.h", "nnet_recurrent.h", "nnet_pooling.h"} & names
    needed = included_files(
        model / "GTADModel_v5.cpp", (model, written / "extras" / "include" / "ap_types")
    )
    there = {path.resolve() for path in written.rglob("*.h")} - {
        (written / "GTADModel_v5" / "scales.h").resolve(),
        (written / "extras" / "include" / "hls4ml" / "emulator.h").resolve(),
    }
    assert there <= {path.resolve() for path in needed}
    assert (written / "LICENSES" / "LICENSE-hls4ml.txt").read_text().strip()
    assert json.loads((written / "GTADModel_v5" / "thresholds.json").read_text()) == {"rates": []}


def test_two_packages_are_byte_identical(written: Path, tmp_path: Path) -> None:
    again = package(tmp_path / "again", 5)
    assert (again / "MANIFEST.sha256").read_bytes() == (written / "MANIFEST.sha256").read_bytes()


@given(st.lists(st.integers(-(2**12), 2**12 - 1), min_size=4, max_size=4))
@settings(max_examples=50, deadline=None)
def test_scales_hold_every_intermediate(x: list[int]) -> None:
    """The widest format of scales.h holds x - offset and its shift, no bit lost."""
    scales = scales_of(SPEC)
    assert scales.unscaled == GLOBAL_TRIGGER
    for value, offset, shift in zip(x, scales.offsets, scales.shifts, strict=True):
        exact = (value - offset) * 2.0**-shift
        for intermediate in (value - offset, exact):
            mantissa = intermediate * 2.0**scales.wide.fraction
            assert mantissa == int(mantissa)
            assert scales.wide.min_mantissa <= mantissa <= scales.wide.max_mantissa


def test_a_spec_without_integers_gives_the_inputs_themselves() -> None:
    net = network()
    spec = spec_of(net)
    scales = scales_of(spec)
    assert (scales.hardware, scales.unscaled) == (False, net.input.type)
    words = np.array([[1, 2, 3, -4]])
    assert words_of(spec, scales, words) is not None
    np.testing.assert_array_equal(words_of(spec, scales, words), words)
    with pytest.raises(InputError, match="leave the input type out"):
        scales_of(spec, "ap_fixed<18,13>")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "a b"}, "name 'a b' must be at most 41 letters"),
        ({"namespace": "std::x"}, "namespace 'std::x' must be at most 41 letters"),
        ({"namespace": "class"}, "namespace 'class' must be no word of C\\+\\+"),
        ({"namespace": "std"}, "namespace 'std' must be no word of C\\+\\+"),
        ({"version": -1}, "must not be negative"),
        ({"input_type": "ap_fixed<4,4>"}, "does not hold the hardware integers"),
        ({"input_type": "float"}, "is no fixed-point format"),
        ({"loss_type": "ap_ufixed<4,2>"}, "does not hold every score"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        package(tmp_path / "package", **{"version": 1, **changes})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("unscaled", ["ap_ufixed<9,9>", "ap_fixed<10,10>", "ap_ufixed<12,9>"])
@pytest.mark.parametrize("offset", [-511, -255, -1, 0, 255, 512])
def test_what_is_handed_over_without_a_sign_has_room_for_its_offset(
    unscaled: str, offset: int
) -> None:
    plain = FEATURES[0].model_copy(update={"offset": float(offset), "shift": 0})
    scales = scales_of(SPEC.model_copy(update={"features": (plain,)}), unscaled)
    for x in (scales.low[0], scales.high[0]):
        assert scales.wide.holds(x - offset, x - offset, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"offset": 3e9}, "pt: offset 3000000000 does not fit the C\\+\\+ int of scales.h"),
        ({"offset": -(2.0**31)}, "pt: offset -2147483648 does not fit"),
        ({"shift": 50}, "shifts of -1 to 50 need 70 bits between x and the inputs, at most 63"),
    ],
)
def test_scales_that_do_not_fit_are_refused(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    far = FEATURES[0].model_copy(update=changes)
    spec = SPEC.model_copy(update={"features": (far, *FEATURES[1:])})
    with pytest.raises(InputError, match=f"package: input spec small: {message}"):
        scales_of(spec)
    near = FEATURES[0].model_copy(update={"offset": 2.0**31 - 1, "shift": 5})
    scales = scales_of(SPEC.model_copy(update={"features": (near, *FEATURES[1:])}))
    assert scales.offsets[0] == 2**31 - 1


def _make(folder: Path, *changes: str) -> subprocess.CompletedProcess[str]:
    """What make says it would do; nothing is built."""
    command = ["make", "-n", *changes]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_path_with_a_space_is_built_in(written: Path, compiler: str, tmp_path: Path) -> None:
    folder = tmp_path / "a b" / "package"
    shutil.copytree(written, folder)
    said = _make(folder).stdout
    assert not [word for word in said.split() if word.startswith("-I/")]
    assert "-Iextras/include/hls4ml" in said
    assert "-I../extras/include/hls4ml" in said
    command = ["make", f"CXX={compiler}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "test").exists()


@pytest.mark.parametrize("name", ["EMULATOR_EXTRAS", "HLS_ROOT"])
def test_headers_of_a_path_with_a_space_are_refused(name: str, written: Path) -> None:
    done = _make(written, f"{name}=/some where")
    assert done.returncode == 2
    assert f"{name}: '/some where' holds a space" in done.stderr
    done = _make(written, f"{name}=/somewhere")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("-I/somewhere/include") >= 2
    said = _make(written, f"{name}=some/where").stdout  # of the package's folder
    assert "-Isome/where/include" in said
    assert "-I../some/where/include" in said


def test_the_readme_names_the_steps_of_the_caller(written: Path) -> None:
    assert "No step of the input spec is left to the caller." in (written / "README.md").read_text()
    of = Emulator("M", 1, "m", 4, scales_of(SPEC), Fixed(False, 8, 8), Fixed(False, 8, 8))
    summed = load_input_spec("regions-63")
    text = readme(replace(of, n_in=63, scales=scales_of(summed)), summed)
    for step in summed.steps:
        assert f"`{step.step}`: prefix {step.prefix}" in text  # type: ignore[union-attr]
    logarithms = FEATURES[0].model_copy(update={"offline": "log1p"})
    offline = SPEC.model_copy(update={"features": (logarithms, *FEATURES[1:])})
    text = readme(replace(of, scales=scales_of(offline)), offline)
    assert "1. `pt`: (log1p(x) - 14.0) / 2^3\n" in text
    assert "3. `phi`: (x - 70.0) / 2^5, an angle of 144 steps\n" in text
