"""What artists put into a graph beside these nodes, on a model for which each of it has a closed form.

In every situation: off and gated are stock bit for bit at stock's calls; zero guidance throughout is sampling with
the negative prompt alone; the recorded norms are the formula's; the dynamic transition falls where it says.
"""

from dataclasses import dataclass, field

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import count_calls
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.tests.support.gaussian import (
    HAS_HOOKS,
    controlnet,
    guidance_norm,
    load_gaussian,
    lora,
    lora_hook,
    prompt,
)

from .conftest import run_guider

STEPS, BATCH, CFG = 12, 2, 3.0
IMAGE, AUDIO, VIDEO = (4, 8, 8), (4, 20), (4, 3, 8, 8)
OFF, GATED = Settings("off"), Settings("dynamic", memorization_threshold=0.99)
NEVER = Settings("static", static_percent=1.0)
DYNAMIC = Settings("dynamic", "opposite guidance", latest_percent=0.7)


@dataclass
class Situation:
    """positive, negative: conditionings; difference: negative minus positive mean of every element of a sample."""

    difference: torch.Tensor
    positive: list = field(default_factory=lambda: prompt(0.5))
    negative: list = field(default_factory=lambda: prompt(-0.5))
    model: object = None
    latent: torch.Tensor | None = None
    mask: torch.Tensor | None = None
    denoise: float = 1.0
    sampler: str = "euler"
    tolerance: float = 1e-3

    def __post_init__(self):
        self.model = self.model or load_gaussian(self.difference.shape)
        if self.latent is None:
            self.latent = torch.zeros(BATCH, *self.difference.shape)

    def sample(self, guider, positive=None):
        guider.set_conds(positive or self.positive, self.negative)
        guider.set_cfg(CFG)
        noise = torch.randn(self.latent.shape, generator=torch.Generator().manual_seed(3))
        run = {"sampler": self.sampler, "denoise": self.denoise, "latent": self.latent, "denoise_mask": self.mask}
        return run_guider(guider, noise, STEPS, **run)

    def stock(self, **options):
        """Samples and model calls of the host's own guider."""
        model, calls = count_calls(self.model)
        return self.sample(comfy.samplers.CFGGuider(model), **options), calls()

    def guided(self, settings, by):
        """Samples, model calls and run of the pack's patch or guider."""
        model, calls = count_calls(self.model)
        trace = GuidanceTrace()
        if by == "patch":
            guider = comfy.samplers.CFGGuider(patch_model(model, settings, trace))
        else:
            guider = BasinEscapeCFGGuider(model, settings, trace)
        samples = self.sample(guider)
        return samples, calls(), trace.runs[-1]


def everywhere(shape, difference=-1.0):
    return torch.full(shape, difference)


def left_half(inside, outside=-1.0):
    difference = everywhere(IMAGE, outside)
    difference[..., :4] = inside
    return difference


def area_situation():
    """Half of a wide picture has a second prompt, which the host fades in over eight columns from the border."""
    weight = torch.zeros(64)
    weight[:32] = (torch.arange(32, 0, -1) / 8).clamp(max=1)
    mean = (0.5 + 1.5 * weight) / (1 + weight)
    half = prompt(1.5, area=(8, 32, 0, 0), strength=1.0, set_area_to_bounds=False)
    return Situation((-0.5 - mean).expand(4, 8, 64), positive=prompt(0.5) + half)


def masked(mean, strength=1.0):
    mask = torch.zeros(1, 8, 8)
    mask[..., :4] = 1.0
    return prompt(mean, mask=mask, mask_strength=strength, set_area_to_bounds=False)


def with_control(conditioning, control):
    return [[cond, {**extra, "control": control, "control_apply_to_uncond": False}] for cond, extra in conditioning]


def known_region():
    """Inpainting: the left half of a picture of twos is kept."""
    mask = torch.ones(1, 1, 8, 8)
    mask[..., :4] = 0.0
    return mask


