"""The guidance scale of each model call, set where every other node reads it.

A wrapper of the guider's prediction changes `guider.cfg` while the call lasts: the host's CFG, its leaving out of the
negative pass at 1, the hooks of other nodes and of this pack then all see the scale that is in force. A ComfyUI before
August 2025 has no such wrapper: there a pre-CFG hook stretches the guidance in the conditional prediction, which comes
to the same denoised result, while the other nodes still read the scale of the sampler.
"""

import logging
import weakref
from typing import Any

import torch
from torch import Tensor

from ..guidance_schedule import GuidanceSchedule
from ..schedule import TimestepScale, reached
from .before_run import percent_to_sigma
from .conditioning import absent
from .uncopied import Uncopied
from .wrappers import WrappersMP

KEY = "basin_escape_scale"
NO_NEGATIVE = (
    "Schedule Guidance has no effect: there is no negative prediction (BasicGuider; or cfg 1 in an older ComfyUI), and "
    "so no guidance. Take CFGGuider, and a cfg above 1."
)


def schedule_guidance(model: Any, schedule: GuidanceSchedule) -> Any:
    """A clone of `model` (a ModelPatcher) whose guidance scale follows the schedule. Two in a row multiply.

    A run raises ValueError in its first model call for a guider with several scales.
    """
    patched, scale = model.clone(), ScaleInForce(schedule)
    if WrappersMP is not None and hasattr(WrappersMP, "PREDICT_NOISE"):
        patched.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, KEY, scale)
    else:
        patched.set_model_sampler_pre_cfg_function(scale.pre_cfg)
    return patched


class Levels:
    """Where on a model's noise schedule a noise level stands, and whether that is in the interval."""

    def __init__(self, schedule: GuidanceSchedule, model_sampling: Any):
        levels = percent_to_sigma(model_sampling)
        self.timestep = TimestepScale(levels)
        self.first, self.last = levels(schedule.start_percent), levels(schedule.end_percent)

    def __call__(self, sigma: float) -> tuple[float, bool]:
        """tau, and inside."""
        return self.timestep(sigma) / 1000, reached(sigma, self.first) and not reached(sigma, self.last)


class ScaleInForce(Uncopied):
    """The wrapper and the hook. What it keeps are the levels of models, and that it has warned."""

    def __init__(self, schedule: GuidanceSchedule):
        self.schedule = schedule
        self.levels: weakref.WeakKeyDictionary[Any, Levels] = weakref.WeakKeyDictionary()
        self.warned = False

    def scale(self, cfg: float | Tensor, sigma: Tensor, model_sampling: Any) -> float | Tensor:
        """Of a model call at the noise level sigma [batch]."""
        if model_sampling not in self.levels:
            self.levels[model_sampling] = Levels(self.schedule, model_sampling)
        return self.schedule.scale(cfg, *self.levels[model_sampling](sigma[0].item()))

    def __call__(self, executor, x, timestep, *args, **kwargs):
        guider = executor.class_obj
        check_one_scale(guider)
        if "negative" not in guider.conds:
            self._warn()
            return executor(x, timestep, *args, **kwargs)
        cfg = guider.cfg
        guider.cfg = self.scale(cfg, timestep, guider.inner_model.model_sampling)
        try:
            return executor(x, timestep, *args, **kwargs)
        finally:
            guider.cfg = cfg

    def pre_cfg(self, args: dict) -> list:
        (cond, uncond, *others), cfg, sigma = args["conds_out"], args["cond_scale"], args["sigma"]
        if absent(args["conds"][1], sigma):
            self._warn()
            return args["conds_out"]
        scale = self.scale(cfg, sigma, args["model"].model_sampling)
        if scale == cfg:
            return args["conds_out"]
        if cfg == 0:
            raise ValueError(
                "cfg is 0, which this ComfyUI cannot schedule: set it to another number, 7.5 for instance."
            )
        return [torch.lerp(uncond, cond, scale / cfg), uncond, *others]

    def _warn(self) -> None:
        if not self.warned:
            logging.warning("Basin Escape: %s", NO_NEGATIVE)
        self.warned = True


def check_one_scale(guider: Any) -> None:
    """Raise ValueError for a guider that reads its scales elsewhere (DualCFGGuider, LTXV's)."""
    if hasattr(guider, "cfg1") or hasattr(guider, "video_cfg"):
        raise ValueError(
            "Schedule Guidance cannot change the scales of a guider that has two of them (DualCFGGuider, LTXV Dual CFG "
            "Guider): use CFGGuider or Basin Escape Guider, or take Schedule Guidance out."
        )
