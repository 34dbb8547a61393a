import re

import torch

from ..samplers.perturbed_prompt import KINDS, perturbed_embedding, perturbed_prompt
from .checks import check_conditioning, check_number

SEED = {"default": 0, "min": 0, "max": 0xFFFFFFFFFFFFFFFF, "control_after_generate": True}
WORD = re.compile(r"([a-z]{2,})</w>|\u2581([A-Za-z]{2,})")  # as CLIP's and T5's vocabularies write whole words


class PerturbPrompt:
    @classmethod
    def INPUT_TYPES(cls):
        kind = (
            "What is inserted. random word: of the vocabulary of the text encoder at clip. random number: 0 to 99999. "
            "repeat word: one of the prompt's own."
        )
        times = "How many words. The paper's code used 2 and 4, later work 1 to 8. 0 leaves the text as it is."
        clip = "The text encoder whose words are inserted. Needed for random word only."
        text = {"multiline": True, "dynamicPrompts": True, "tooltip": "The prompt."}
        return {
            "required": {
                "text": ("STRING", text),
                "kind": (list(KINDS), {"tooltip": kind}),
                "times": ("INT", {"default": 4, "min": 0, "max": 32, "tooltip": times}),
                "seed": ("INT", {**SEED, "tooltip": "The random seed of the words and of their places."}),
            },
            "optional": {"clip": ("CLIP", {"tooltip": clip})},
        }

    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("text",)
    OUTPUT_TOOLTIPS = ("The perturbed prompt, for the text input of CLIP Text Encode.",)
    FUNCTION = "perturb"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Inserts words at random into a prompt, so that it is no longer the caption of a training image (Somepalli et "
        "al.). No further model call. The oldest remedy, and a weak one: it changes what is asked for."
    )
    SEARCH_ALIASES = ["random word", "random token", "prompt perturbation", "prompt augmentation", "repeat word"]

    def perturb(self, text, kind, times, seed, clip=None):
        vocabulary = [] if clip is None else words_of(clip)
        if clip is not None and not vocabulary:
            raise ValueError("clip has no vocabulary of words to choose from: leave it out, or connect another one.")
        return (perturbed_prompt(text, kind, times, seed, vocabulary),)


class PerturbConditioning:
    @classmethod
    def INPUT_TYPES(cls):
        strength = "How much noise on every number of the embedding. 0.1 in the paper. 0 leaves it as it is."
        number = {"default": 0.1, "min": 0.0, "max": 10.0, "step": 0.01}
        return {
            "required": {
                "conditioning": ("CONDITIONING", {"tooltip": "The encoded prompt."}),
                "strength": ("FLOAT", {**number, "tooltip": strength}),
                "seed": ("INT", {**SEED, "tooltip": "The random seed of the noise. It is the same for a whole batch."}),
            }
        }

    RETURN_TYPES = ("CONDITIONING",)
    RETURN_NAMES = ("conditioning",)
    OUTPUT_TOOLTIPS = ("The prompt with its noise, for a sampler node.",)
    FUNCTION = "perturb"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Puts Gaussian noise on an encoded prompt (Somepalli et al.). No further model call. The paper's code perturbs "
        "the empty prompt as well: take a second one for the negative prompt to do as it does."
    )
    SEARCH_ALIASES = ["gaussian noise", "embedding noise", "noisy conditioning", "prompt perturbation"]

    def perturb(self, conditioning, strength, seed):
        check_conditioning(conditioning=conditioning)
        check_number("strength", strength, 0.0, 10.0)
        if strength == 0:
            return (conditioning,)
        generator = torch.Generator().manual_seed(seed)
        return ([[perturbed_embedding(cond, strength, generator), dict(extra)] for cond, extra in conditioning],)


def words_of(clip) -> list[str]:
    """The whole words, letters alone, of the first tokenizer of a text encoder, in the order of its vocabulary."""
    tokenizers = vars(clip.tokenizer).values() if hasattr(clip, "tokenizer") else ()
    vocabularies = (part.inv_vocab for part in tokenizers if hasattr(part, "inv_vocab"))
    vocabulary = next(vocabularies, {})
    found = (WORD.fullmatch(vocabulary[index]) for index in sorted(vocabulary))
    return [match[1] or match[2] for match in found if match]


NODES = {
    "PerturbPrompt": ("Perturb Prompt", PerturbPrompt),
    "PerturbConditioning": ("Perturb Conditioning", PerturbConditioning),
}
