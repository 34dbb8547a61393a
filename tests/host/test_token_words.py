"""The words of tokens, of the tokenizers of a ComfyUI checkout; the library on PyPI has not their files."""

import pytest
from basin_escape.samplers.host.tokens import token_words

from .test_repadded_prompt import CLIP, KINDS, pytestmark  # noqa: F401


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_stands_in_its_place_and_begin_end_and_padding_have_none(kind):
    words = token_words(CLIP(KINDS[kind][0]()), "a (red:1.3) circle!", 77)
    assert words == ["", "a", "red", "circle", "!", *[""] * 72]


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_prompt_has_blocks(kind):
    words = token_words(CLIP(KINDS[kind][0]()), "circle " * 80, 154)
    assert words[0] == words[76] == words[77] == "" and words[1:76] == ["circle"] * 75
    assert words[78:83] == ["circle"] * 5 and not any(words[83:])


@pytest.mark.parametrize("kind", KINDS)
def test_an_embedding_with_other_places_is_refused(kind):
    with pytest.raises(ValueError, match=r"clip has not one place.*99 places; tokens: 77"):
        token_words(CLIP(KINDS[kind][0]()), "circle", 99)
