"""What of a run can be drawn, and over what."""

GUIDANCE_NORM = "guidance norm"
BOTH_NORMS = "conditional and unconditional norms"
SCALE = "guidance scale"
PULL = "pull"
FIRST_PULL = "first pull"
WEIGHTS = "image and noise weights"
DEVIATION = "deviation scores"
# What each choice draws: the trace's series, the label in the legend, the line style.
CURVES = {
    GUIDANCE_NORM: [("guidance_norm", "", "-")],
    BOTH_NORMS: [("conditional_norm", "conditional", "-"), ("unconditional_norm", "unconditional", ":")],
    SCALE: [("scale", "", "-")],
    PULL: [("pull", "", "-")],
    FIRST_PULL: [("first_pull", "", "-")],
    WEIGHTS: [("image_weight", "image (w0)", "-"), ("noise_weight", "noise (wT)", ":")],
    DEVIATION: [("image_ahead", "image ahead (D1)", "-"), ("noise_behind", "noise behind (D2)", ":")],
}
NORMS = (GUIDANCE_NORM, BOTH_NORMS)
FROM_ZERO = (GUIDANCE_NORM, FIRST_PULL)  # what is small there means something
LABELS = {
    **{norm: f"{norm} (RMS)" for norm in NORMS},
    SCALE: SCALE,
    PULL: "pull towards the first prediction",
    FIRST_PULL: "how much of the first pull is left",
    WEIGHTS: "share of the finished image and of the start noise",
    DEVIATION: "deviation from the schedule, summed over steps",
}
X_AXES = {"timestep": "timestep t", "step": "step", "sigma": "noise level sigma"}  # and what they are labelled with