SITUATIONS = {
    "text to image": lambda: Situation(everywhere(IMAGE)),
    "image to image": lambda: Situation(everywhere(IMAGE), latent=torch.full((2, *IMAGE), 2.0), denoise=0.5),
    "inpainting": lambda: Situation(everywhere(IMAGE), latent=torch.full((2, *IMAGE), 2.0), mask=known_region()),
    "audio": lambda: Situation(everywhere(AUDIO)),
    "video": lambda: Situation(everywhere(VIDEO)),
    "stochastic sampler": lambda: Situation(everywhere(IMAGE), sampler="dpmpp_2m_sde"),
    "CFG++": lambda: Situation(everywhere(IMAGE), sampler="euler_cfg_pp"),
    "float16 model": lambda: Situation(everywhere(IMAGE), model=load_gaussian(IMAGE, torch.float16), tolerance=4e-2),
    "bfloat16 model": lambda: Situation(everywhere(IMAGE), model=load_gaussian(IMAGE, torch.bfloat16), tolerance=4e-2),
    # Combined prompts are averaged where they overlap.
    "combined prompts": lambda: Situation(everywhere(IMAGE, -1.5), positive=prompt(0.5) + prompt(1.5)),
    "combined negatives": lambda: Situation(everywhere(IMAGE, -1.5), negative=prompt(-0.5) + prompt(-1.5)),
    "area": area_situation,
    "mask": lambda: Situation(left_half(-1.5), positive=prompt(0.5) + masked(1.5)),
    "mask of half strength": lambda: Situation(left_half(-4 / 3), positive=prompt(0.5) + masked(1.5, 0.5)),
    "timestep ranges that follow each other": lambda: Situation(
        everywhere(IMAGE),
        positive=prompt(0.5, start_percent=0.0, end_percent=0.5) + prompt(0.5, start_percent=0.5, end_percent=1.0),
    ),
    "ControlNet on both prompts": lambda: Situation(
        everywhere(IMAGE),
        positive=with_control(prompt(0.5), control := controlnet(0.5)),
        negative=with_control(prompt(-0.5), control),
    ),
    "ControlNet on the positive prompt": lambda: Situation(
        everywhere(IMAGE, -1.5), positive=with_control(prompt(0.5), controlnet(0.5))
    ),
    "LoRA": lambda: Situation(everywhere(IMAGE, -1.5), model=lora(load_gaussian(IMAGE), 0.5)),
}
if HAS_HOOKS:
    SITUATIONS["LoRA hook on the positive prompt"] = lambda: Situation(
        everywhere(IMAGE, -1.25), positive=lora_hook(prompt(0.5), 0.5)
    )
    SITUATIONS["LoRA hooks on both prompts"] = lambda: Situation(
        everywhere(IMAGE, -1.75), positive=lora_hook(prompt(0.5), 0.5), negative=lora_hook(prompt(-0.5), 1.0)
    )


@pytest.fixture(params=SITUATIONS)
def situation(request):
    return SITUATIONS[request.param]()


@pytest.mark.parametrize("by", ["patch", "guider"])
@pytest.mark.parametrize("settings", [OFF, GATED], ids=["off", "gated"])
def test_untouched_is_stock(situation, settings, by):
    expected, stock_calls = situation.stock()
    samples, calls, run = situation.guided(settings, by)
    assert torch.equal(samples, expected) and calls == stock_calls
    assert run.gated.all() == (settings is GATED)


@pytest.mark.parametrize("by", ["patch", "guider"])
def test_zero_guidance_throughout_is_the_negative_prompt_alone(situation, by):
    expected, _ = situation.stock(positive=situation.negative)
    samples, _, run = situation.guided(NEVER, by)
    torch.testing.assert_close(samples, expected, rtol=0, atol=situation.tolerance)
    assert (run.quantity("scale") == 0).all()


def test_the_norms_are_the_formulas_and_the_transition_falls_where_they_say(situation):
    sigmas = comfy.samplers.KSampler(situation.model, STEPS, "cpu", "euler", "normal", situation.denoise).sigmas[:-1]
    expected = torch.tensor([guidance_norm(sigma, situation.difference) for sigma in sigmas])
    # One rise and one fall: no local minimum, so the deadline decides.
    latest = situation.model.get_model_object("model_sampling").percent_to_sigma(DYNAMIC.latest_percent)
    step = next(k for k, sigma in enumerate(sigmas) if sigma <= latest)
    samples, calls, run = situation.guided(DYNAMIC, "guider")
    norms = run.quantity("guidance_norm")
    torch.testing.assert_close(norms, expected[:, None].expand(-1, BATCH), rtol=situation.tolerance, atol=1e-3)
    assert run.transition_step.tolist() == [step] * BATCH
    assert run.quantity("scale")[:, 0].tolist() == [-2.0] * step + [CFG] * (STEPS - step)
    assert calls == situation.stock()[1]
    patched, patch_calls, patch_run = situation.guided(DYNAMIC, "patch")
    assert torch.equal(patched, samples) and patch_calls == calls
    assert torch.equal(patch_run.transition_step, run.transition_step)


def test_the_kept_part_of_an_inpainted_picture_is_kept():
    samples, _, _ = SITUATIONS["inpainting"]().guided(DYNAMIC, "guider")
    assert (samples[..., :4] == 2.0).all() and (samples[..., 4:] != 2.0).all()


def test_a_lora_loaded_after_the_patch_is_the_lora_loaded_before_it():
    situation = SITUATIONS["LoRA"]()
    expected, _, _ = situation.guided(DYNAMIC, "patch")
    after = lora(patch_model(load_gaussian(IMAGE), DYNAMIC, trace := GuidanceTrace()), 0.5)
    assert torch.equal(situation.sample(comfy.samplers.CFGGuider(after)), expected)
    assert len(trace.runs) == 1
