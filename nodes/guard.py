from ..samplers.host.guard import GUARDCFGGuider
from .checks import check_cfg, check_conditioning, check_number
from .widgets import CFG, PROMPTS


class GUARDGuider:
    @classmethod
    def INPUT_TYPES(cls):
        repulsion = {
            "default": 2.0,
            "min": 0.0,
            "max": 10.0,
            "step": 0.1,
            "tooltip": "How strongly the picture is pushed away from the prompt as it is, at the start; it fades to 0 "
            "with a cosine. The paper's setting is 2, its script's default 3. Raise it if pictures still resemble the "
            "copy, lower it if the prompt is not followed. 0: attenuation alone, and no third prediction.",
        }
        attenuation = {
            "default": 0.3,
            "min": 0.0,
            "max": 1.0,
            "step": 0.01,
            "tooltip": "What the attention to tokens that spike is multiplied by, before softmax, in the prediction "
            "that is followed. The paper took 0.3. 1 leaves them as they are.",
        }
        threshold = {
            "default": 0.1,
            "min": -5.0,
            "max": 10.0,
            "step": 0.01,
            "tooltip": "A token spikes from so many standard deviations above the mean of all tokens on. The paper "
            "took 0.1, or 0.01 without repulsion: about every second token. Higher: fewer tokens.",
        }
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model used for denoising: SD1.x, SD2.x or SDXL."}),
                **PROMPTS,
                **CFG,
                "repulsion": ("FLOAT", repulsion),
                "attenuation": ("FLOAT", attenuation),
                "spike_threshold": ("FLOAT", threshold),
            }
        }

    RETURN_TYPES = ("GUIDER",)
    RETURN_NAMES = ("guider",)
    OUTPUT_TOOLTIPS = ("The guider, for SamplerCustomAdvanced.",)
    FUNCTION = "get_guider"
    CATEGORY = "basin escape/attention"
    DESCRIPTION = (
        "CFG Guider that follows the prompt with its attention spikes attenuated, and is pushed away from the prompt "
        "as it is (GUARD, Zhao et al., ICML 2026). For SD1.x, SD2.x and SDXL. Costs a third prediction in every step: "
        "half as much time again."
    )
    SEARCH_ALIASES = ["guard", "repulsion", "attention attenuation", "memorization guider", "attract repel", "Zhao"]

    def get_guider(self, model, positive, negative, cfg, repulsion, attenuation, spike_threshold):
        check_cfg(cfg)
        check_conditioning(positive=positive, negative=negative)
        check_number("repulsion", repulsion, 0.0, 10.0)
        check_number("attenuation", attenuation, 0.0, 1.0)
        check_number("spike_threshold", spike_threshold, -5.0, 10.0)
        if cfg == 0 and repulsion:
            raise ValueError("cfg is 0, but repulsion is a part of the guidance: set cfg to 7.5, or repulsion to 0.")
        guider = GUARDCFGGuider(model, repulsion, attenuation, spike_threshold)
        guider.set_conds(positive, negative)
        guider.set_cfg(cfg)
        return (guider,)


NODES = {"GUARDGuider": ("GUARD Guider", GUARDGuider)}
