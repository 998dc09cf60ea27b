"""Derives the shipped input specs of trigger objects, regions and images from samples.

    python benchmarks/derive_input_specs.py                    # from the shipped samples
    python benchmarks/derive_input_specs.py --objects mine.h5  # this one alone

Writes l1-57, l1-57-pt, regions-252, regions-63, images-1600 and images-100 into
firmware_configs/inputs. The samples hold hardware integers or physical values; what is used is the
training split of the background.

l1-57-pt is l1-57 in other units: every pt in those of its own spread over all events, missing
objects included, so that a muon that zero bias hardly knows counts for much; eta and phi, which
zero bias spreads evenly and nothing predicts, as small numbers that a squared error hardly sees.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np

from naetrigger.contracts.events import SPLITS, Events, read_events, split_of
from naetrigger.contracts.trigger_objects import COLUMNS
from naetrigger.firmware_configs.derive_spec import derive_input_spec
from naetrigger.firmware_configs.digitise import digitise
from naetrigger.firmware_configs.input_spec import InputSpec
from naetrigger.firmware_configs.offline_steps import BlockSum, Step, grid_columns
from naetrigger.firmware_configs.trigger_scales import trigger_scales
from naetrigger.training.data.settings import Split

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "training" / "data"
INPUTS = ROOT / "firmware_configs" / "inputs"
DIRECTION_SHIFTS = {"eta": 9, "phi": 10}  # these and MUON_LEAST chosen on lq_btau alone
MUON_SHIFT = 2  # of directions: a muon has 4 steps to one of a calorimeter
MUON_LEAST = 2  # a missing muon has no spread: 4 LSBs = 2 GeV are the least unit of its pt
PT_FIRST_TYPE = "fixed<12,5,RND_CONV,SAT>"  # +-16 spreads in steps of 1/128
SUMS = BlockSum(prefix="pix", shape=(40, 40), block=(4, 4), bits=13)  # all pixels together: 4096
QUARTETS = BlockSum(prefix="reg", shape=(18, 14), block=(2, 2), bits=12)  # four times 1023


def main() -> None:
    options = arguments()
    given = {
        name: path
        for name in ("objects", "regions", "images")
        if (path := getattr(options, name)) is not None
    }
    if not given:
        given = {
            "objects": SAMPLES / "l1-objects.h5",
            "regions": SAMPLES / "calo-regions.h5",
            "images": SAMPLES / "jet-images.h5",
        }
    for kind, path in given.items():
        for name, description, columns, steps in SPECS[kind]:
            spec = derived(name, description, columns, steps, path)
            write(spec, options.out)
            if kind == "objects":
                write(with_pt_first(spec, path), options.out)


SPECS: dict[str, list[tuple[str, str, tuple[str, ...], tuple[Step, ...]]]] = {
    "objects": [
        (
            "l1-57",
            "57 trigger-object inputs: MET, 4 e/gamma, 4 muons, 10 jets; pt, eta, phi",
            COLUMNS,
            (),
        )
    ],
    "regions": [
        (
            "regions-252",
            "252 calorimeter regions, 18 in phi by 14 in eta",
            grid_columns("reg", (18, 14)),
            (),
        ),
        (
            "regions-63",
            "63 sums of 2 x 2 calorimeter regions, 9 in phi by 7 in eta",
            grid_columns("reg", (18, 14)),
            (QUARTETS,),
        ),
    ],
    "images": [
        (
            "images-1600",
            "40 x 40 pixels of a jet image, as fractions of the jet's pT",
            grid_columns("pix", (40, 40)),
            (),
        ),
        (
            "images-100",
            "10 x 10 sums of 4 x 4 pixels of a jet image, as fractions of the jet's pT",
            grid_columns("pix", (40, 40)),
            (SUMS,),
        ),
    ],
}


def derived(
    name: str, description: str, columns: tuple[str, ...], steps: tuple[Step, ...], path: Path
) -> InputSpec:
    """The spec from the training split of the file's background."""
    (background,) = (events for events in read_events(path) if events.role == "background")
    train = training_part(background)
    scales = trigger_scales(columns)
    return derive_input_spec(
        name,
        columns,
        digitise(train, scales).events.values[:, [train.columns.index(c) for c in columns]],
        weights=train.weights,
        scales=scales,
        steps=steps,
        constant="keep",
        description=description,
        source=f"{len(train)} events of {train.process} in {path.name}: the training split",
    )


def with_pt_first(spec: InputSpec, path: Path) -> InputSpec:
    """Every pt in units of its column's spread, eta and phi small; rounds and saturates."""
    (background,) = (events for events in read_events(path) if events.role == "background")
    train = training_part(background)
    words = digitise(train, spec.scales).events
    features = []
    for feature in spec.features:
        thing, _, quantity = feature.name.rpartition("_")
        shift = DIRECTION_SHIFTS.get(quantity, 0) + MUON_SHIFT * thing.startswith("mu")
        if quantity == "pt":
            x = words.column(feature.name).astype(np.float64)
            variance = (
                np.average(x**2, weights=train.weights) - np.average(x, weights=train.weights) ** 2
            )
            least = 2.0 ** (MUON_LEAST * thing.startswith("mu"))
            shift = math.ceil(math.log2(max(math.sqrt(variance), least)))
        features.append(feature.model_copy(update={"shift": shift, "exact": False}))
    return spec.model_copy(
        update={
            "name": "l1-57-pt",
            "description": spec.description + "; pt decides, not exact",
            "type": PT_FIRST_TYPE,
            "features": tuple(features),
        }
    )


def write(spec: InputSpec, folder: Path) -> None:
    text = f"# Made by benchmarks/derive_input_specs.py.\n{spec.to_yaml()}"
    (folder / f"{spec.name}.yaml").write_text(text, encoding="utf-8")
    print(f"{spec.name}: {spec.type}, {spec.source}")


def training_part(events: Events) -> Events:
    """The training split with its default fractions."""
    split = split_of(events.event_ids, Split().fractions)
    return events.select(split == SPLITS.index("train"))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for kind in ("objects", "regions", "images"):
        parser.add_argument(f"--{kind}", type=Path, help=f"events with {kind}, one background")
    parser.add_argument("--out", type=Path, default=INPUTS, help="folder of the specs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
