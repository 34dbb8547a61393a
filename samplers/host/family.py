"""What to set for a model, by its family: the kinds of models that ComfyUI tells apart, and what is known of each.

Method and strength are those of this pack's tables (`make bench-methods`), whose models are all of its own. The one
threshold is a starting value, from first guidance norms of Stable Diffusion 1.5 at 512x512 pixels, timestep 981, which
are published with "Early Detection of Memorization" (anonymous, 2026): 500 ordinary prompts have the L2 norm 1.03, 500
memorized ones 3.59 (root mean squares). By a log-normal fit, L2 1.54 (0.012 RMS) is above 95 % of the ordinary and
below 95 % of the memorized ones. ComfyUI's first step at timestep 999 has norms that are a tenth lower.
"""

from dataclasses import dataclass
from typing import Any

from ..settings import NEVER, OFF, ORTHOGONAL, Settings

SD1_THRESHOLD = 0.012
ON, NOTHING = Settings(NEVER, ORTHOGONAL), Settings(OFF, ORTHOGONAL)
NO_THRESHOLD = "No first norms of this family are published: every prompt is mitigated, memorized or not"


@dataclass(frozen=True)
class Family:
    """name; settings; why these, in a sentence; configs: the names of ComfyUI's classes of such models."""

    name: str
    settings: Settings
    why: str
    configs: tuple[str, ...] = ()


DISTILLED = Family(
    "guidance-distilled model (Flux and the like)",
    NOTHING,
    "Guidance is built into its weights and cfg is 1, so that there is none to take anything out of. For a model of "
    "this kind that you run at a cfg above 1, take Basin Escape (model patch)",
    ("FluxSchnell", "HunyuanVideo15_SR_Distilled"),
)
KNOWN = (
    Family(
        "Stable Diffusion 1.x",
        Settings(NEVER, ORTHOGONAL, memorization_threshold=SD1_THRESHOLD),
        "The threshold is a starting value: published norms of Stable Diffusion 1.5, by which about 5 % of ordinary "
        "prompts are mitigated and 95 % of memorized ones",
        ("SD15",),
    ),
    Family("Stable Diffusion 2.x", ON, NO_THRESHOLD, ("SD20",)),
    Family("SDXL", ON, NO_THRESHOLD, ("SDXL", "SDXLRefiner")),
    Family("Stable Diffusion 3", ON, NO_THRESHOLD, ("SD3",)),
    Family(
        "video model whose frames are a batch",
        NOTHING,
        "Each frame would be guided apart from the others, and the video would flicker",
        ("SVD_img2vid",),
    ),
    Family(
        "video model",
        ON,
        f"A video is mitigated as a whole. {NO_THRESHOLD}",
        ("WAN21_T2V", "LTXV", "HunyuanVideo15", "GenmoMochi", "CosmosT2V", "CogVideoX_T2V"),
    ),
    Family("memorization testbed of this pack", ON, "Every prompt is mitigated, memorized or not", ("TestbedConfig",)),
)
OTHER = Family(
    "model of another family",
    ON,
    f"Nothing is known of it here. {NO_THRESHOLD}. If it is made for cfg 1 (turbo, LCM), switch mitigation off",
)


def family_of(model: Any) -> Family:
    """The family of a MODEL. LoRAs that make a model fit for cfg 1 are not seen."""
    config = model.model.model_config
    classes = {one.__name__ for one in type(config).__mro__}
    if config.unet_config.get("guidance_embed") or classes & set(DISTILLED.configs):
        return DISTILLED
    return next((family for family in KNOWN if classes & set(family.configs)), OTHER)
