"""The testbed and the two ways to sample it: with stock ComfyUI, and with the pack's guider."""

import comfy.sample
import comfy.samplers
import comfy.utils
import pytest
import torch
from basin_escape.samplers.guider import BasinEscapeCFGGuider
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from measure import NODES, count_calls, encode

comfy.utils.set_progress_bar_enabled(False)

MEMORIZED, OTHER, ORDINARY = "aurora red circle", "dusk yellow ring", "red circle"
SEED = 7


class Testbed:
    """One variant of the testbed. Every sampling starts from the same noise, a sample's by its place in the batch."""

    def __init__(self, variant):
        self.model, self.clip, self.vae, self.memorized, self.prompts = NODES["LoadMemorizationTestbed"]().load(variant)

    def encode(self, prompt):
        return encode(self.clip, prompt)

    def latent(self, batch=2):
        return {"samples": torch.zeros(batch, 3, 16, 16)}

    def noise(self, batch=2):
        return comfy.sample.prepare_noise(self.latent(batch)["samples"], SEED)

    def stock(
        self,
        prompt,
        model=None,
        negative="",
        batch=2,
        cfg=7.5,
        steps=12,
        sampler="euler",
        scheduler="normal",
        denoise=1.0,
        noise=None,
    ):
        """ComfyUI's own KSampler path."""
        noise = self.noise(batch) if noise is None else noise
        return comfy.sample.sample(
            self.model if model is None else model,
            noise,
            steps,
            cfg,
            sampler,
            scheduler,
            self.encode(prompt),
            self.encode(negative),
            torch.zeros_like(noise),
            denoise=denoise,
            disable_pbar=True,
            seed=SEED,
        )

    def guided(
        self,
        settings,
        prompt,
        model=None,
        negative="",
        unconditional=None,
        batch=2,
        cfg=7.5,
        steps=12,
        sampler="euler",
        scheduler="normal",
        denoise=1.0,
        noise=None,
        skip=False,
    ):
        """The pack's guider on the same schedule. Returns the samples and the trace of the run."""
        noise = self.noise(batch) if noise is None else noise
        guider = BasinEscapeCFGGuider(self.model if model is None else model, settings, GuidanceTrace(), skip)
        empty = None if unconditional is None else self.encode(unconditional)
        guider.set_conds(self.encode(prompt), self.encode(negative), empty)
        guider.set_cfg(cfg)
        schedule = comfy.samplers.KSampler(self.model, steps, noise.device, sampler, scheduler, denoise).sigmas
        samples = guider.sample(
            noise,
            torch.zeros_like(noise),
            comfy.samplers.sampler_object(sampler),
            schedule,
            disable_pbar=True,
            seed=SEED,
        )
        return samples, guider.trace.runs[-1] if guider.trace.runs else None

    def counted(self):
        return count_calls(self.model)


@pytest.fixture(scope="session")
def testbed():
    return Testbed("eps")


@pytest.fixture(scope="session", params=["eps", "v", "flow"])
def any_testbed(request):
    return Testbed(request.param)


@pytest.fixture
def settings():
    """The paper's rule without a deadline, opposite guidance for an early switch."""
    return Settings("dynamic", "opposite guidance", latest_percent=1.0)
