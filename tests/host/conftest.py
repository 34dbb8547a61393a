"""The testbed and the two ways to sample it: with stock ComfyUI, and with the pack's guider."""

from dataclasses import dataclass

import comfy.sample
import comfy.samplers
import comfy.utils
import pytest
import torch
from basin_escape.benchmarks import cache
from basin_escape.benchmarks.measure import NODES, count_calls, encode
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

comfy.utils.set_progress_bar_enabled(False)

MEMORIZED, OTHER, ORDINARY = "aurora red circle", "dusk yellow ring", "red circle"
SEED = 7


def run_guider(
    guider, noise, steps, sampler="euler", scheduler="normal", denoise=1.0, latent=None, seed=SEED, **options
):
    """Sample as SamplerCustomAdvanced does, from an empty latent unless one is given."""
    return guider.sample(
        noise,
        torch.zeros_like(noise) if latent is None else latent,
        comfy.samplers.sampler_object(sampler),
        comfy.samplers.KSampler(guider.model_patcher, steps, noise.device, sampler, scheduler, denoise).sigmas,
        disable_pbar=True,
        seed=seed,
        **options,
    )


@dataclass
class Sampling:
    """What the two ways have in common; the testbed's model and noise where none are given."""

    testbed: "Testbed"
    model: object = None
    negative: str = ""
    batch: int = 2
    cfg: float = 7.5
    steps: int = 12
    sampler: str = "euler"
    scheduler: str = "normal"
    denoise: float = 1.0
    noise: torch.Tensor | None = None

    def __post_init__(self):
        self.model = self.testbed.model if self.model is None else self.model
        self.noise = self.testbed.noise(self.batch) if self.noise is None else self.noise


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

    def stock(self, prompt, **options):
        """ComfyUI's own KSampler path. Options are the fields of Sampling."""
        run = Sampling(self, **options)
        return comfy.sample.sample(
            run.model,
            run.noise,
            run.steps,
            run.cfg,
            run.sampler,
            run.scheduler,
            self.encode(prompt),
            self.encode(run.negative),
            torch.zeros_like(run.noise),
            denoise=run.denoise,
            disable_pbar=True,
            seed=SEED,
        )

    def guided(self, settings, prompt, unconditional=None, skip=False, **options):
        """The pack's guider on the same schedule. Returns the samples and the trace of the run."""
        run = Sampling(self, **options)
        guider = BasinEscapeCFGGuider(run.model, settings, GuidanceTrace(), skip)
        empty = None if unconditional is None else self.encode(unconditional)
        guider.set_conds(self.encode(prompt), self.encode(run.negative), empty)
        guider.set_cfg(run.cfg)
        samples = run_guider(guider, run.noise, run.steps, run.sampler, run.scheduler, run.denoise)
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


@pytest.fixture
def own_results(tmp_path, monkeypatch):
    """What the harness keeps on disk is this test's alone."""
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "results")
