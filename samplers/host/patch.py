"""The guidance rule as a patch of a ComfyUI model: it acts under every sampler node and guider."""

from typing import Any

from ..schedule import ascending
from ..settings import BY_IMAGE, Settings
from ..status import Facts
from ..trace import GuidanceTrace
from .before_run import adds_noise, near
from .cfg_hooks import PRE_CFG, CFGHooks
from .hosted_run import POST_CFG, HostedRun
from .old_host import UnannouncedRuns
from .uncopied import Uncopied, is_ours
from .wrappers import WrappersMP

KEY = "basin_escape"
HOOKS = (PRE_CFG, POST_CFG)
SECOND_PASS = "disable_cfg1_optimization"


def patch_model(model: Any, settings: Settings, trace: GuidanceTrace) -> Any:
    """Return a clone of `model` (a ModelPatcher) whose CFG follows `settings`; its runs go into `trace`.

    A wrapper of the whole run puts the two hooks into the run's own copy of the options, around those of every other
    node: whatever is patched before or after this, the pre-CFG hook comes first and the post-CFG hook last. Its state
    is the hooks', and ends with the run. A run raises ValueError in its first model call where an escape is not told
    the guidance scale.
    """
    patched = model.clone()
    if WrappersMP is None:
        add_hooks(patched.model_options, UnannouncedRuns(settings, trace), settings.mitigates)
    else:
        patched.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, RunPatch(settings, trace))
    return patched


def unpatched(model: Any) -> Any:
    """A clone of `model` without the patches of this pack, for nodes that guide by a rule of their own."""
    clean = model.clone()
    if WrappersMP is None:
        for key in HOOKS:
            others = [hook for hook in clean.model_options.get(key, []) if not is_ours(hook)]
            clean.model_options = {**clean.model_options, key: others} if others else without(clean.model_options, key)
    else:
        clean.remove_wrappers_with_key(WrappersMP.OUTER_SAMPLE, KEY)
    return clean


def without(options: dict, key: str) -> dict:
    return {name: value for name, value in options.items() if name != key}


def add_hooks(model_options: dict, hooks: Any, second_pass: bool) -> None:
    """Put `pre_cfg` and `post_cfg` of hooks around those in `model_options`, whose lists are replaced, not changed.

    second_pass: the negative prediction is needed at cfg 1 too.
    """
    before, after = HOOKS
    model_options[before] = [hooks.pre_cfg, *model_options.get(before, [])]
    model_options[after] = [*model_options.get(after, []), hooks.post_cfg]
    if second_pass:
        model_options[SECOND_PASS] = True


class RunPatch(Uncopied):
    """A wrapper of the host's outer_sample that patches the run."""

    def __init__(self, settings: Settings, trace: GuidanceTrace):
        self.settings, self.trace = settings, trace

    def __call__(self, executor, *args, **kwargs):
        guider, settings = executor.class_obj, self.settings
        if settings.mitigates:
            _check_guider(guider)
        sampler, sigmas = (kwargs[name] if name in kwargs else args[k] for k, name in ((2, "sampler"), (3, "sigmas")))
        levels = sigmas.tolist()
        hooks = hooks_of(guider, settings, self.trace, sampler, levels)
        # The guider's options are the run's own copy.
        add_hooks(guider.model_options, hooks, settings.mitigates and not ascending(levels))
        samples = None
        try:
            samples = executor(*args, **kwargs)
            return samples
        finally:
            hooks.hosted.end(self.trace, samples)


def hooks_of(guider: Any, settings: Settings, trace: GuidanceTrace, sampler: Any, sigmas: list[float]) -> CFGHooks:
    """The hooks of a run that a guider is about to begin, with what can be known beforehand."""
    options = guider.model_options
    others = options.get(POST_CFG, [])
    model_sampling = near(guider.model_patcher.get_model_object("model_sampling"))
    facts = Facts(
        sampler_adds_noise=settings.transition in BY_IMAGE and adds_noise(sampler, model_sampling),
        other_corrections=not all(is_ours(hook) for hook in others),
        another=settings.mitigates and any(is_ours(hook) for hook in others),
    )
    negative = 2 if "empty_negative_prompt" in guider.original_conds else 1
    return CFGHooks(HostedRun(settings, sigmas, trace.listener, model_sampling.percent_to_sigma, facts), negative)


def _check_guider(guider: Any) -> None:
    """Raise ValueError for a guider that adds guidance where no hook can hold it back."""
    if "middle" in guider.original_conds and not getattr(guider, "nested", False):
        raise ValueError(
            "Basin Escape (model patch) cannot hold back the guidance of DualCFGGuider in its regular style, which "
            "is added after every hook. Set its style to nested, use Basin Escape Guider in its place, or set "
            "transition to off."
        )
