"""Other padding behind a prompt."""

import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.nodes.repad_prompt import PADS
from basin_escape.samplers.repadded_prompt import MODES, first_end, repad, silent, without
from basin_escape.testbed.prompt_encoder import END, LENGTH, token_ids

START, ENDING, LONG = 49406, 49407, 77


class CLIP:
    """A text encoder of ComfyUI's kind: an embedding is the running sum of what came before, as under causal attention.

    pads: by the name of each part, what it pads with
    """

    def __init__(self, **pads):
        self.pads = pads

    def tokenize(self, text):
        words = [(hash_of(word), 1.0) for word in text.split()]
        parts = {}
        for name, pad in self.pads.items():
            rows = [words[i : i + LONG - 2] for i in range(0, max(len(words), 1), LONG - 2)]
            blocks = [[(START, 1.0), *row, (ENDING, 1.0)] for row in rows]
            parts[name] = [block + [(pad, 1.0)] * (LONG - len(block)) for block in blocks]
        return parts

    def encode_from_tokens_scheduled(self, tokens):
        parts = []
        for blocks in tokens.values():
            ids = torch.tensor([[token for token, _ in block] for block in blocks], dtype=torch.float64)
            parts.append((ids + 1).cumsum(1).flatten()[None, :, None].expand(1, -1, 3))
        return [[torch.cat(parts, dim=-1), {"pooled_output": torch.ones(1, 3)}]]


def hash_of(word):
    return 1000 + sum(map(ord, word))


def encode(clip, text, mode, share=0.7):
    return NODES["RepadPrompt"]().encode(clip, text, mode, share)


def plain(clip, text):
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))[0][0]


def summed(tokens):
    return torch.tensor(tokens, dtype=torch.float64).add(1).cumsum(0)


@pytest.mark.parametrize("clip", [CLIP(l=ENDING), CLIP(l=ENDING, g=0), CLIP(h=0)])
@pytest.mark.parametrize("text", ["", "a red circle", "word " * 75, "word " * 100])
def test_repadding_written_out(clip, text):
    (cond, extra), *none = encode(clip, text, "repad")[0]
    words = [hash_of(word) for word in text.split()]
    rows = [words[i : i + 75] for i in range(0, max(len(words), 1), 75)]
    expected = torch.cat([summed([START, *row, ENDING] + [0] * (75 - len(row))) for row in rows])
    assert torch.equal(cond, expected[None, :, None].expand_as(cond)) and not none
    assert torch.equal(extra["pooled_output"], torch.ones(1, 3))
    end_off = encode(clip, text, "repad, end token off")[0][0][0]
    ends = [77 * block + len(row) + 1 for block, row in enumerate(rows)]
    kept = [place for place in range(cond.shape[1]) if place not in ends]
    assert not end_off[:, ends].any() and torch.equal(end_off[:, kept], cond[:, kept])


@pytest.mark.parametrize("share, masked", [(0.0, 0), (0.4, 28), (0.7, 50), (1.0, 72)])
def test_masking_takes_the_pads_next_to_the_end_token(share, masked):
    clip = CLIP(l=ENDING)
    cond = encode(clip, "a red circle", "mask pads", share)[0][0][0]
    expected = plain(clip, "a red circle").clone()
    expected[:, 5 : 5 + masked] = 0
    assert torch.equal(cond, expected)


@pytest.mark.parametrize("mode", MODES)
def test_the_empty_prompt_is_padded_alike_and_keeps_its_end_token(mode):
    clip = CLIP(l=ENDING)
    empty = encode(clip, "a red circle", mode)[1][0][0]
    repadded = summed([START, ENDING] + [0] * 75)[None, :, None].expand(1, 77, 3)
    assert torch.equal(empty, repadded if mode.startswith("repad") else plain(clip, ""))


@pytest.mark.parametrize("clip", [CLIP(l=ENDING), CLIP(t5xxl=0)])
def test_off_is_the_ordinary_encoding_of_any_encoder(clip):
    assert torch.equal(encode(clip, "a red circle", "off")[0][0][0], plain(clip, "a red circle"))


def test_an_embedding_in_the_prompt_is_no_end_token():
    block = [(START, 1.0), (torch.full((3,), float(ENDING)), 1.2), (5, 1.1, 2), (ENDING, 1.0, 0), (ENDING, 0.5, 0)]
    assert first_end(block, ENDING) == 3 and first_end(block[:2], ENDING) == 2
    assert repad(block, ENDING, 0)[-1] == (0, 1.0, 0) and repad(block, ENDING, 0)[:4] == block[:4]


def test_what_is_zero_and_what_is_handed_in():
    cond = torch.ones(1, 4, 2)
    made = without(cond, torch.tensor([False, True, False, False]))
    assert made[0, :, 0].tolist() == [1, 0, 1, 1] and cond.all()
    assert not silent([[(1, 1.0), (2, 1.0)]], 2, "repad", 0.7).any()


@pytest.mark.parametrize("clip, named", [(CLIP(t5xxl=0), "t5xxl"), (CLIP(l=ENDING, t5xxl=0), "t5xxl")])
def test_other_encoders_are_refused_by_name(clip, named):
    with pytest.raises(ValueError, match=named):
        encode(clip, "a red circle", "repad")


def test_two_encoders_that_count_differently_are_refused():
    class Uneven(CLIP):
        def tokenize(self, text):
            parts = super().tokenize(text)
            return {**parts, "g": super().tokenize(text + " more")["g"]} if text else parts

    with pytest.raises(ValueError, match="different length"):
        encode(Uneven(l=ENDING, g=0), "a red circle", "repad, end token off")


def test_on_the_testbeds():
    clip = NODES["LoadMemorizationTestbed"]().load("learned")[1]
    text, ids = "aurora red circle", token_ids(["aurora", "red", "circle"])
    ordinary = plain(clip, text)
    assert torch.equal(clip.embed(ids), ordinary)
    repadded = torch.where(torch.arange(LENGTH) > 4, PADS["words"], ids)
    assert repadded[0, 4] == END
    assert torch.equal(encode(clip, text, "repad")[0][0][0], clip.embed(repadded))
    assert torch.equal(encode(clip, text, "off")[0][0][0], ordinary)
    with pytest.raises(ValueError, match="words of their own"):
        encode(NODES["LoadMemorizationTestbed"]().load("eps")[1], text, "repad")
