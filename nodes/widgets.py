"""Widgets and sockets that several nodes share."""

TRACE_TOOLTIP = (
    "The numbers of every run, newest last. Connect it to Plot Guidance Norm or Save Guidance Trace, and the sampler's "
    "latent to their `samples`."
)

HOW_IT_PROTECTS = (
    "It takes the direction that leads to the copy out of the prompt (orthogonal guidance), or lets guidance begin "
    "only when the image has left the attraction basin (Jain et al.)."
)

TRACE = {"trace": ("GUIDANCE_TRACE", {"tooltip": "The trace of a Basin Escape node."})}

SAMPLES = {
    "samples": (
        "LATENT",
        {
            "tooltip": "The sampler's latent: this node waits until it is there, and Plot Guidance Norm draws the run "
            "that made it. Needed with the model patch and the guider, whose trace has every run.",
        },
    ),
}

SKIP_UNUSED_PASS = {
    "skip_unused_pass": (
        "BOOLEAN",
        {
            "default": False,
            "tooltip": "With transition static or never, run only the prediction that is used: one model call instead "
            "of two in those steps. The curve has a gap there. No effect with dynamic, escape, opposite guidance and "
            "orthogonal guidance, which need both, nor beside nodes that act on both predictions.",
        },
    ),
}

UNCONDITIONAL = {
    "unconditional": (
        "CONDITIONING",
        {
            "tooltip": "An empty prompt. Before the transition it stands in for the negative prompt, which would "
            "otherwise attract the picture while there is no guidance. Needed only with a negative prompt; orthogonal "
            "guidance does not use it.",
        },
    ),
}

PROMPTS = {
    "positive": ("CONDITIONING", {"tooltip": "The prompt."}),
    "negative": ("CONDITIONING", {"tooltip": "The negative prompt; an empty one in the paper."}),
}

SEED = {
    "seed": (
        "INT",
        {
            "default": 0,
            "min": 0,
            "max": 0xFFFFFFFFFFFFFFFF,
            "control_after_generate": True,
            "tooltip": "The random seed of the start noise.",
        },
    ),
}

# Which node in the page is told of the curve while it grows.
UNIQUE_ID = {"unique_id": "UNIQUE_ID"}

CFG = {
    "cfg": (
        "FLOAT",
        {
            "default": 7.5,
            "min": 0.0,
            "max": 100.0,
            "step": 0.1,
            "round": 0.01,
            "tooltip": "The guidance scale. The paper used 7.5.",
        },
    ),
}
