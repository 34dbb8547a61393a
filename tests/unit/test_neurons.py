"""Lists of neurons, read and applied."""

import pytest
import torch
from basin_escape.samplers.neurons import check, parse, silence
from hypothesis import given
from hypothesis import strategies as st


@given(st.dictionaries(st.integers(0, 20), st.lists(st.integers(0, 999), min_size=1), max_size=5))
def test_lines_say_which_channels_of_which_layer(neurons):
    text = "\n\n".join(f" {layer} : {', '.join(map(str, channels))} " for layer, channels in neurons.items())
    assert parse(text) == neurons


def test_a_list_for_each_layer_is_understood_as_the_released_code_writes_it():
    assert parse("[[3, 1], [], [7]]") == {0: [3, 1], 2: [7]}
    assert parse("2: 1\n2: 5") == {2: [1, 5]} and parse(" \n") == {}


@pytest.mark.parametrize("text", ["3", "3: ", "3: a", "down: 3", "3: 1.5", "3: 1, "])
def test_a_line_of_another_form_is_named(text):
    with pytest.raises(ValueError, match=f'neurons has the line "{text.strip()}"'):
        parse(text)


@pytest.mark.parametrize("text", ["[1, 2]", "[[1.5]]", "[[true]]", "[[1]", "[{}]"])
def test_a_list_of_another_form_is_refused(text):
    with pytest.raises(ValueError, match="no list of lists of numbers"):
        parse(text)


def test_what_the_model_does_not_have_is_named():
    check({0: [0, 7], 1: []}, [8, 4])
    with pytest.raises(ValueError, match="layer 2, but the model has the layers 0 to 1"):
        check({2: [0]}, [8, 4])
    with pytest.raises(ValueError, match="layer -1"):
        check({-1: [0]}, [8, 4])
    with pytest.raises(ValueError, match=r"channel 4 of layer 1, which has the channels 0 to 3"):
        check({0: [7], 1: [1, 4]}, [8, 4])


def test_silent_channels_are_zero_for_every_row_and_token():
    v = torch.randn(3, 5, 6)
    kept = v.clone()
    found = silence(v, [1, 4])
    for channel in range(6):
        assert torch.equal(found[:, :, channel], torch.zeros(3, 5) if channel in (1, 4) else v[:, :, channel])
    assert torch.equal(v, kept)
