import math

import torch

from ..samplers.adversarial_embedding import adversarial_embedding
from ..samplers.host.embedding import picture_errors, with_embedding
from .checks import check_conditioning, check_number
from .embedding_report import Costs, Progress
from .found_noise import LEARNING_RATE
from .node_text import show_text
from .widgets import SEED


class ProbeMemorization:
    @classmethod
    def INPUT_TYPES(cls):
        model = (
            "The model to be probed, with the nodes that change the model itself (Silence Neurons, Mitigate "
            "Cross-Attention). A Basin Escape patch on it is set aside: guidance has no part in this."
        )
        positive = "The prompt to begin with: the caption, another prompt, or what a mitigation made of it."
        picture = "The training picture that may have been memorized, by VAE Encode. One only."
        steps = (
            "How many steps. 50 in the paper, where pictures that were not memorized took more than 500 to come back: "
            "more than 50 prove less."
        )
        draws = "How many noises and timesteps each step looks at. 8 in the paper."
        rate = "Adam's learning rate: how far each number of the embedding moves in one step. 0.1 in the paper."
        return {
            "required": {
                "model": ("MODEL", {"tooltip": model}),
                "positive": ("CONDITIONING", {"tooltip": positive}),
                "picture": ("LATENT", {"tooltip": picture}),
                **SEED,
                "steps": ("INT", {"default": 50, "min": 1, "max": 1000, "tooltip": steps}),
                "draws": ("INT", {"default": 8, "min": 1, "max": 64, "tooltip": draws}),
                "learning_rate": ("FLOAT", {"default": 0.1, **LEARNING_RATE, "tooltip": rate}),
            }
        }

    RETURN_TYPES = ("CONDITIONING", "STRING")
    RETURN_NAMES = ("positive", "report")
    OUTPUT_TOOLTIPS = (
        "The adversarial prompt: sample with it as usual, and once more under the mitigation.",
        "The error in the picture's noise before and after, how far the embedding moved, and what it cost.",
    )
    FUNCTION = "probe"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Asks whether a model still holds a picture: moves the encoded prompt until the model denoises this picture as "
        "well as it can (Finding DoRI). Sample with the result, with and without a mitigation: a picture that comes "
        "back was hidden, not removed. Takes gradients through the model, 50 times."
    )
    SEARCH_ALIASES = ["adversarial embedding", "DoRI", "audit", "does it remove", "inversion", "InvMM", "unlearning"]

    def probe(self, model, positive, picture, seed, steps, draws, learning_rate):
        check_conditioning(positive=positive)
        check_number("learning_rate", learning_rate, LEARNING_RATE["min"], LEARNING_RATE["max"])
        check_number("steps", steps, 1, 1000)
        check_number("draws", draws, 1, 64)
        check_picture(picture)
        tell = Progress(steps + 1, "error in the noise {:.4f}")
        costs = Costs()

        def work(embedding, noise, run):
            def errors(which):
                return picture_errors(run, draws, torch.Generator().manual_seed((seed + which) % 2**64))

            def error(e, enough):
                found = run.value_and_gradient(search, e, enough)
                tell(found[0].item())
                return found

            def judged(e):  # always on the same draws
                return run.value_and_gradient(errors(1), e, math.inf)[0].item()

            search, before = errors(0), judged(embedding)
            found = adversarial_embedding(embedding, error, learning_rate, steps).x
            lengths = [part.norm().item() for part in (found - embedding, embedding.float())]
            report = describe(before, judged(found), *lengths)
            costs.add(run)
            return found, report

        noise = torch.zeros_like(picture["samples"])
        found, report = with_embedding(model, positive, positive, picture, noise, seed, work)
        report = f"{report}\n{costs}"
        show_text(report)
        cond, extra = positive[0]
        return [[found.to(cond), dict(extra)]], report


def check_picture(latent):
    """Raise ValueError for a LATENT that is not one picture."""
    samples = latent["samples"]
    if not isinstance(samples, torch.Tensor) or getattr(samples, "is_nested", False) or len(samples) != 1:
        raise ValueError("picture must hold one picture: choose it with Latent From Batch, and leave out sound.")
    if not torch.count_nonzero(samples):
        raise ValueError("picture is an empty latent: connect the training picture, by VAE Encode.")


def describe(before, after, moved, length):
    """The report but for the cost."""
    errors = f"error in the noise {before:.4f} -> {after:.4f}, on the same draws"
    return f"{errors}\nembedding moved by {moved:.1f}, its length was {length:.1f}"


NODES = {"ProbeMemorization": ("Probe Memorization", ProbeMemorization)}
