"""Repad Prompt on the tokenizers of a ComfyUI checkout; the library on PyPI has not their files."""

from pathlib import Path

import comfy.sd1_clip
import comfy.sdxl_clip
import comfy.text_encoders.sd2_clip
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.nodes.perturb_prompt import words_of

VOCABULARY = Path(comfy.sd1_clip.__file__).parent / "sd1_tokenizer" / "vocab.json"
pytestmark = pytest.mark.skipif(not VOCABULARY.exists(), reason="needs a ComfyUI checkout (make test-server)")

START, END, EXCLAMATION = 49406, 49407, 0
KINDS = {
    "SD1.x": (lambda: comfy.sd1_clip.SD1Tokenizer(), {"l": END}),
    "SD2.x": (lambda: comfy.text_encoders.sd2_clip.SD2Tokenizer(), {"h": 0}),
    "SDXL": (lambda: comfy.sdxl_clip.SDXLTokenizer(), {"g": 0, "l": END}),
}


class CLIP:
    """The host's tokenizer; its embedding shows the tokens themselves, a column for each part."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def tokenize(self, text):
        return self.tokenizer.tokenize_with_weights(text)

    def encode_from_tokens_scheduled(self, tokens):
        columns = [torch.tensor([entry[0] + 1.0 for block in blocks for entry in block]) for blocks in tokens.values()]
        return [[torch.stack(columns, dim=-1)[None], {}]]


def encoded(kind, text, mode):
    (positive, _), (empty, _) = (
        out[0] for out in NODES["RepadPrompt"]().encode(CLIP(KINDS[kind][0]()), text, mode, 0.7)
    )
    return positive[0] - 1, empty[0] - 1


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_padding_changes(kind):
    off, repadded = encoded(kind, "a (red:1.3) circle", "off")[0], encoded(kind, "a (red:1.3) circle", "repad")[0]
    assert torch.equal(off[:5], repadded[:5]) and (off[4] == END).all() and len(off) == 77
    assert (repadded[5:] == EXCLAMATION).all()
    assert off[5:].unique(dim=0).flatten().tolist() == [float(pad) for pad in KINDS[kind][1].values()]
    no_end = encoded(kind, "a (red:1.3) circle", "repad, end token off")[0]
    assert (no_end[4] == -1).all() and torch.equal(no_end[5:], repadded[5:]) and torch.equal(no_end[:4], off[:4])


@pytest.mark.parametrize("kind", KINDS)
def test_every_block_of_a_long_prompt_and_the_empty_one(kind):
    positive, empty = encoded(kind, "circle " * 80, "repad, end token off")
    assert len(positive) == 154
    assert (positive[76] == -1).all() and (positive[77] == START).all() and (positive[83] == -1).all()
    assert (positive[84:] == EXCLAMATION).all()
    assert (empty[1] == END).all() and (empty[2:] == EXCLAMATION).all()


@pytest.mark.parametrize("kind", KINDS)
def test_its_words_are_words(kind):
    words = words_of(CLIP(KINDS[kind][0]()))
    assert len(words) > 20000 and {"circle", "red"} <= set(words) and all(word.isalpha() for word in words)
