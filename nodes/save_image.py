import json
import os
from dataclasses import asdict

from comfy.cli_args import args
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..samplers.trace import finite_or_none
from .checks import find_run
from .files import output_path, write_whole
from .widgets import SAMPLES, TRACE

KEY = "basin_escape"  # of the text in a PNG file


class SaveImageWithGuidance:
    @classmethod
    def INPUT_TYPES(cls):
        prefix = {
            "default": "ComfyUI",
            "tooltip": "Name of the files, with an optional folder, below ComfyUI's output folder. As in Save Image, "
            "%date:yyyy-MM-dd% and %KSampler.seed% (title of a node, name of its widget) are filled in.",
        }
        images = "The decoded pictures of one run, in their order: as many as the run had."
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": images}),
                **TRACE,
                "filename_prefix": ("STRING", prefix),
            },
            "optional": SAMPLES,
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "save"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Save Image whose files also say what was decided for each picture: the method, the gate, and when and why "
        "guidance began. The files open as workflows like any other."
    )
    SEARCH_ALIASES = ["save image", "png metadata", "memorization metadata", "transition step"]

    def save(self, images, trace, filename_prefix, samples=None, prompt=None, extra_pnginfo=None):
        run, _ = find_run(trace, samples)
        if len(images) != len(run.gated):
            raise ValueError(
                f"images are {len(images)}, but the run had {len(run.gated)}: connect all the pictures of the run "
                "that made the latent at `samples`."
            )
        folder, name, counter, subfolder = output_path(filename_prefix, "image", prompt)
        texts = {} if prompt is None else {"prompt": prompt}
        texts |= extra_pnginfo or {}
        saved = []
        for sample, image in enumerate(images):
            file = f"{name.replace('%batch_num%', str(sample))}_{counter + sample:05}_.png"
            metadata = None if args.disable_metadata else in_png({**texts, KEY: decided(run, sample)})
            picture = Image.fromarray((255 * image.cpu()).clamp(0, 255).byte().numpy())  # as Save Image rounds
            options = {"format": "png", "pnginfo": metadata, "compress_level": 4}
            write_whole(os.path.join(folder, file), lambda path, save=picture.save, kept=options: save(path, **kept))
            saved.append({"filename": file, "subfolder": subfolder, "type": "output"})
        return {"ui": {"images": saved}}


def decided(run, sample):
    """What became of one image of a run, for JSON. timestep: where CFG began, on the paper's scale from 1000 to 0."""
    step = int(run.transition_step[sample])
    return {
        "settings": asdict(run.settings),
        "cfg": finite_or_none(run.cfg),
        "transition_step": step,
        "timestep": None if step < 0 else round(float(run.quantity("timestep")[step, sample]), 1),
        "reason": run.reasons[sample],
        "gated": bool(run.gated[sample]),
        "first_norm": finite_or_none(float(run.quantity("guidance_norm")[0, sample]) / run.elements**0.5),
        "status": run.status.text,
    }


def in_png(texts):
    metadata = PngInfo()
    for key, value in texts.items():
        metadata.add_text(key, json.dumps(value))
    return metadata


NODES = {"SaveImageWithGuidance": ("Save Image with Guidance", SaveImageWithGuidance)}
