import os

try:
    import folder_paths
except ModuleNotFoundError:  # the sampling library alone, without the ComfyUI server
    folder_paths = None

from .checks import check_runs
from .widgets import SAMPLES, TRACE


class SaveGuidanceTrace:
    @classmethod
    def INPUT_TYPES(cls):
        prefix = {
            "default": "guidance/trace",
            "tooltip": "Name of the file, with an optional folder, below ComfyUI's output folder.",
        }
        return {
            "required": {
                **TRACE,
                "filename_prefix": ("STRING", prefix),
            },
            "optional": SAMPLES,
        }

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "save"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Writes the guidance norms of the last runs (sixteen at most) as a JSON file into the output folder, for "
        "analysis outside ComfyUI."
    )
    SEARCH_ALIASES = ["guidance norm", "json", "export", "memorization"]

    def save(self, trace, filename_prefix, samples=None):
        check_runs(trace)
        if folder_paths is None:
            raise RuntimeError("Save Guidance Trace needs a ComfyUI server, whose output folder it writes to.")
        output = folder_paths.get_output_directory()
        try:
            folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(filename_prefix, output)
        except Exception as error:  # the host raises no narrower one for a folder outside of its own
            raise ValueError(
                f"filename_prefix is {filename_prefix!r}: choose a name below ComfyUI's output folder. ({error})"
            ) from error
        file = f"{name}_{counter:05}_.json"
        text = trace.to_json()
        with open(os.path.join(folder, file), "x", encoding="utf-8") as target:
            target.write(text)
        return {"ui": {"text": [os.path.join(subfolder, file)]}}


NODES = {"SaveGuidanceTrace": ("Save Guidance Trace", SaveGuidanceTrace)}
