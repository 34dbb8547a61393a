"""The ComfyUI nodes. Their ids and socket names are part of saved workflows and never change."""

from . import detect, estimate, guider, ksampler, model_patch, plot, save_trace, sweep, testbed

from . import bright_ending, guard, memorization_map, mitigate_attention, silence_neurons  # isort: skip

MODULES = (model_patch, guider, ksampler, plot, save_trace, sweep, estimate, detect, testbed)
MODULES += (mitigate_attention, guard, silence_neurons, memorization_map, bright_ending)

NODE_CLASS_MAPPINGS = {key: node for module in MODULES for key, (_, node) in module.NODES.items()}
NODE_DISPLAY_NAME_MAPPINGS = {key: name for module in MODULES for key, (name, _) in module.NODES.items()}
