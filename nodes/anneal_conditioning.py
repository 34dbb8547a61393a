from ..samplers.annealed_conditioning import Annealing
from ..samplers.host.context import change_context


class AnnealConditioning:
    @classmethod
    def INPUT_TYPES(cls):
        strength = (
            "How much noise. At most 0.3 is advised for text; released ports use 0.25. 0 is off: exactly as without "
            "this node."
        )
        rescale = (
            "How much of the embedding's own mean and spread is given back to it. Released ports use 1 and 0. "
            "Lower: more variety, and pictures that fall apart sooner."
        )
        tau1 = (
            "From here on there is no noise (t/1000; sampling runs from 1 to 0). Released ports use 0.6. Lower: for "
            "longer."
        )
        tau2 = "Down to here there is nothing but noise (t/1000). Released ports use 0.9."
        seed = "The seed of the noise of the first image of a batch; the second has seed + 1, and so on."
        whole = {"min": 0, "max": 0xFFFFFFFFFFFFFFFF}
        share = {"min": 0.0, "max": 1.0, "step": 0.01}
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model whose prompt is to be annealed."}),
                "strength": ("FLOAT", {"default": 0.25, "min": 0.0, "max": 10.0, "step": 0.01, "tooltip": strength}),
                "rescale": ("FLOAT", {"default": 1.0, "tooltip": rescale, **share}),
                "tau1": ("FLOAT", {"default": 0.6, "tooltip": tau1, **share}),
                "tau2": ("FLOAT", {"default": 0.9, "tooltip": tau2, **share}),
                "noise_seed": ("INT", {"default": 0, "control_after_generate": True, "tooltip": seed, **whole}),
            }
        }

    RETURN_TYPES = ("MODEL",)
    RETURN_NAMES = ("model",)
    OUTPUT_TOOLTIPS = ("The patched model, for any sampler node.",)
    FUNCTION = "patch"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Puts noise on the prompt early in sampling and lets it fade, so that one prompt gives more varied images "
        "(CADS, Sadat et al.). No further model call. Made for variety: against copies it is a baseline without "
        "published evidence."
    )
    SEARCH_ALIASES = ["CADS", "condition annealed", "prompt noise", "diversity", "embedding noise"]

    def patch(self, model, strength, rescale, tau1, tau2, noise_seed):
        annealing = Annealing(strength, rescale, tau1, tau2, noise_seed)
        if strength == 0:
            return (model.clone(),)
        return (change_context(model, annealing, "basin_escape_annealing"),)


NODES = {"AnnealConditioning": ("Anneal Conditioning", AnnealConditioning)}
