from functools import partial

from ..plots.picture import picture
from ..plots.token_bars import draw_tokens
from ..samplers.host.embedding import guidance_norms, with_embedding
from ..samplers.host.tokens import token_words
from ..samplers.token_significance import token_significance
from .checks import check_conditioning
from .embedding_report import Costs
from .node_text import show_text
from .preview import preview
from .prompts import CLIP_AND_TEXT, encode
from .sampling import beginning
from .widgets import PROMPTS, SEED


class TokenSignificance:
    @classmethod
    def INPUT_TYPES(cls):
        latent = "The size that you work with; as many start noises as it holds images. The paper took 4."
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model. A Basin Escape patch on it is set aside."}),
                **CLIP_AND_TEXT,
                "negative": PROMPTS["negative"],
                "latent_image": ("LATENT", {"tooltip": latent}),
                **SEED,
            }
        }

    RETURN_TYPES = ("IMAGE", "STRING", "FLOAT")
    RETURN_NAMES = ("plot", "report", "significance")
    OUTPUT_IS_LIST = (False, False, True)
    OUTPUT_TOOLTIPS = (
        "The picture that the node shows, for Save Image.",
        "The words with their numbers, the most significant first.",
        "The numbers as a list, in the order of the prompt's words.",
    )
    OUTPUT_NODE = True
    FUNCTION = "measure"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Shows which words of a prompt its memorization hangs on (Wen et al.): how fast the guidance norm of the first "
        "step changes with each word's embedding. Rewrite the highest ones. Costs two model calls and a backward pass "
        "for each start noise."
    )
    SEARCH_ALIASES = ["trigger words", "token gradient", "which word", "memorized words", "bar chart", "Wen"]

    def measure(self, model, clip, text, negative, latent_image, seed):
        check_conditioning(negative=negative)
        positive = encode(clip, text)
        words = token_words(clip, text, positive[0][0].shape[1])
        if not any(words):
            raise ValueError("text is empty: write the prompt whose words are to be looked at.")
        latent, noise = beginning(model, latent_image, seed)

        costs = Costs()

        def work(embedding, noise, run):
            norms = guidance_norms(run, noise)
            found = token_significance(embedding.expand(len(noise), -1, -1), partial(run.value_and_gradient, norms))
            costs.add(run)
            return found.mean(0).tolist()

        values = with_embedding(model, positive, negative, latent, noise, seed, work)
        shown = [(word, value) for word, value in zip(words, values, strict=True) if word]
        report = describe(shown, costs)
        show_text(report)
        title = f"what the guidance norm hangs on, mean of {len(noise)} start(s)"
        numbers = [value for _, value in shown]
        image = picture(draw_tokens([word for word, _ in shown], numbers, "gradient norm", title))
        return {"ui": preview(image), "result": (image, report, numbers)}


def describe(shown, costs):
    """The report: a line for each word, the highest number first."""
    ordered = sorted(shown, key=lambda pair: -pair[1])
    return "\n".join([*(f"{value:.4g} {word}" for word, value in ordered), str(costs)])


NODES = {"TokenSignificance": ("Token Significance", TokenSignificance)}
