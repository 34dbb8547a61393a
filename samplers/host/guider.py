"""The guidance rule as a ComfyUI guider: it may leave out a pass, and run a third one where it is needed."""

from typing import Any

import comfy.samplers
import torch
from comfy.model_patcher import set_model_options_post_cfg_function
from torch import Tensor

from ..guidance import select
from ..run import Run
from ..settings import CONDITIONAL, NEVER, ORTHOGONAL, STATIC, ZERO, Settings
from ..trace import GuidanceTrace
from .cfg_hooks import PRE_CFG
from .patch import add_hooks, hooks_of

# The options by which other nodes work on both predictions at once.
IN_ITS_OWN_WAY = "sampler_calc_cond_batch_function"


class BasinEscapeCFGGuider(comfy.samplers.CFGGuider):
    """CFGGuider whose guidance follows `settings`; its runs go into `trace`.

    An `unconditional` conditioning stands for the negative one in what is followed and watched of a sample, up to the
    observation in which CFG begins to act on it; not under orthogonal guidance, which follows the host's CFG all the
    way. skip_unused_pass leaves out the prediction that a static transition
    does not use. `hooks` and `empty` (the prepared `unconditional`) exist while sampling only.
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
            self.hooks.end(self.trace, samples)
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
        if self.hooks.unguided(timestep, self.conds["positive"], self.empty or self.conds["negative"]):
            return super().predict_noise(x, timestep, model_options, seed)
        run = self.hooks.start(x, self.inner_model, self.cfg)
        options = model_options.copy()
        add_hooks(options, self.hooks, run.active)
        if not run.active or not (self.empty or self.skip_unused_pass):
            return self._predict_pair(self.conds["negative"], x, timestep, options, seed)
        # The passes are chosen by the mask on the CPU.
        sigma = timestep.cpu() if self.settings.transition == STATIC else timestep
        on, judged = run.mask(sigma), run.transition.judged
        if self.skip_unused_pass and judged.all() and not on.any() and self._one_is_used(model_options):
            return self._one_pass(run, x, timestep, model_options)
        if self.empty and not (on & judged).all():
            return self._with_unconditional(run, x, timestep, sigma, options, seed)
        return self._predict_pair(self.conds["negative"], x, timestep, options, seed)

    def _one_is_used(self, model_options: dict) -> bool:
        """Whether one prediction is all that anybody uses before the transition."""
        before = self.settings.before_transition
        # CFG++ samplers step with the unconditional prediction.
        wanted = before == CONDITIONAL and model_options.get("disable_cfg1_optimization", False)
        one = self.settings.transition in (STATIC, NEVER) and before in (ZERO, CONDITIONAL) and not wanted
        return one and not any(key in model_options for key in (PRE_CFG, IN_ITS_OWN_WAY))

    def _one_pass(self, run: Run, x: Tensor, timestep: Tensor, model_options: dict) -> Tensor:
        """Let the one prediction that is used stand for both: every hook of the host still has its call."""
        positive, negative = self.conds["positive"], self.empty or self.conds["negative"]
        if self.settings.before_transition == CONDITIONAL:
            used = positive
            prediction = comfy.samplers.calc_cond_batch(self.inner_model, [used, None], x, timestep, model_options)[0]
        else:
            used = negative
            prediction = self._predict_negative(used, x, timestep, model_options)
        run.skip(timestep)
        options = set_model_options_post_cfg_function(model_options.copy(), lambda args: prediction)
        return comfy.samplers.cfg_function(
            self.inner_model, prediction, prediction, self.cfg, x, timestep, options, positive, used
        )

    def _with_unconditional(
        self, run: Run, x: Tensor, timestep: Tensor, sigma: Tensor, options: dict, seed: int | None
    ) -> Tensor:
        """Two passes, and a third one where some samples are, or may be from this call on, under CFG.

        Where the negative prompt is surely needed it makes a pair with the positive one, as in stock CFG, and comes
        last, so that a sample that turns out to be not memorized is bit for bit stock.
        """
        on, judged = run.mask(sigma), run.transition.judged
        with_negative = not bool(judged.all()) or bool(on.any())
        first = self._predict_negative(self.empty, x, timestep, options) if with_negative else None

        def pre_cfg(args):
            cond, second = args["conds_out"][:2]
            empty = second if first is None else first
            self.hooks.decide(args, cond, select(on & judged, second, empty))
            now = run.mask(sigma)
            if first is None and not now.any():
                return [cond, empty]
            negative = second if with_negative else self._predict_negative(self.conds["negative"], x, timestep, options)
            return [cond, select(now, negative, empty)]

        options[PRE_CFG] = [pre_cfg, *options[PRE_CFG][1:]]
        return self._predict_pair(self.conds["negative"] if with_negative else self.empty, x, timestep, options, seed)

    def _predict_pair(self, negative: list, x: Tensor, timestep: Tensor, model_options: dict, seed) -> Tensor:
        """The host's classifier-free guidance by the positive prompt and `negative`, with all hooks."""
        return comfy.samplers.sampling_function(
            self.inner_model, x, timestep, negative, self.conds["positive"], self.cfg, model_options, seed
        )

    def _predict_negative(self, conds: list, x: Tensor, timestep: Tensor, model_options: dict) -> Tensor:
        """One prediction in the negative prompt's place, so that patches that tell the two apart see it as such.

        A node that predicts in its own way is asked for a pair, as it expects to be.
        """
        if IN_ITS_OWN_WAY in model_options:
            pair = [self.conds["positive"], conds]
            args = {"conds": pair, "input": x, "sigma": timestep, "model": self.inner_model}
            return model_options[IN_ITS_OWN_WAY]({**args, "model_options": model_options})[1]
        return comfy.samplers.calc_cond_batch(self.inner_model, [None, conds], x, timestep, model_options)[1]
