"""The bars of a prompt's words."""

import pytest
from basin_escape.plots.picture import THEMES, picture
from basin_escape.plots.token_bars import CROWDED, draw_tokens
from matplotlib.colors import to_hex

WORDS, VALUES = ["aurora", "red", "cir$cle"], [0.3, 0.1, 0.2]


def test_a_bar_for_each_word_in_order_and_the_highest_in_colour():
    figure = draw_tokens(WORDS, VALUES, "gradient norm", "four starts")
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == VALUES
    assert [label.get_text() for label in axes.get_xticklabels()] == WORDS
    colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    assert colours == [THEMES["light"]["shade"], THEMES["light"]["ink"], THEMES["light"]["ink"]]
    assert axes.get_ylabel() == "gradient norm" and axes.get_title() == "four starts"


@pytest.mark.parametrize("number", [1, CROWDED, 75])
def test_many_words_make_a_wide_picture_and_no_mathematics(number):
    words = ["$x_1$", "$"] * number
    image = picture(draw_tokens(words, [1.0] * len(words), "norm", "title"))
    assert image.shape == (1, 384, max(512, 32 * (len(words) + 2)), 3)
