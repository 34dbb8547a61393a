"""Checks of what comes in through the sockets and widgets that several nodes share."""

import math

from torch import Tensor

from ..samplers.trace import GuidanceTrace, RunTrace


def check_cfg(cfg: float) -> None:
    """Raise ValueError for a scale that is no number."""
    if not math.isfinite(cfg):
        raise ValueError(f"cfg is {cfg}: set it to a number, 7.5 for instance.")


def check_number(widget: str, value: float, low: float, high: float) -> None:
    """Raise ValueError for a number out of its range, or none: what no page would send, but an API does."""
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{widget} is {value}: set it to a number from {low:g} to {high:g}.")


def check_single(latent_image: dict) -> None:
    """Raise ValueError for a latent of several images, or with sound, where one image is to be the start of all."""
    samples = latent_image["samples"]
    if not isinstance(samples, Tensor):
        raise ValueError(
            "latent_image holds several latents in one (video with sound): choose one that is a single tensor."
        )
    batch = len(samples)
    if batch > 1:
        raise ValueError(
            f"latent_image holds {batch} images, but one is the start of all: set batch_size to 1, or choose one with "
            "Latent From Batch."
        )


def check_fixed_steps(sampler_name: str) -> None:
    """Raise ValueError for the sampler that follows no schedule."""
    if sampler_name == "dpm_adaptive":
        raise ValueError(
            "sampler_name is dpm_adaptive, which chooses its steps by the picture, so that runs do not compare. Choose "
            "another, dpmpp_2m for instance."
        )


def check_conditioning(**sockets: list) -> None:
    """Raise ValueError for a conditioning without entries, naming its socket."""
    for socket, conditioning in sockets.items():
        if not conditioning:
            raise ValueError(
                f"{socket} is an empty conditioning: connect a CLIP Text Encode node (an empty text is fine)."
            )


def find_run(trace: GuidanceTrace, samples: dict | None) -> tuple[RunTrace, str]:
    """The run that made `samples`, or else the newest one and a remark that says so.

    Raises ValueError where a trace goes on with every run of its node, and nothing tells which run is meant.
    """
    check_runs(trace)
    if samples is None and trace.goes_on:
        raise ValueError(
            "trace is that of a patch or a guider, which has the runs of every sampler behind it: connect the latent "
            "of the sampler whose run you mean to `samples`."
        )
    newest = trace.runs[-1]
    if samples is None or newest.made is None:
        return newest, ""
    run = trace.run_of(samples["samples"])
    return (run, "") if run else (newest, "the newest run; the latent at `samples` was made by none of these runs")


def check_runs(trace: GuidanceTrace) -> None:
    """Raise ValueError for a trace that has seen no sampling yet."""
    if not trace.runs:
        raise ValueError(
            "trace has no runs. Connect the sampler's latent to `samples`, so that this node runs after it. If it "
            "does, there was no guidance to observe: no negative prompt, cfg 1 with transition off, denoise 0, or a "
            "run that adds noise (Flip Sigmas)."
        )


def check_finite(**pictures):
    """Raise ValueError, by the socket's name, for pictures that are no numbers; None is not connected."""
    for name, images in pictures.items():
        if images is not None and not images.isfinite().all():
            raise ValueError(f"{name} holds values that are no numbers: the VAE may have failed in half precision.")
