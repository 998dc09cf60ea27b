"""The shipped input specs of jets are the ones that their source lines say."""

from naetrigger.contracts.events import SPLITS, read_events, split_of
from naetrigger.firmware_configs.derive_spec import derive_input_spec
from naetrigger.firmware_configs.input_spec import columns_of, load_input_spec
from naetrigger.training.data.readers import source_path
from naetrigger.training.data.settings import DataSettings


def test_jets8_is_what_the_shipped_background_gives() -> None:
    shipped = load_input_spec("jets8")
    settings = DataSettings()
    (background,) = read_events(source_path(settings), ["ttbar"])
    split = split_of(background.event_ids, settings.split.fractions)
    derived = derive_input_spec(
        "jets8",
        shipped.columns,
        background.select(split == SPLITS.index("train")).values,
        offline={feature.name: feature.offline for feature in shipped.features},
        units={feature.name: feature.unit for feature in shipped.features},
    )
    assert derived.features == shipped.features
    assert derived.type == shipped.type


def test_jets9_is_jets8_and_the_logarithm_of_pt() -> None:
    shipped = load_input_spec("jets9")
    assert shipped.features[:-1] == load_input_spec("jets8").features
    settings = DataSettings()
    (background,) = read_events(source_path(settings), ["ttbar"])
    split = split_of(background.event_ids, settings.split.fractions)
    train = background.select(split == SPLITS.index("train"))
    inputs = shipped.inputs(columns_of(train, shipped.columns))
    assert abs(inputs[:, -1].mean()) < 2**-6
    assert 0.5 < inputs[:, -1].std() < 1.25
