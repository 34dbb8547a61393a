import comfy.model_management
import comfy.samplers
import comfy.utils

from ..samplers.host.clean_norms import hold_norms, recorded, statistics
from ..samplers.host.patch import unpatched
from .calibration import prompts_of
from .checks import check_cfg, check_conditioning, check_fixed_steps, check_number, check_single
from .prompts import CLIP, encode
from .sampling import sample_latent, sampler_widgets, schedule, starts
from .widgets import CFG, SEED


class CalibrateNorms:
    @classmethod
    def INPUT_TYPES(cls):
        model = "The model, with all nodes that change its guidance. A Basin Escape patch on it is set aside."
        prompts = "Prompts that are not memorized, one per line, of the kind that you use. The paper took 50."
        number = {"default": 1, "min": 1, "max": 64, "tooltip": "Pictures of every prompt, run as one batch."}
        steps = {
            "default": 50,
            "min": 1,
            "max": 10000,
            "tooltip": "As many as the run that is to be held has. The paper took 50.",
        }
        return {
            "required": {
                "model": ("MODEL", {"tooltip": model}),
                **CLIP,
                "negative": ("CONDITIONING", {"tooltip": "The negative prompt of the run that is to be held."}),
                "latent_image": ("LATENT", {"tooltip": "One latent image: the size that you work with."}),
                "ordinary_prompts": ("STRING", {"multiline": True, "tooltip": prompts}),
                **SEED,
                "n_seeds": ("INT", number),
                "steps": ("INT", steps),
                **sampler_widgets(),
                **CFG,
            }
        }

    RETURN_TYPES = ("CLEAN_NORMS", "STRING")
    RETURN_NAMES = ("norms", "report")
    OUTPUT_TOOLTIPS = (
        "What ordinary pictures do at every noise level, for Hold Norms: for this model, size, sampler, scheduler, "
        "number of steps and cfg alone.",
        "How many pictures it was learned from, and the limit, in words.",
    )
    FUNCTION = "calibrate"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Learns from ordinary prompts how long the steps of sampling are, and the predicted pictures, for Hold Norms "
        "(Broken Memories, Huang et al., KDD 2026). Experimental. Costs a whole picture for every prompt and seed, two "
        "model calls in each step. Sampler, scheduler, steps and cfg must be those of the run that is to be held."
    )
    SEARCH_ALIASES = ["Broken Memories", "calibrate", "stability region", "clean statistics", "latent update norm"]

    def calibrate(
        self, model, clip, negative, latent_image, ordinary_prompts, seed, n_seeds, steps, sampler_name, scheduler, cfg
    ):
        check_cfg(cfg)
        check_conditioning(negative=negative)
        check_single(latent_image)
        check_fixed_steps(sampler_name)
        prompts = prompts_of(clip, ordinary_prompts)
        if not prompts:
            raise ValueError("ordinary_prompts is empty: write prompts that are not memorized, one per line.")
        sigmas = schedule(model, steps, sampler_name, scheduler)
        levels = sigmas.tolist()
        batch = starts(latent_image, n_seeds)
        bar, recorders = comfy.utils.ProgressBar(len(prompts)), []
        for place, prompt in enumerate(prompts):
            comfy.model_management.throw_exception_if_processing_interrupted()
            watched, recorder = recorded(unpatched(model), levels)
            guider = comfy.samplers.CFGGuider(watched)
            guider.set_conds(encode(clip, prompt), negative)
            guider.set_cfg(cfg)
            sample_latent(guider, sampler_name, sigmas.clone(), batch, seed + place)  # uni_pc changes them
            recorders.append(recorder)
            bar.update(1)
        norms = statistics(recorders)
        return norms, f"{len(prompts) * n_seeds} ordinary pictures, {len(norms.levels)} noise levels\n" + (
            f"limit: {norms.limit:.2f} standard deviations, which 1 % of them go beyond"
        )


class HoldNorms:
    @classmethod
    def INPUT_TYPES(cls):
        limit = (
            "Beyond which deviation of a step the predicted picture is held, as a multiple of the calibrated limit, "
            "which 1 % of ordinary pictures go beyond once. The paper's is not published. Lower: more pictures and "
            "steps; 0 holds every step of every picture. Below the limit it is as without this node."
        )
        number = {"default": 1.0, "min": 0.0, "max": 100.0, "step": 0.05}
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model to protect: the one that was calibrated."}),
                "norms": ("CLEAN_NORMS", {"tooltip": "Of Calibrate Norms."}),
                "limit": ("FLOAT", {**number, "tooltip": limit}),
            }
        }

    RETURN_TYPES = ("MODEL",)
    RETURN_NAMES = ("model",)
    OUTPUT_TOOLTIPS = ("The patched model, for the sampler node that was calibrated.",)
    FUNCTION = "patch"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Gives the predicted picture the length of ordinary ones in steps that are unlike theirs (Broken Memories, "
        "Huang et al., KDD 2026). Experimental: the limit is reconstructed. No further model call; Calibrate Norms "
        "before it costs whole pictures."
    )
    SEARCH_ALIASES = ["Broken Memories", "rescale", "norm", "stability region", "clamp", "Huang"]

    def patch(self, model, norms, limit):
        check_number("limit", limit, 0.0, 100.0)
        return (hold_norms(model, norms, limit),)


NODES = {
    "CalibrateNorms": ("Calibrate Norms (experimental)", CalibrateNorms),
    "HoldNorms": ("Hold Norms (experimental)", HoldNorms),
}
