"""Prompts and embeddings perturbed at random."""

import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.nodes.perturb_prompt import words_of
from basin_escape.samplers.perturbed_prompt import KINDS, LARGEST, perturbed_embedding, perturbed_prompt
from basin_escape.testbed.captions import WORDS
from hypothesis import given
from hypothesis import strategies as st

VOCABULARY = ["alpha", "beta", "gamma"]
PROMPT = "a red  circle\nin space"


def without(words, inserted):
    rest = list(words)
    for word in inserted:
        rest.remove(word)
    return rest


@given(st.sampled_from(KINDS), st.integers(1, 8), st.integers(0, 2**64 - 1))
def test_so_many_words_are_inserted_and_the_others_keep_their_order(kind, times, seed):
    words = perturbed_prompt(PROMPT, kind, times, seed, VOCABULARY).split(" ")
    original = PROMPT.split()
    assert len(words) == len(original) + times
    remaining = iter(words)
    assert all(word in remaining for word in original)  # a subsequence
    added = without(words, original)
    allowed = {"random word": VOCABULARY, "repeat word": original}.get(kind, map(str, range(LARGEST + 1)))
    assert set(added) <= set(allowed)
    assert perturbed_prompt(PROMPT, kind, times, seed, VOCABULARY).split(" ") == words


def test_every_word_and_every_place_comes_up():
    made = {perturbed_prompt("a b", "random word", 1, seed, VOCABULARY) for seed in range(200)}
    places = ("{} a b", "a {} b", "a b {}")
    assert made == {place.format(word) for place in places for word in VOCABULARY}
    numbers = [int(perturbed_prompt("", "random number", 1, seed)) for seed in range(400)]
    assert min(numbers) >= 0 and max(numbers) <= LARGEST and len(set(numbers)) > 380


def test_none_leaves_the_text_alone():
    assert perturbed_prompt(PROMPT, "repeat word", 0, 3) == PROMPT


@pytest.mark.parametrize("prompt, kind, message", [("", "repeat word", "text is empty"), ("a", "random word", "clip")])
def test_what_is_missing_is_said(prompt, kind, message):
    with pytest.raises(ValueError, match=message):
        perturbed_prompt(prompt, kind, 1, 0)


class Tokenizer:
    def __init__(self, *words):
        self.inv_vocab = dict(enumerate(words))


class CLIP:
    def __init__(self, **parts):
        self.tokenizer = type("Tokenizers", (), {})()
        vars(self.tokenizer).update(clip_name="l", **parts)


def test_the_words_are_whole_ones_of_the_encoders_vocabulary():
    clip = CLIP(clip_l=Tokenizer("!", "circ", "cat</w>", "9</w>", "a</w>", "tree</w>", "<|endoftext|>"))
    assert words_of(clip) == ["cat", "tree"]
    assert words_of(CLIP(t5=Tokenizer("\u2581Cat", "s", "\u2581"))) == ["Cat"]
    assert words_of(object()) == words_of(CLIP()) == []
    for variant in ("eps", "learned"):
        assert words_of(NODES["LoadMemorizationTestbed"]().load(variant)[1]) == list(WORDS)


def test_the_node_takes_words_of_its_clip():
    node, clip = NODES["PerturbPrompt"](), CLIP(clip_l=Tokenizer("cat</w>"))
    assert sorted(node.perturb("x y", "random word", 2, 0, clip)[0].split()) == ["cat", "cat", "x", "y"]
    with pytest.raises(ValueError, match="no vocabulary"):
        node.perturb("x y", "random word", 2, 0, object())


@given(st.floats(0.01, 3), st.integers(0, 1000))
def test_noise_on_an_embedding_is_written_out(strength, seed):
    cond = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(1))
    made = perturbed_embedding(cond, strength, torch.Generator().manual_seed(seed))
    n = torch.randn(1, 5, 3, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(made, cond + strength * n)


def test_the_node_leaves_what_it_was_handed_and_is_off_at_0():
    node, cond = NODES["PerturbConditioning"](), torch.ones(1, 2, 3, dtype=torch.float16)
    handed = [[cond, {"pooled_output": torch.zeros(1, 3)}], [cond, {}]]
    (made,) = node.perturb(handed, 0.1, 7)
    assert node.perturb(handed, 0.0, 7)[0] is handed and torch.equal(cond, torch.ones_like(cond))
    assert [entry[0].dtype for entry in made] == [torch.float16] * 2 and not torch.equal(made[0][0], made[1][0])
    assert torch.equal(node.perturb(handed, 0.1, 7)[0][0][0], made[0][0])
    assert made[0][1]["pooled_output"] is handed[0][1]["pooled_output"]
    for wrong, message in (([], "conditioning"), (handed, "strength")):
        with pytest.raises(ValueError, match=message):
            node.perturb(wrong, 0.1 if not wrong else float("nan"), 7)
