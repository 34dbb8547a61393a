"""The words of tokens, from tokens as ComfyUI's text encoders give them."""

from types import SimpleNamespace

import pytest
import torch
from basin_escape.samplers.host.tokens import token_words

BEGIN, END, PAD = 8, 9, 0
VOCABULARY = {0: "!</w>", 1: "red</w>", 2: "cir", 3: "cle</w>", 4: "\u2581red", 5: "</s>", 8: "<|start|>", 9: "<|end|>"}


class Encoder:
    """Says these blocks for every text but the empty one."""

    def __init__(self, empty, **parts):
        self.parts, self.empty = parts, {name: [[(token, 1.0) for token in empty]] for name in parts}
        known = SimpleNamespace(inv_vocab=VOCABULARY)
        self.tokenizer = SimpleNamespace(**{f"clip_{name}" if len(name) == 1 else name: known for name in parts})

    def tokenize(self, text):
        said = {name: [[(token, 1.0) for token in block] for block in blocks] for name, blocks in self.parts.items()}
        return said if text else self.empty


def test_begin_end_and_padding_have_no_words_and_pieces_have_their_own():
    clip = Encoder([BEGIN, END, PAD], l=[[BEGIN, 1, 2, 3, 0, END, PAD, PAD]])
    assert token_words(clip, "red circle!", 8) == ["", "red", "cir", "cle", "!", "", "", ""]


def test_blocks_stand_one_behind_the_other():
    clip = Encoder([BEGIN, END], l=[[BEGIN, 1, 1, END], [BEGIN, 1, END, END]])
    assert token_words(clip, "red red red", 8) == ["", "red", "red", "", "", "red", "", ""]


def test_an_encoder_without_a_begin_token():
    clip = Encoder([5, PAD], t5xxl=[[4, 4, 5, PAD]])
    assert token_words(clip, "red red", 4) == ["red", "red", "", ""]
    assert token_words(Encoder([5, PAD], t5xxl=[[5, PAD, PAD]]), "-", 3) == ["", "", ""]


def test_of_two_parts_the_one_with_as_many_tokens_as_the_embedding():
    clip = Encoder([5, PAD], l=[[1, 5]], t5xxl=[[4, 4, 5, PAD]])
    assert token_words(clip, "red red", 4) == ["red", "red", "", ""]


def test_learned_embeddings_and_tokens_without_a_text():
    clip = Encoder([BEGIN, END], l=[[BEGIN, torch.zeros(3), 7, END]])
    assert token_words(clip, "embedding:x", 4) == ["", "(embedding)", "?", ""]


def test_words_themselves():
    words = SimpleNamespace(tokenize=str.split)
    assert token_words(words, "red circle", 2) == ["red", "circle"] and token_words(words, "", 1) == [""]


def test_an_embedding_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"5 places; tokens: 4"):
        token_words(Encoder([BEGIN, END], l=[[BEGIN, 1, END, END]]), "red", 5)
