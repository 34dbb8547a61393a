"""The guidance rule as a ComfyUI guider: it may leave out a pass, and run a third one where it is needed."""

from typing import Any

import comfy.samplers
import torch
from torch import Tensor

from ..guidance import select
from ..run import Run
from ..settings import CONDITIONAL, NEVER, ORTHOGONAL, STATIC, ZERO, Settings
from ..trace import GuidanceTrace
from .cfg_hooks import PRE_CFG
from .passes import IN_ITS_OWN_WAY, Passes
from .patch import SECOND_PASS, hooks_of


class BasinEscapeCFGGuider(comfy.samplers.CFGGuider):
    """CFGGuider whose guidance follows `settings`; its runs go into `trace`.

    An `unconditional` conditioning stands for the negative one in what is followed and watched of a sample, up to the
    observation in which CFG begins to act on it; not under orthogonal guidance, which follows the host's CFG all the
    way. skip_unused_pass leaves out the prediction that a static transition does not use. `hooks` and `empty` (the
    prepared `unconditional`) exist while sampling only.
    """

    def __init__(self, model_patcher: Any, settings: Settings, trace: GuidanceTrace, skip_unused_pass: bool = False):
        super().__init__(model_patcher)
        self.settings = settings
        self.trace = trace
        self.skip_unused_pass = skip_unused_pass

    def set_conds(self, positive, negative, unconditional=None):
        """Conditionings as nodes hand them over; without `unconditional`, the negative one has its part."""
        conds = {"positive": positive, "negative": negative}
        if unconditional is not None:
            # Models that treat a negative prompt specially must see this one as such.
            conds["unconditional"] = [[cond, {**extra, "prompt_type": "negative"}] for cond, extra in unconditional]
        self.inner_set_conds(conds)

    def sample(self, noise, latent_image, sampler, sigmas, *args, **kwargs):
        self.hooks = hooks_of(self, self.settings, self.trace, sampler, sigmas.tolist())
        self.empty: Any = None
        samples = None
        try:
            samples = super().sample(noise, latent_image, sampler, sigmas, *args, **kwargs)
            return samples
        finally:
            self.hooks.hosted.end(self.trace, samples)
            del self.hooks, self.empty

    def inner_sample(
        self, noise, latent_image, device, sampler, sigmas, denoise_mask, callback, disable_pbar, seed, *args, **kwargs
    ):
        """Prepare `unconditional` apart: among three, the host would give each the areas and masks of the others."""
        empty = self.conds.pop("unconditional", None)
        if empty is not None and self.settings.before_transition != ORTHOGONAL:
            latent = latent_image
            if latent is not None and torch.count_nonzero(latent) > 0:
                latent = self.inner_model.process_latent_in(latent)
            pair = {"positive": [cond.copy() for cond in self.conds["positive"]], "negative": empty}
            self.empty = comfy.samplers.process_conds(
                self.inner_model, noise, pair, device, latent, denoise_mask, seed, *args, **kwargs
            )["negative"]
        positional = noise, latent_image, device, sampler, sigmas, denoise_mask, callback, disable_pbar, seed
        samples = super().inner_sample(*positional, *args, **kwargs)
        if empty is not None:
            self.conds["unconditional"] = empty  # for the host to clean up
        return samples

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        hosted, negative = self.hooks.hosted, self.conds["negative"]
        if hosted.unguided(timestep, self.conds["positive"], self.empty or negative):
            return super().predict_noise(x, timestep, model_options, seed)
        run = hosted.start(x, self.inner_model, self.cfg)
        passes = Passes(self.inner_model, self.conds["positive"], self.cfg, x, timestep, model_options, seed)
        if not run.active or not (self.empty or self.skip_unused_pass):
            with passes.hooked(self.hooks, run.active) as hooked:
                return hooked.pair(negative)
        # The passes are chosen by the mask on the CPU.
        sigma = timestep.cpu() if self.settings.transition == STATIC else timestep
        on, judged = run.mask(sigma), run.transition.judged
        if self.skip_unused_pass and judged.all() and not on.any() and self._one_is_used(model_options):
            return self._one_pass(run, passes)
        with passes.hooked(self.hooks, True) as hooked:
            if self.empty and not (on & judged).all():
                return self._with_unconditional(run, hooked, sigma)
            return hooked.pair(negative)

    def _one_is_used(self, model_options: dict) -> bool:
        """Whether one prediction is all that anybody uses before the transition."""
        before = self.settings.before_transition
        # CFG++ samplers step with the unconditional prediction.
        wanted = before == CONDITIONAL and model_options.get(SECOND_PASS, False)
        one = self.settings.transition in (STATIC, NEVER) and before in (ZERO, CONDITIONAL) and not wanted
        return one and not any(key in model_options for key in (PRE_CFG, IN_ITS_OWN_WAY))

    def _one_pass(self, run: Run, passes: Passes) -> Tensor:
        """The one prediction that is used, in a call that is a gap in the curves."""
        run.skip(passes.timestep)
        if self.settings.before_transition == CONDITIONAL:
            return passes.for_both(passes.conditional(), passes.positive)
        negative = self.empty or self.conds["negative"]
        return passes.for_both(passes.negative(negative), negative)

    def _with_unconditional(self, run: Run, passes: Passes, sigma: Tensor) -> Tensor:
        """Two passes, and a third one where some samples are, or may be from this call on, under CFG.

        Where the negative prompt is surely needed it makes a pair with the positive one, as in stock CFG, and comes
        last, so that a sample that turns out to be not memorized is bit for bit stock.
        """
        on, judged = run.mask(sigma), run.transition.judged
        with_negative = not bool(judged.all()) or bool(on.any())
        first = passes.negative(self.empty) if with_negative else None

        def pre_cfg(args):
            cond, second = args["conds_out"][:2]
            empty = second if first is None else first
            decided = self.hooks.decide(args, cond, select(on & judged, second, empty))
            if with_negative:
                return [cond, select(decided.on, second, empty)]
            now = run.mask(sigma)
            if not now.any():
                return [cond, empty]
            return [cond, select(now, passes.negative(self.conds["negative"]), empty)]

        passes.options[PRE_CFG] = [pre_cfg, *passes.options[PRE_CFG][1:]]
        return passes.pair(self.conds["negative"] if with_negative else self.empty)
