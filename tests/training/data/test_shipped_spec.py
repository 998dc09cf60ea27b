"""The shipped input spec is the one its own source line says."""

from naetrigger.contracts.events import SPLITS, read_events, split_of
from naetrigger.firmware_configs.derive_spec import derive_input_spec
from naetrigger.firmware_configs.input_spec import load_input_spec
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
