"""Prompts and embeddings perturbed at random (Somepalli et al., Understanding and Mitigating Copying in Diffusion
Models, NeurIPS 2023).

    repeat k times: insert a word at a random place among the words of the prompt
        random word     of the text encoder's vocabulary
        random number   0 to 99999
        repeat word     one of the original prompt's
    Gaussian noise: embedding + lambda n, n ~ N(0, 1); lambda = 0.1

Deviations from the released code: one seed for words and places, which come from two generators there; random words are
whole words of letters, where that decodes any of 49400 tokens, pieces of words and symbols among them; and its noise
goes on the empty prompt as well, for which a second node is taken here.
"""

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

RANDOM_WORD, RANDOM_NUMBER, REPEAT_WORD = "random word", "random number", "repeat word"
KINDS = (RANDOM_WORD, RANDOM_NUMBER, REPEAT_WORD)
LARGEST = 99_999


def perturbed_prompt(prompt: str, kind: str, times: int, seed: int, vocabulary: Sequence[str] = ()) -> str:
    """The prompt with `times` words more, spaces between its words; the prompt itself for none.

    Raises ValueError for a random word without a vocabulary, and for a repeated word of no prompt.
    """
    original = prompt.split()
    if times == 0:
        return prompt
    if kind == REPEAT_WORD and not original:
        raise ValueError(
            "text is empty, so that no word of it can be repeated: write a prompt, or choose another kind."
        )
    if kind == RANDOM_WORD and not vocabulary:
        raise ValueError("clip is needed for a random word of its vocabulary: connect it, or choose another kind.")
    random, words = Random(seed), list(original)
    for _ in range(times):
        if kind == RANDOM_NUMBER:
            word = str(random.randint(0, LARGEST))
        else:
            word = random.choice(original if kind == REPEAT_WORD else vocabulary)
        words.insert(random.randint(0, len(words)), word)
    return " ".join(words)


def perturbed_embedding(cond: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """cond [1, tokens, dim] + lambda n; drawn on the CPU, in float32."""
    noise = torch.randn(cond.shape, generator=generator)
    return (cond.float() + strength * noise.to(cond.device)).to(cond.dtype)
