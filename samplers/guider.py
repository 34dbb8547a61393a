"""The guidance rule as a ComfyUI guider: it may leave out a pass, and run a third one where it is needed."""

from typing import Any

import comfy.samplers
from comfy.model_patcher import set_model_options_post_cfg_function
from torch import Tensor

from .guidance import CONDITIONAL
from .run import Run
from .settings import STATIC, Settings
from .trace import GuidanceTrace

# The options by which other nodes work on both predictions at once.
WORKS_ON_BOTH = ("sampler_pre_cfg_function", "sampler_calc_cond_batch_function")


class BasinEscapeCFGGuider(comfy.samplers.CFGGuider):
    """CFGGuider whose guidance follows `settings`; its runs go into `trace`.

    An `unconditional` conditioning replaces the negative one before the transition, in the prediction and in
    the guidance that is watched. skip_unused_pass leaves out the prediction that a static transition does not
    use. `run` exists while sampling only.
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
        self.run, self.schedule = None, sigmas.tolist()
        try:
            samples = super().sample(noise, latent_image, sampler, sigmas, *args, **kwargs)
            if self.run is not None:
                self.trace.append(self.run.trace)
            return samples
        finally:
            del self.run, self.schedule

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        run = self.run = self.run or self._start_run(x)
        empty = self.conds.get("unconditional")
        if run.unguided(timestep, self.conds["positive"], empty or self.conds["negative"]):
            return super().predict_noise(x, timestep, model_options, seed)
        chooses_passes = run.settings.transition == STATIC and (self.skip_unused_pass or empty)
        run.place(timestep.cpu() if chooses_passes else timestep)
        if self.skip_unused_pass and self._may_skip(run, model_options):
            return self._one_pass(run, x, timestep, model_options)
        if empty and run.active and not run.on.all():
            return self._with_unconditional(run, x, timestep, model_options, seed)

        def post_cfg(args):
            cond, uncond = args["cond_denoised"], args["uncond_denoised"]
            if run.unguided(timestep, args["cond"], args["uncond"]):
                return args["denoised"]
            run.observe(x, cond, uncond, timestep, self.cfg)
            return run.apply(args["denoised"], cond, uncond)

        options = set_model_options_post_cfg_function(model_options.copy(), post_cfg, run.active)
        return self._predict_pair(self.conds["negative"], x, timestep, options, seed)

    def _start_run(self, x: Tensor) -> Run:
        percent_to_sigma = self.inner_model.model_sampling.percent_to_sigma
        return Run(self.settings, percent_to_sigma, len(x), x[0].numel(), self.schedule, self.cfg, self.trace.listener)

    def _may_skip(self, run: Run, model_options: dict) -> bool:
        uncond_wanted = model_options.get("disable_cfg1_optimization", False)
        return run.skippable(uncond_wanted) and not any(key in model_options for key in WORKS_ON_BOTH)

    def _one_pass(self, run: Run, x: Tensor, timestep: Tensor, model_options: dict) -> Tensor:
        """Let the one prediction that is used stand for both: every hook of the host still has its call."""
        if run.settings.before_transition == CONDITIONAL:
            used = self.conds["positive"]
            prediction = comfy.samplers.calc_cond_batch(self.inner_model, [used, None], x, timestep, model_options)[0]
        else:
            used = self.conds.get("unconditional", self.conds["negative"])
            prediction = self._predict_negative(used, x, timestep, model_options)
        run.skip(timestep)
        options = set_model_options_post_cfg_function(model_options.copy(), lambda args: prediction)
        return comfy.samplers.cfg_function(
            self.inner_model,
            prediction,
            prediction,
            self.cfg,
            x,
            timestep,
            options,
            self.conds["positive"],
            used,
        )

    def _with_unconditional(self, run: Run, x: Tensor, timestep: Tensor, model_options: dict, seed) -> Tensor:
        """Two passes, and a third one where some samples are, or may be from this call on, under CFG.

        Where the negative prompt is surely needed it makes a pair with the positive one, as in stock CFG, and comes
        last, so that a sample that turns out to be not memorized is bit for bit stock. What is watched are the
        predictions before other nodes' hooks, which act on the pair alone.
        """
        negative, empty = self.conds["negative"], self.conds["unconditional"]
        with_negative = run.gate_pending or bool(run.on.any())
        empty_prediction = self._predict_negative(empty, x, timestep, model_options) if with_negative else None

        def pre_cfg(args):
            cond, second = args["conds_out"][:2]
            if empty_prediction is not None:
                run.observe(x, cond, empty_prediction, timestep, self.cfg)
                return [cond, run.select(second, empty_prediction)]
            run.observe(x, cond, second, timestep, self.cfg)
            if run.on.any():
                return [cond, run.select(self._predict_negative(negative, x, timestep, model_options), second)]
            return [cond, second]

        def post_cfg(args):
            return run.apply(args["denoised"], args["cond_denoised"], args["uncond_denoised"])

        options = set_model_options_post_cfg_function(model_options.copy(), post_cfg, True)
        options["sampler_pre_cfg_function"] = [pre_cfg, *model_options.get("sampler_pre_cfg_function", [])]
        return self._predict_pair(negative if with_negative else empty, x, timestep, options, seed)

    def _predict_pair(self, negative: list, x: Tensor, timestep: Tensor, model_options: dict, seed) -> Tensor:
        """The host's classifier-free guidance by the positive prompt and `negative`, with all hooks."""
        return comfy.samplers.sampling_function(
            self.inner_model, x, timestep, negative, self.conds["positive"], self.cfg, model_options, seed
        )

    def _predict_negative(self, conds: list, x: Tensor, timestep: Tensor, model_options: dict) -> Tensor:
        """One prediction in the negative prompt's place, so that patches that tell the two apart see it as such."""
        return comfy.samplers.calc_cond_batch(self.inner_model, [None, conds], x, timestep, model_options)[1]
