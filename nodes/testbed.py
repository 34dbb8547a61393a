from ..testbed.captions import MEMORIZED_CAPTIONS, embed
from ..testbed.denoiser import VARIANTS
from ..testbed.distribution import render_pictures
from ..testbed.learned_variants import LEARNED
from ..testbed.loader import TestbedCLIP, TestbedVAE, load_model
from ..testbed.scenarios import SCENARIOS
from ..testbed.scenes.loader import SCENES, load_scenes
from .node_text import Remark


class LoadMemorizationTestbed:
    @classmethod
    def INPUT_TYPES(cls):
        variant = {
            "default": VARIANTS[0],
            "tooltip": "What the exact model predicts: eps (the noise, as Stable Diffusion 1.5), v (velocity, as "
            "Stable Diffusion 2.1) or flow (rectified flow); the distribution is the same. learned: a small trained "
            "network instead, ComfyUI's own UNet with attention, which has memorized pictures of its own. learned "
            "noise: the same network trained by the ordinary diffusion loss alone, with other pictures. scenes: an "
            "exact eps model of pictures that you know at a glance, a house, a boat or a tree in a landscape, 256x256. "
            "The others are exact eps models of the paper's four causes: small data set and nothing else, class labels "
            "of few pictures each, duplicated items of 1 to 200 copies, trigger words that work among any others.",
        }
        return {"required": {"variant": ([*VARIANTS, *LEARNED, SCENES, *SCENARIOS], variant)}}

    RETURN_TYPES = ("MODEL", "CLIP", "VAE", "IMAGE", "STRING")
    RETURN_NAMES = ("model", "clip", "vae", "memorized", "prompts")
    OUTPUT_TOOLTIPS = (
        "The memorizing model. It makes pictures of 128x128 pixels only, scenes of 256x256.",
        "Its text encoder: knows sixteen titles, a few colours and shapes (of scenes: things), and says on its node "
        "which words of a prompt it does not know.",
        "Its decoder: every latent pixel becomes 8x8.",
        "The memorized images, to compare with: sixteen, or the 96 of small data set and class labels.",
        "The captions of the memorized images in the same order, one per line.",
    )
    FUNCTION = "load"
    CATEGORY = "basin escape/testbed"
    DESCRIPTION = (
        "A small diffusion model that has memorized sixteen images, without a download: to see what memorization is "
        "and what each setting does. Either known exactly or really trained. Set Empty Latent Image to 128x128, for "
        'scenes to 256x256. A memorized prompt: "aurora red circle" (scenes: "homecoming, a red house"). An ordinary '
        'one: "red circle" ("a red house").'
    )
    SEARCH_ALIASES = ["toy model", "example model", "testbed"]

    def load(self, variant):
        vae, clip, captions = TestbedVAE(), TestbedCLIP(embed), MEMORIZED_CAPTIONS
        if variant in LEARNED:
            model, clip = LEARNED[variant].load()
            pictures = LEARNED[variant].memorized_pictures()
        elif variant == SCENES:
            model, clip, pictures, captions = load_scenes()
        elif variant in SCENARIOS:
            scenario = SCENARIOS[variant]()
            captions, pictures = scenario.captions, scenario.pictures.means
            model = load_model(scenario.pictures, VARIANTS[0], scenario.log_prior)
        else:
            rendered = render_pictures()
            model, pictures = load_model(rendered, variant), rendered.means
        clip.tell = Remark("The testbed knows every word of this prompt.")
        return model, clip, vae, vae.decode(pictures[: len(captions)]), "\n".join(captions)


NODES = {"LoadMemorizationTestbed": ("Load Memorization Testbed", LoadMemorizationTestbed)}
