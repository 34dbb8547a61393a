import torch

from ..samplers.clip_score import clip_scores, matched
from .checks import check_finite
from .node_text import show_text
from .prompts import CLIP_AND_TEXT

# Plain pictures that any CLIP knows by name.
COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "white": (1, 1, 1)}
STRANGERS = (
    "warning: clip and clip_vision do not know plain colours by their names. They are of different models, or clip has "
    "no text projection, as that of a Stable Diffusion 1.x checkpoint: take Load CLIP with the whole text encoder."
)


class PromptAlignment:
    @classmethod
    def INPUT_TYPES(cls):
        clip = (
            "The text encoder, of the CLIP that clip_vision is of. Those of Stable Diffusion 1.x checkpoints have no "
            "text projection: load clip_l with Load CLIP. Without LoRAs, which would change the score."
        )
        vision = (
            "The image encoder of the same CLIP: ViT-L for clip_l, ViT-H for that of Stable Diffusion 2.x, bigG for "
            "that of SDXL."
        )
        prompt = "The prompt as it was meant, whatever a mitigation made of it. Its first 75 tokens count."
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": "The pictures."}),
                "clip": ("CLIP", {"tooltip": clip}),
                "clip_vision": ("CLIP_VISION", {"tooltip": vision}),
                "text": ("STRING", {**CLIP_AND_TEXT["text"][1], "tooltip": prompt}),
            }
        }

    RETURN_TYPES = ("FLOAT", "STRING")
    RETURN_NAMES = ("score", "report")
    OUTPUT_TOOLTIPS = (
        "The mean CLIP score of the pictures: the cosine, -1 to 1. Around 0.3 in the papers, who took other CLIPs.",
        "The score of each picture in words.",
    )
    FUNCTION = "align"
    OUTPUT_NODE = True
    CATEGORY = "basin escape/measure"
    DESCRIPTION = (
        "Tells how well pictures fit their prompt, by the CLIP score: what mitigation costs. Compare with and without "
        "it on the same seeds; scores of different CLIPs do not compare."
    )
    SEARCH_ALIASES = ["CLIP score", "alignment", "prompt adherence", "text image similarity", "CLIPScore"]

    def align(self, images, clip, clip_vision, text):
        check_finite(images=images)
        vector, plain = text_vector(clip, text), torch.ones(1, 64, 64, 3)
        vectors = torch.cat([image_vector(clip_vision, image[None, ..., :3]) for image in images])
        if vectors.shape[1] != len(vector):
            raise ValueError(
                f"clip makes vectors of {len(vector)} numbers and clip_vision of {vectors.shape[1]}: they are not of "
                "one CLIP. Take ViT-L with clip_l, ViT-H with that of Stable Diffusion 2.x, bigG with that of SDXL."
            )
        scores = clip_scores(vector, vectors)
        names = torch.stack([text_vector(clip, f"a {name} picture") for name in COLOURS])
        colours = [image_vector(clip_vision, plain * torch.tensor(colour)) for colour in COLOURS.values()]
        lines = [f"CLIP score {scores.mean():.4f}, mean of {len(scores)}"]
        lines += [f"picture {k}: {score:.4f}" for k, score in enumerate(scores.tolist(), 1)]
        report = "\n".join(lines + ([] if matched(names, torch.cat(colours)) else [STRANGERS]))
        show_text(report)
        return {"ui": {}, "result": (scores.mean().item(), report)}


def text_vector(clip, text):
    """[elements]. Raises ValueError for a text encoder that makes no such vector, or one that cannot be right."""
    _, pooled = clip.encode_from_tokens(clip.tokenize(text), return_pooled=True)
    if pooled is None or not torch.isfinite(pooled).all() or not pooled.any():
        raise ValueError(
            "clip makes no vector of a whole text: it is no CLIP (T5, the testbed), or has no text projection (that "
            "of a Stable Diffusion 1.x checkpoint). Take Load CLIP with clip_l, clip_h or clip_g."
        )
    return pooled[0].float()


def image_vector(clip_vision, image):
    """[1, elements], of one picture: those of a batch do not then depend on each other."""
    return clip_vision.encode_image(image)["image_embeds"].float()


NODES = {"PromptAlignment": ("Prompt Alignment (CLIP score)", PromptAlignment)}
