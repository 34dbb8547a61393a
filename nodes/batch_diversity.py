from ..samplers.copies import mean_likeness
from .checks import check_finite
from .measures import OF_PAIRS, measure_of
from .node_text import show_text
from .sscd_models import sscd_widget

MEASURE = (
    "How two pictures are compared. SSCD: a network that knows a copy again, however it was cropped or recoloured; 0 "
    "means that all pictures are the same. SSCD 224 crop: on pictures prepared as by DCR, Wen et al. and GUARD. "
    "pixel correlation: of the pixels at 64x64, each picture less its mean."
)


class BatchDiversity:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": "Pictures of one prompt from several seeds, two at least."}),
                "measure": (OF_PAIRS, {"tooltip": MEASURE}),
                **sscd_widget(),
            }
        }

    RETURN_TYPES = ("FLOAT", "STRING")
    RETURN_NAMES = ("diversity", "report")
    OUTPUT_TOOLTIPS = (
        "1 less the mean likeness of every two pictures: 0 where all are the same, about 1 where none is like another.",
        "The same in words, with the measure.",
    )
    FUNCTION = "measure"
    OUTPUT_NODE = True
    CATEGORY = "basin escape/measure"
    DESCRIPTION = (
        "Tells how different the pictures of a batch are. The same picture from every seed is a sign of memorization "
        "that needs no reference. It says nothing of how good they are."
    )
    SEARCH_ALIASES = ["diversity", "SSCD", "variety", "same picture from every seed", "pairwise similarity"]

    def measure(self, images, measure, sscd_model):
        if len(images) < 2:
            raise ValueError("images is one picture: connect a batch of two or more.")
        check_finite(images=images)
        chosen, _ = measure_of(measure, sscd_model)
        diversity = 1 - mean_likeness(chosen, list(images[..., :3].cpu()))
        report = f"diversity {diversity:.2f}: 1 less the mean {measure} of {len(images)} pictures"
        show_text(report)
        return {"ui": {}, "result": (diversity, report)}


NODES = {"BatchDiversity": ("Batch Diversity", BatchDiversity)}
