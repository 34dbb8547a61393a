"""`make bench`: what the nodes cost beside stock CFG, where the model costs next to nothing: on the testbed.

Each round samples every variant once, in turn; the table shows medians of the per-round ratios to stock.
"""

import statistics
import time

import torch
from measure import MEMORIZED_CAPTIONS, NODES, WIDGETS, encode
from tqdm import trange

# The import above has put the host on the CPU.
# isort: split
import comfy.sample
import comfy.utils

ROUNDS, BATCH, STEPS = 9, 4, 50
VARIANTS = {
    "off": {"transition": "off"},
    "dynamic, zero guidance": {},
    "dynamic, opposite guidance": {"before_transition": "opposite guidance"},
    "static": {"transition": "static"},
    "static, unused pass skipped": {"transition": "static", "skip_unused_pass": True},
}


def main() -> None:
    comfy.utils.set_progress_bar_enabled(False)
    model, clip, *_ = NODES["LoadMemorizationTestbed"]().load("eps")
    positive, negative = encode(clip, MEMORIZED_CAPTIONS[0]), encode(clip, "")
    empty = {"samples": torch.zeros(BATCH, 3, 16, 16)}

    def stock() -> None:
        noise = comfy.sample.prepare_noise(empty["samples"], 0)
        arguments = (STEPS, 7.5, "euler", "normal", positive, negative, empty["samples"])
        comfy.sample.sample(model, noise, *arguments, disable_pbar=True, seed=0)

    def variant(widgets: dict) -> None:
        inputs = {"model": model, "seed": 0, "positive": positive, "negative": negative, "latent_image": empty}
        NODES["BasinEscapeKSampler"]().sample(**inputs, **{**WIDGETS, "steps": STEPS, **widgets})

    runs = {"stock KSampler": stock} | {name: lambda w=widgets: variant(w) for name, widgets in VARIANTS.items()}
    for run in runs.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in trange(ROUNDS, unit="round"):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    base = seconds["stock KSampler"]
    print(f"\n{BATCH} images, {STEPS} steps, {ROUNDS} interleaved rounds:\n\n| run | time | stock = 1 |\n|---|---|---|")
    for name, times in seconds.items():
        ratio = statistics.median(time / stock for time, stock in zip(times, base, strict=True))
        print(f"| {name} | {statistics.median(times) * 1000:.0f} ms | {ratio:.2f} |")


if __name__ == "__main__":
    main()
