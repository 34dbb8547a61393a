import torch

from ..plots.pairs import draw_pairs
from ..plots.picture import picture
from ..samplers.copies import WHOLE, compare
from ..samplers.pixel_similarity import scaled
from .checks import check_finite, check_number
from .input_pictures import changes_of, input_folders
from .measures import AMONG, MEASURES, measure_of
from .node_text import show_text
from .preview import preview
from .references import References
from .sscd_models import sscd_widget

LEAST = 0.01  # share of a picture that can be compared
MEASURE = (
    "How pictures are compared. SSCD: a network that knows a picture again when it is cropped, mirrored or recoloured; "
    "1 is the same, its authors take 0.75 for a copy, others 0.5. SSCD 224 crop: on pictures prepared as by DCR, Wen "
    "et al. and GUARD, whose scores compare with theirs only. pixel correlation: of the pixels at 64x64, each picture "
    "less its mean: take 0.9, for any two skies correlate, and a crop does not. l2 among neighbours: how much nearer "
    "the nearest reference is than the 50 nearest are on average; 0.5 is the criterion of Carlini et al., who had "
    "whole training sets."
)
THRESHOLD = "From this score on a picture counts as a copy. Every measure has its own scale: see `measure`."
FOLDER = "References: a folder below ComfyUI's input folder, without its subfolders. none: those at `references` only."
MASK = (
    "Foreground of the pictures: 1 there, 0 in the background. Both are then compared by themselves as well (FB-Mem), "
    "for an object may be copied into another scene. One for all pictures or one for each."
)


class CopySimilarity:
    @classmethod
    def INPUT_TYPES(cls):
        number = {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01}
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": "The pictures that may be copies."}),
                "measure": (MEASURES, {"tooltip": MEASURE}),
                "threshold": ("FLOAT", {**number, "tooltip": THRESHOLD}),
                **sscd_widget(),
                "folder": (input_folders(), {"tooltip": FOLDER}),
            },
            "optional": {
                "references": ("IMAGE", {"tooltip": "The pictures that must not be copied, beside those in `folder`."}),
                "mask": ("MASK", {"tooltip": MASK}),
            },
        }

    RETURN_TYPES = ("FLOAT", "BOOLEAN", "IMAGE", "STRING", "IMAGE")
    RETURN_NAMES = ("maximum", "copied", "nearest", "report", "side_by_side")
    OUTPUT_TOOLTIPS = (
        "The highest score of all pictures and references.",
        "Whether the score of any picture, or of its foreground or background, reaches the threshold.",
        "For each picture the reference that it is most like, in the picture's size.",
        "The scores in words, and which files could not be read.",
        "The picture that the node shows: each picture beside that reference, at most 16.",
    )
    FUNCTION = "compare"
    OUTPUT_NODE = True
    CATEGORY = "basin escape/measure"
    DESCRIPTION = (
        "Tells whether pictures are copies of references that you have: by SSCD or by their pixels, as a whole or "
        "foreground and background apart. It finds copies of these references only."
    )
    SEARCH_ALIASES = ["SSCD", "copy detection", "similarity", "memorized", "duplicate", "FB-Mem", "Carlini", "compare"]

    @classmethod
    def IS_CHANGED(cls, folder, **_):
        return changes_of(folder)

    def compare(self, images, measure, threshold, sscd_model, folder, references=None, mask=None):
        check_number("threshold", threshold, 0.0, 1.0)
        check_pictures(images, mask)
        known = References(references, folder, least=2 if measure == AMONG else 1)
        chosen, of_reference = measure_of(measure, sscd_model)
        pictures = list(images[..., :3].cpu())
        scores = compare(chosen, pictures, known, None if mask is None else mask.cpu(), of_reference)
        copied = torch.stack([score.amax(1) for score in scores.values()]).amax(0) >= threshold
        nearest = scores[WHOLE].argmax(1).tolist()
        lines = [in_words(k, scores, known.names, copied[k]) for k in range(len(pictures))]
        head = f"{int(copied.sum())} of {len(pictures)} copied: {measure}, threshold {threshold:g}, "
        report = "\n".join(
            [f"{head}{len(known.names)} references", *lines, *map("not compared: {}".format, known.unread)]
        )
        show_text(report)
        found = [known.again(place) for place in nearest]
        shown = picture(draw_pairs(pictures, found, lines, copied.tolist()))
        result = scores[WHOLE].max().item(), bool(copied.any()), in_size(found, pictures[0]), report, shown
        return {"ui": preview(shown), "result": result}


def check_pictures(images, mask):
    """Raise ValueError for pictures that are no numbers, and a mask that does not fit or leaves nothing to compare."""
    check_finite(images=images)
    if mask is None:
        return
    if len(mask) not in (1, len(images)):
        raise ValueError(f"mask has {len(mask)} masks for {len(images)} pictures: connect one, or one for each.")
    shares = mask.float().mean((1, 2))
    if ((shares < LEAST) | (shares > 1 - LEAST)).any():
        raise ValueError(
            f"mask covers {shares.min():.1%} to {shares.max():.1%} of a picture: foreground and background each need "
            f"{LEAST:.0%} of it to be compared."
        )


def in_words(k, scores, names, copied):
    """A line on the picture k: its nearest reference as a whole, and where foreground or background has its own."""
    best = {part: (score[k].max().item(), names[int(score[k].argmax())]) for part, score in scores.items()}
    (whole, name) = best.pop(WHOLE)
    apart = "".join(f"; {part} {score:.2f} of {other}" for part, (score, other) in best.items())
    return f"picture {k + 1}: {whole:.2f} of {name}{apart}, {'copied' if copied else 'not copied'}"


def in_size(found, like):
    """Pictures of any sizes as a batch, in the size of one."""
    height, width = like.shape[:2]
    return torch.stack([scaled(each.movedim(-1, 0), height, width).movedim(0, -1) for each in found])


NODES = {"CopySimilarity": ("Copy Similarity", CopySimilarity)}
