from ..samplers.guidance import norm, rms
from ..samplers.per_sample_noise import adjust_per_sample
from .checks import check_number
from .found_noise import LEARNING_RATE, OUTPUTS, SOCKETS, Found, find_noise, told
from .node_text import norm_in_words


class AdjustInitialNoisePerSample:
    @classmethod
    def INPUT_TYPES(cls):
        target = (
            "At which guidance norm (RMS) an image's noise is left as it is. The paper's 0.9 at 512 pixels is 0.007; "
            "it tried 0.7 to 1.5, 0.0055 to 0.0117. Detect Memorization shows the norms of your model."
        )
        rate = "How far one update moves each number of the noise. 0.01 in the paper for SD 1.4, 0.1 for SD 2.0."
        iterations = (
            "An image that has not reached the target by then keeps what it has, and the report says so. 1000 in the "
            "paper. 0 measures only."
        )
        keep = (
            "Scale the noise back to its own length after every update, so that it stays as likely a noise as before. "
            "The paper leaves that to the optimizer's weight decay."
        )
        return {
            "required": {
                **SOCKETS,
                "target": ("FLOAT", {"default": 0.007, "min": 0.0, "max": 1.0, "step": 0.0001, "tooltip": target}),
                "learning_rate": ("FLOAT", {"default": 0.01, **LEARNING_RATE, "tooltip": rate}),
                "max_iterations": ("INT", {"default": 1000, "min": 0, "max": 10000, "tooltip": iterations}),
                "keep_length": ("BOOLEAN", {"default": False, "tooltip": keep}),
            }
        }

    RETURN_TYPES = ("NOISE", "STRING")
    RETURN_NAMES = ("noise", "report")
    OUTPUT_TOOLTIPS = OUTPUTS
    FUNCTION = "adjust"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Moves every image's start noise, by gradients, until the prompt's pull is down to a target (Han et al., "
        "per-sample). A noise below the target stays as it is. Guidance then acts from the first step on: no "
        "transition is needed. Not for quantised models."
    )
    SEARCH_ALIASES = ["adjust initial noise", "initial noise", "start noise", "optimize noise", "memorization noise"]

    def adjust(self, model, target, learning_rate, max_iterations, keep_length, **run):
        check_number("target", target, 0.0, 1.0)
        check_number("learning_rate", learning_rate, LEARNING_RATE["min"], LEARNING_RATE["max"])
        check_number("max_iterations", max_iterations, 0, 10000)

        def find(x, run, tell):
            elements = x[0].numel()
            pull = told(
                lambda n: rms(norm(run.delta(n)), elements),
                run,
                lambda value, update: tell(f"update {update}: norm {value:.4f}, target {target:.4f} RMS", update),
            )
            adjusted = adjust_per_sample(x, pull, target, learning_rate, max_iterations, keep_length)
            return Found(adjusted.x, in_words(adjusted.values, target, elements))

        return find_noise(find, max_iterations, model, **run)


def in_words(values, target, elements):
    first, last = (norm_in_words(values[place], elements) for place in (0, -1))
    if values[0] <= target:
        return f"unchanged, its norm is below the target: {first}"
    missed = "" if values[-1] <= target else "target not reached: "
    return f"{missed}norm {first} -> {last} after {len(values) - 1} updates"


NODES = {"AdjustInitialNoisePerSample": ("Adjust Initial Noise (per sample)", AdjustInitialNoisePerSample)}
