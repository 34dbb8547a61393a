import torch

from ..samplers.host.embedding import guidance_norms, with_embedding
from ..samplers.prompt_embedding import move_embedding, together
from .checks import check_conditioning, check_number
from .embedding_report import Costs, Progress
from .found_noise import LEARNING_RATE
from .node_text import norm_in_words, show_text
from .sampling import beginning
from .widgets import PROMPTS, SEED


class MitigatePromptEmbedding:
    @classmethod
    def INPUT_TYPES(cls):
        latent = "The latent that will be sampled: the start noise of each of its images is the sampler's."
        target = (
            "The guidance norm to come down to, of one image, in RMS (L2 divided by the square root of the latent's "
            "elements). 0.0117 is the paper's: its 3 is that of four images together, 1.5 for each, L2 at 512 pixels. "
            "Lower: fewer copies, and less of the prompt. A prompt below it is left as it is."
        )
        shared = (
            "On: one embedding for all images, moved until the root mean square of their norms is at the target, as in "
            "the paper; it fits any batch. Off: one for each image, which stops by itself; it fits this batch only."
        )
        rate = "AdamW's learning rate: how far each number of the embedding moves in one update. 0.05 in the paper."
        iterations = "At most so many updates, each a model call and a backward pass. 10 in the paper. 0 measures only."
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model. A Basin Escape patch on it is set aside."}),
                **PROMPTS,
                "latent_image": ("LATENT", {"tooltip": latent}),
                "seed": ("INT", {**SEED["seed"][1], "tooltip": "The sampler's seed: it must be the same there."}),
                "target": (
                    "FLOAT",
                    {"default": 0.0117, "min": 0.0, "max": 1.0, "step": 0.0001, "round": 0.00001, "tooltip": target},
                ),
                "one_for_all": ("BOOLEAN", {"default": True, "tooltip": shared}),
                "learning_rate": ("FLOAT", {"default": 0.05, **LEARNING_RATE, "tooltip": rate}),
                "max_iterations": ("INT", {"default": 10, "min": 0, "max": 1000, "tooltip": iterations}),
            }
        }

    RETURN_TYPES = ("CONDITIONING", "STRING")
    RETURN_NAMES = ("positive", "report")
    OUTPUT_TOOLTIPS = (
        "The prompt with its new embedding, for the sampler with the same latent and seed.",
        "The norm before and after, in RMS and L2, the updates and what they cost.",
    )
    FUNCTION = "mitigate"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Moves the encoded prompt until it pulls less in the first step (Wen et al.), before sampling. A prompt that "
        "is not memorized is left as it is. Takes gradients through the model, at most ten times: that needs more "
        "memory than sampling."
    )
    SEARCH_ALIASES = ["prompt embedding optimization", "inference-time mitigation", "Wen", "gradient", "soft prompt"]

    def mitigate(
        self, model, positive, negative, latent_image, seed, target, one_for_all, learning_rate, max_iterations
    ):
        check_conditioning(positive=positive, negative=negative)
        check_number("target", target, 0.0, 1.0)
        check_number("learning_rate", learning_rate, LEARNING_RATE["min"], LEARNING_RATE["max"])
        check_number("max_iterations", max_iterations, 0, 1000)
        latent, noise = beginning(model, latent_image, seed)
        tell = Progress((max_iterations + 1) * (1 if one_for_all else len(noise)), "norm {:.4f}, target {:.4f} RMS")
        start = model, positive, negative, latent, noise, seed
        made, moved, spent = move(*start, target, one_for_all, learning_rate, max_iterations, tell)
        report = "\n".join([*in_words(moved, target, noise[0].numel()), spent])
        show_text(report)
        return made, report


def move(
    model, positive, negative, latent, noise, seed, target, one_for_all, rate, updates, tell=lambda *numbers: None
):
    """The CONDITIONING for a run from this noise, what its embeddings went through, and the cost in words.

    Where nothing was to be done it is `positive` itself. `tell` gets every norm and the target, in RMS.
    """
    costs = Costs()

    def work(embedding, noise, run):
        norms = guidance_norms(run, noise)

        def pull(e, enough):
            found = run.value_and_gradient(lambda e: together(norms(e)), e, enough)
            tell(found[0].item(), target)
            return found

        moved = move_embedding(embedding, pull, target, rate, updates)
        costs.add(run)
        return moved

    pictures = [(latent["samples"], noise)]
    if not one_for_all:
        pictures = zip(latent["samples"].split(1), noise.split(1), strict=True)
    moved = [with_embedding(model, positive, negative, {"samples": of}, n, seed, work) for of, n in pictures]
    if all(len(each.values) == 1 for each in moved):
        return positive, moved, str(costs)
    cond, extra = positive[0]
    return [[torch.cat([each.x for each in moved]).to(cond), dict(extra)]], moved, str(costs)


def in_words(moved, target, elements):
    """A line for each embedding, and the target."""
    lines = []
    for number, each in enumerate(moved):
        first, last = (norm_in_words(each.values[place], elements) for place in (0, -1))
        updates, missed = len(each.values) - 1, "target not reached: " if each.values[-1] > target else ""
        image = f"image {number + 1}: " if len(moved) > 1 else ""
        changed = f"norm {first} -> {last} after {updates} updates" if updates else f"unchanged, norm {first}"
        lines.append(image + missed + changed)
    return [*lines, f"target: {norm_in_words(target, elements)}"]


NODES = {"MitigatePromptEmbedding": ("Mitigate Prompt Embedding", MitigatePromptEmbedding)}
