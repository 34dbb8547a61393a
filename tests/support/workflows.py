"""The example workflows by short names: their files are called as the template gallery is to show them."""

import json
from typing import Any

from basin_escape.tools.pack import ROOT

FILES = {
    "testbed_model_patch": "Basin Escape 1 - copy and no copy",
    "testbed_slider": "Basin Escape 2 - compare with a slider",
    "sd15_drop_in": "Basin Escape 3 - your own SD 1.5 checkpoint",
    "testbed_detect": "Basin Escape 4 - only memorized prompts",
    "testbed_learned": "Basin Escape 5 - a trained network",
    "testbed_guider": "Basin Escape 6 - guider and negative prompt",
    "testbed_sweep": "Basin Escape 7 - when may guidance begin",
    "testbed_static_point": "Basin Escape 8 - one point for all images",
    "testbed_prompt_methods": "Basin Escape 9a - methods of the prompt",
    "testbed_noise_methods": "Basin Escape 9b - methods of noise and guidance",
    "testbed_attention_methods": "Basin Escape 9c - methods of the attention",
    "testbed_maps": "Basin Escape 9d - where it is memorized",
    "testbed_gradients": "Basin Escape 9e - methods with gradients",
    "testbed_similarity": "Basin Escape 9f - six methods with their similarity",
    "testbed_audit": "Basin Escape 9g - audit a prompt",
}
ON_THE_TESTBED = [name for name in FILES if name.startswith("testbed")]  # these need no checkpoint


def read_workflow(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "workflows" / f"{FILES[name]}.json").read_text(encoding="utf-8"))
