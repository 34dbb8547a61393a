import os
from pathlib import Path

from .checks import check_runs
from .files import output_path, write_whole
from .widgets import SAMPLES, TRACE


class SaveGuidanceTrace:
    @classmethod
    def INPUT_TYPES(cls):
        prefix = {
            "default": "guidance/trace",
            "tooltip": "Name of the file, with an optional folder, below ComfyUI's output folder. As in Save Image, "
            "%date:yyyy-MM-dd% and %KSampler.seed% (title of a node, name of its widget) are filled in.",
        }
        return {
            "required": {
                **TRACE,
                "filename_prefix": ("STRING", prefix),
            },
            "optional": SAMPLES,
            "hidden": {"prompt": "PROMPT"},
        }

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "save"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Writes the numbers of the last runs (sixteen at most) as a JSON file into the output folder: norms, and when "
        "and why guidance began in each image."
    )
    SEARCH_ALIASES = ["guidance norm", "json", "export", "memorization trace"]

    def save(self, trace, filename_prefix, samples=None, prompt=None):
        check_runs(trace)
        folder, name, counter, subfolder = output_path(filename_prefix, "trace", prompt)
        file, text = f"{name}_{counter:05}_.json", trace.to_json()
        write_whole(os.path.join(folder, file), lambda path: Path(path).write_text(text, encoding="utf-8"))
        return {"ui": {"text": [os.path.join(subfolder, file)]}}


NODES = {"SaveGuidanceTrace": ("Save Guidance Trace", SaveGuidanceTrace)}
