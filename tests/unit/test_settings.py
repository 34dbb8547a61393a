import math

import pytest
from basin_escape.samplers.settings import Settings


def test_the_defaults_are_the_papers_rule_with_a_deadline():
    settings = Settings()
    assert (settings.transition, settings.before_transition) == ("dynamic", "zero guidance")
    assert (settings.opposite_scale, settings.static_percent, settings.latest_percent) == (2.0, 0.5, 0.6)
    assert settings.memorization_threshold == 0.0


@pytest.mark.parametrize(
    ("widget", "value"),
    [
        ("transition", "late"),
        ("before_transition", "no guidance"),
        ("opposite_scale", math.nan),
        ("opposite_scale", -1.0),
        ("opposite_scale", 31.0),
        ("static_percent", 1.5),
        ("static_percent", math.inf),
        ("latest_percent", -0.1),
        ("memorization_threshold", math.nan),
        ("memorization_threshold", 2.0),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_its_widget(widget, value):
    with pytest.raises(ValueError, match=f"^{widget} is .*{value}.*: (set it|choose)"):
        Settings(**{widget: value})


@pytest.mark.parametrize("transition", ["dynamic", "escape"])
def test_a_deadline_at_the_start_contradicts_a_transition_by_image(transition):
    with pytest.raises(ValueError, match=f"latest_percent is 0 while transition is {transition}"):
        Settings(transition, latest_percent=0.0)
    Settings("static", latest_percent=0.0)
    Settings("off", latest_percent=0.0)
