"""Makes the shipped sample of handwritten digits from scikit-learn's `load_digits`.

    python benchmarks/make_digits.py

Real data, not simulation: the test set of "Optical Recognition of Handwritten Digits", 1797 images
of 8 x 8 pixels with 17 gray levels, one process a digit. The hash printed is over the stored values
and is the same on every machine.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from naetrigger.contracts.events import HARDWARE_UNIT, Events, write_events
from naetrigger.firmware_configs.offline_steps import grid_columns
from naetrigger.training.simulate.sample import file_content_hash

LABEL = "real data: scanned handwriting, not simulation and not of a detector"
CITATION = (
    "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning "
    "Repository 1998, doi:10.24432/C50P49; as scikit-learn's load_digits gives it"
)
LICENCE = "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/"
COLUMNS = grid_columns("gray", (8, 8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--out", type=Path, default=Path("training/data"), help="folder of the file"
    )
    path = parser.parse_args().out / "digits.h5"
    pixels, labels = load_digits(return_X_y=True)
    write_events(
        path,
        (digit_events(digit, pixels, labels) for digit in range(10)),
        {"label": LABEL, "citation": CITATION, "licence": LICENCE},
    )
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB, content sha256 {file_content_hash(path)}")


def digit_events(digit: int, pixels: np.ndarray, labels: np.ndarray) -> Events:
    """The images of one digit; an image's id is its row in the original set. The digit itself is
    in the context, where objectives that know classes find it (`objective.labels: digit`).

    pixels : (N, 64), gray levels 0 to 16; labels : (N,), 0 to 9
    """
    rows = np.flatnonzero(labels == digit)
    return Events(
        process=f"digit_{digit}",
        role="background",
        columns=COLUMNS,
        values=pixels[rows].astype(np.float32),
        weights=np.ones(len(rows)),
        event_ids=rows.astype(np.uint64),
        attributes={
            "description": f"handwritten {digit}s, 8 x 8 pixels, real data",
            "licence": LICENCE,
            "citation": CITATION,
        },
        context_columns=("digit",),
        context=np.full((len(rows), 1), digit, dtype=np.float32),
        units=(HARDWARE_UNIT,) * len(COLUMNS),
    )


if __name__ == "__main__":
    main()
