"""The ComfyUI nodes. Their ids and socket names are part of saved workflows and never change."""

from . import (
    adjust_noise,
    adjust_noise_per_sample,
    amg,
    anneal_conditioning,
    batch_diversity,
    bright_ending,
    copy_similarity,
    detect,
    estimate,
    for_model,
    guard,
    guider,
    hold_norms,
    ksampler,
    memorization_map,
    mitigate_attention,
    mitigate_embedding,
    mix_start,
    model_patch,
    perturb_prompt,
    plot,
    probe_memorization,
    prompt_alignment,
    prompt_verdict,
    reanchor,
    reinforce_content,
    repad_prompt,
    save_image,
    save_trace,
    schedule_guidance,
    sharpness_aware_noise,
    silence_neurons,
    sweep,
    testbed,
    token_significance,
)

MODULES = (model_patch, for_model, guider, ksampler, plot, save_image, save_trace, sweep, estimate, detect, testbed)
MODULES += (schedule_guidance, adjust_noise, anneal_conditioning, perturb_prompt, repad_prompt, reanchor)  # methods
MODULES += (mitigate_attention, guard, silence_neurons, memorization_map, bright_ending)  # of the cross-attention
MODULES += (adjust_noise_per_sample, sharpness_aware_noise, mitigate_embedding)  # with gradients
MODULES += (token_significance, probe_memorization)  # with gradients, to look at a prompt and at a model
MODULES += (amg,)  # with a list of pictures
MODULES += (copy_similarity, batch_diversity, prompt_alignment, prompt_verdict)  # measures
MODULES += (hold_norms, mix_start, reinforce_content)  # experimental

NODE_CLASS_MAPPINGS = {key: node for module in MODULES for key, (_, node) in module.NODES.items()}
NODE_DISPLAY_NAME_MAPPINGS = {key: name for module in MODULES for key, (name, _) in module.NODES.items()}
