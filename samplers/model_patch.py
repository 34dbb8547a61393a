"""The guidance rule as a patch of a ComfyUI model: it acts under every sampler node and guider."""

import math
import uuid
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

try:
    from comfy.patcher_extension import WrappersMP
except ImportError:  # ComfyUI before December 2024
    WrappersMP = None

from .run import Run
from .settings import ESCAPE, Settings
from .trace import GuidanceTrace
from .transition import ascending

NO_SCALE = (
    "transition is escape, which needs the guidance scale, but this ComfyUI, or this guider, does not tell it to a "
    "model patch. Use Basin Escape Guider or KSampler (Basin Escape), or set transition to dynamic."
)


def patch_model(model: Any, settings: Settings, trace: GuidanceTrace) -> Any:
    """Return a clone of `model` (a ModelPatcher) whose CFG follows `settings`; its runs go into `trace`.

    The hook is a post-CFG function: it composes with every other node's hooks, and a sample under CFG leaves
    it bit for bit. The state of a run is held by the run's own model options, under a key of this patch.
    A run raises ValueError in its first model call where an escape is not told the guidance scale.
    """
    key = f"basin_escape_{uuid.uuid4().hex}"
    unannounced_sampling = _sampling_by_conditioning()

    def outer_sample(executor, *args, **kwargs):
        if settings.mitigates:
            _check_guider(executor.class_obj)
        sampling = SimpleNamespace(run=None)
        options = executor.class_obj.model_options  # the run's own copy
        options.setdefault("transformer_options", {})[key] = sampling
        sigmas = kwargs["sigmas"] if "sigmas" in kwargs else args[3]
        if settings.mitigates and not ascending(sigmas.tolist()):
            options["disable_cfg1_optimization"] = True
        samples = executor(*args, **kwargs)
        if sampling.run is not None:
            trace.append(sampling.run.trace)
        return samples

    def post_cfg(args):
        options = args["model_options"].get("transformer_options", {})
        announced = key in options
        sampling = options[key] if announced else unannounced_sampling(args)
        cfg = args.get("cond_scale", math.nan)
        if sampling.run is None:
            if settings.transition == ESCAPE and "cond_scale" not in args:
                raise ValueError(NO_SCALE)
            sampling.run = _start_run(args, options, settings, cfg, trace.listener)
            if not announced:  # nor is its end
                trace.append(sampling.run.trace)
        # Perp-Neg hands over an empty prompt besides the negative one.
        negative = "empty_cond" if "empty_cond" in args else "uncond"
        if sampling.run.unguided(args["sigma"], args["cond"], args[negative]):
            return args["denoised"]
        cond, uncond = args["cond_denoised"], args[f"{negative}_denoised"]
        if cond is uncond:  # the pack's guider ran one pass and hands it over in place of both
            return args["denoised"]
        sampling.run.place(args["sigma"])
        sampling.run.observe(args["input"], cond, uncond, args["sigma"], cfg)
        if not announced:
            sampling.run.record()
        return sampling.run.apply(args["denoised"], cond, uncond)

    patched = model.clone()
    if WrappersMP is None:
        patched.set_model_sampler_post_cfg_function(post_cfg, disable_cfg1_optimization=settings.mitigates)
    else:
        patched.set_model_sampler_post_cfg_function(post_cfg)
        patched.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, key, outer_sample)
    return patched


def _check_guider(guider: Any) -> None:
    """Raise ValueError for a guider that adds guidance where no hook can hold it back."""
    if "middle" in guider.original_conds and not getattr(guider, "nested", False):
        raise ValueError(
            "Basin Escape (model patch) cannot hold back the guidance of DualCFGGuider in its regular style, which "
            "is added after every hook. Set its style to nested, use Basin Escape Guider in its place, or set "
            "transition to off."
        )


def _start_run(args: dict, options: dict, settings: Settings, cfg: float, listener: Any) -> Run:
    x = args["input"]
    schedule = options.get("sample_sigmas")
    sigmas = None if schedule is None else schedule.tolist()
    return Run(settings, args["model"].model_sampling.percent_to_sigma, len(x), x[0].numel(), sigmas, cfg, listener)


def _sampling_by_conditioning() -> Callable[[dict], SimpleNamespace]:
    """Tell runs apart on a host that does not announce them.

    The host prepares the conditioning anew for every run, so another conditioning object is another run, and a run
    goes with it; so is a rise of the noise level to or above the first one of the run another run.
    """
    samplings = weakref.WeakKeyDictionary()
    first, last = math.inf, math.inf

    def sampling(args: dict) -> SimpleNamespace:
        nonlocal first, last
        conds = next(iter(args["cond"][0]["model_conds"].values()), args["model"])
        sigma = args["sigma"].max().item()
        if conds not in samplings or last < first <= sigma:
            samplings[conds], first = SimpleNamespace(run=None), sigma
        last = sigma
        return samplings[conds]

    return sampling
