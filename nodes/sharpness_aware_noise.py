from ..samplers.sharpness_aware_noise import sharpness, sharpness_aware
from .checks import check_number
from .found_noise import LEARNING_RATE, OUTPUTS, SOCKETS, Found, find_noise, told


class SharpnessAwareInitialNoise:
    @classmethod
    def INPUT_TYPES(cls):
        threshold = (
            "At which loss a noise is taken: the prompt's pull one step along itself (RMS), plus alpha times the "
            "noise's own RMS. The released code's 8.2 at 512 pixels is 0.064. At alpha 0.05 a likely noise has 0.05 by "
            "itself: 0.014 is left for the pull."
        )
        alpha = (
            "How much the loss holds the noise back from growing. 0.05 in the released code for SD 1.4, 0.01 for SD 2."
        )
        step = "How far along the pull it is measured, per square root of the latent's elements: 1 at 512 pixels."
        rate = "How far one update moves each number of the noise. 0.05 in the released code."
        iterations = "Updates of one candidate. 10 in the released code: more moves it away from a likely noise."
        number = (
            "How many noises are tried, one after the other, until one is taken: your own first, then the same numbers "
            "in another order, which paint another picture. 8 in the released code. If all fail, the best is taken."
        )
        return {
            "required": {
                **SOCKETS,
                "threshold": ("FLOAT", {"default": 0.064, "min": 0.0, "max": 1.0, "step": 0.001, "tooltip": threshold}),
                "alpha": ("FLOAT", {"default": 0.05, "min": 0.0, "max": 1.0, "step": 0.01, "tooltip": alpha}),
                "step": ("FLOAT", {"default": 0.0078, "min": 0.0, "max": 1.0, "step": 0.0001, "tooltip": step}),
                "learning_rate": ("FLOAT", {"default": 0.05, **LEARNING_RATE, "tooltip": rate}),
                "max_iterations": ("INT", {"default": 10, "min": 0, "max": 1000, "tooltip": iterations}),
                "candidates": ("INT", {"default": 8, "min": 1, "max": 64, "tooltip": number}),
            }
        }

    RETURN_TYPES = ("NOISE", "STRING")
    RETURN_NAMES = ("noise", "report")
    OUTPUT_TOOLTIPS = OUTPUTS
    FUNCTION = "search"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Searches a start noise around which the prompt's pull is not sharp, by gradients (SAIL, Jeon et al.): your "
        "own, moved a little, or another one. Guidance then acts from the first step on: no transition is needed. Not "
        "for quantised models."
    )
    SEARCH_ALIASES = ["SAIL", "sharpness", "initial noise", "start noise", "optimize noise", "memorization noise"]

    def search(self, model, threshold, alpha, step, learning_rate, max_iterations, candidates, **run):
        for name, value in {"threshold": threshold, "alpha": alpha, "step": step}.items():
            check_number(name, value, 0.0, 1.0)
        check_number("learning_rate", learning_rate, LEARNING_RATE["min"], LEARNING_RATE["max"])
        check_number("max_iterations", max_iterations, 0, 1000)
        check_number("candidates", candidates, 1, 64)

        def find(x, run, tell):
            loss = told(
                lambda n: sharpness(n, run.delta, step, alpha),
                run,
                lambda value, asked: tell(
                    f"evaluation {asked + 1}: loss {value:.4f}, threshold {threshold:.4f}", asked
                ),
            )
            taken, tried = sharpness_aware(x, loss, threshold, learning_rate, max_iterations, candidates)
            return Found(taken.x, in_words(taken, tried, threshold))

        return find_noise(find, (max_iterations + 1) * candidates, model, **run)


def in_words(taken, tried, threshold):
    number = 1 + next(place for place, one in enumerate(tried) if one is taken)
    which = "its own noise" if number == 1 else f"candidate {number}"
    if taken.values[-1] > threshold:
        which = f"threshold not reached by any of {len(tried)} candidates: {which}"
    if len(taken.values) == 1:
        return f"{which}, unchanged: loss {taken.values[0]:.4f}"
    return f"{which}: loss {taken.values[0]:.4f} -> {taken.values[-1]:.4f} after {len(taken.values) - 1} updates"


NODES = {"SharpnessAwareInitialNoise": ("Sharpness-Aware Initial Noise", SharpnessAwareInitialNoise)}
