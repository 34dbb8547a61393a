"""The rule on a model of every family that ComfyUI knows (tests/support/families.py): other networks, other latents.

`make test-families` runs the slow ones too.
"""

import pytest
import torch
from basin_escape.benchmarks.measure import NODES, SETTINGS, WIDGETS
from basin_escape.samplers.host.family import family_of
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import WrappersMP, patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.tests.support import rule
from basin_escape.tests.support.families import FAMILIES, UNETS
from basin_escape.tests.support.family_runs import CFG, SEED, STEPS, Family, Told

SLOW = ("SDXL refiner", "ACE-Step")  # whose class has 90 million parameters at the least
MITIGATED = {
    "dynamic, zero": Settings("dynamic", "zero guidance", latest_percent=0.9),
    "dynamic, opposite, gate": Settings("dynamic", "opposite guidance", latest_percent=1.0),
    "escape, opposite": Settings("escape", "opposite guidance", latest_percent=0.9),
    "static, conditional only": Settings("static", "conditional only", static_percent=0.4),
    "never, orthogonal": Settings("never", "orthogonal guidance"),
}
NAMES = {
    "SD1.x": "Stable Diffusion 1.x",
    "SD2.x v": "Stable Diffusion 2.x",
    "SDXL": "SDXL",
    "SDXL refiner": "SDXL",
    "SD3": "Stable Diffusion 3",
    "Flux": "guidance-distilled model (Flux and the like)",
    "LTX": "video model",
    "LTX with sound": "video model",
    "Wan": "video model",
    "Hunyuan video": "guidance-distilled model (Flux and the like)",
}


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.nightly] * (name in SLOW)) for name in FAMILIES]
)
def family(request):
    return Family(request.param)


def same(made, expected):
    return all(torch.equal(*pair) for pair in zip(made, expected, strict=True))


def patched(family, settings, cfg=CFG):
    """A run under the model patch: what was made, the guider that was told all, and the run's trace."""
    trace = GuidanceTrace()
    made, told = family.under(patch_model(family.model, settings, trace), Told, cfg)
    return made, told, trace.runs[-1]


def test_off_and_gated_are_stock(family):
    expected, stock = family.under(family.model, Told)
    assert all(torch.isfinite(part).all() for part in expected)
    for settings in (Settings("off"), Settings(memorization_threshold=1.0)):
        made, told, run = patched(family, settings)
        assert same(made, expected) and run.gated.all() == (settings.transition != "off")
        assert [call.keys() for call in told.calls] == [call.keys() for call in stock.calls]
        guider = BasinEscapeCFGGuider(family.model, settings, GuidanceTrace())
        guider.set_conds(family.positive, family.negative)
        guider.set_cfg(CFG)
        assert same(family.run(guider), expected)


def test_the_nodes_switched_off_are_stock(family):
    expected, _ = family.under(family.model)
    off = {**SETTINGS, "transition": "off"}
    for node in ("BasinEscapeModelPatch", "BasinEscapeForModel"):
        widgets = off if node == "BasinEscapeModelPatch" else {"transition": "off"}
        assert same(family.under(NODES[node]().patch(family.model, **widgets)[0])[0], expected)
    prompts = {"positive": family.positive, "negative": family.negative}
    widgets = {**WIDGETS, **off, **prompts, "cfg": CFG, "steps": STEPS, "seed": SEED}
    latent, _ = NODES["BasinEscapeKSampler"]().sample(
        model=family.model, latent_image={"samples": family.latent()}, **widgets
    )
    assert same(family.parts(latent["samples"]), expected)


def test_norms_are_those_of_what_the_network_said(family):
    _, told, run = patched(family, Settings("off"))
    assert run.elements == told.calls[0][0][0].numel()
    for step, call in enumerate(told.calls):
        norms = [((call[1] - call[0])[sample] / call["sigma"]).norm() for sample in range(2)]
        found = run.quantity("guidance_norm")[step].double()
        torch.testing.assert_close(found, torch.stack(norms), rtol=1e-4, atol=1e-5)
        assert (found > 0).all() and run.quantity("sigma")[step, 0].item() == pytest.approx(call["sigma"])


def by_hand(settings, calls, sample, to_sigma):
    """The result of every call for one sample, by the rule in plain words."""
    cond, uncond, sigmas = zip(*[(call[0][sample], call[1][sample], call["sigma"]) for call in calls], strict=True)
    norms = [((u - c) / sigma).norm().item() for c, u, sigma in zip(cond, uncond, sigmas, strict=True)]
    ways = [(cond[0] - u).flatten() for u in uncond]
    gone = [(c - u).flatten() for c, u in zip(cond, uncond, strict=True)]
    pulls = [(CFG * (g @ way) / (way @ way)).item() for g, way in zip(gone, ways, strict=True)]
    begins = rule.transition(settings, norms, pulls, sigmas, to_sigma, cond[0].numel())
    results, v, w = [], gone[0], None
    for k, (c, u, g) in enumerate(zip(cond, uncond, gone, strict=True)):
        along = g @ v / (v @ v)
        if w is None and (g - along.clamp_min(0) * v).norm() > 1.75 * v.norm():
            w = g - along * v
        taken = along.clamp_min(0) * v + (0 if w is None else (g @ w / (w @ w)).clamp_min(0) * w)
        before = {
            "zero guidance": u,
            "opposite guidance": u - settings.opposite_scale * (c - u),
            "conditional only": c,
            "orthogonal guidance": u + CFG * (g - (1 + settings.repulsion) * taken).view_as(u),
        }[settings.before_transition]
        results.append(u + CFG * (c - u) if 0 <= begins <= k else before)
    return begins, results


@pytest.mark.parametrize("which", MITIGATED)
def test_transitions_and_guidance_are_the_rule_written_out(family, which):
    settings = MITIGATED[which]
    if "gate" in which:  # between the first norms of the two samples
        _, _, run = patched(family, Settings("off"))
        settings = Settings(
            settings.transition,
            settings.before_transition,
            latest_percent=1.0,
            memorization_threshold=run.quantity("guidance_norm")[0].mean().item() / run.elements**0.5,
        )
    _, told, run = patched(family, settings)
    for sample in range(2):
        to_sigma = family.model.get_model_object("model_sampling").percent_to_sigma
        begins, expected = by_hand(settings, told.calls, sample, to_sigma)
        assert run.transition_step[sample] == begins
        for call, result in zip(told.calls, expected, strict=True):
            scale = max(part.abs().max() for part in (call[0][sample], call[1][sample])).item()
            torch.testing.assert_close(call["result"][sample], result, rtol=1e-3, atol=1e-4 * CFG * scale)


def test_cfg_1_is_said(family):
    _, told, run = patched(family, MITIGATED["dynamic, zero"], cfg=1.0)
    assert run.status.kind == "warning" and "cfg is 1: twice the model calls" in run.status.text
    assert all({0, 1} <= call.keys() for call in told.calls)
    said = []
    stock, _ = family.under(family.model, cfg=1.0)
    trace = GuidanceTrace(listener=Listener(said))
    assert same(family.under(patch_model(family.model, Settings("off"), trace), cfg=1.0)[0], stock)
    if WrappersMP is not None:
        assert [status.kind for status in said] == ["off"] and "predictions is missing (cfg 1" in said[0].text


class Listener:
    """Keeps how runs end."""

    def __init__(self, said):
        self.said, self.due = said, lambda: False

    def __call__(self, run, ended):
        if ended:
            self.said.append(run.status)


def test_the_family_is_told_from_the_model(family):
    assert family_of(family.model).name == NAMES.get(family.name, "model of another family")


def test_what_needs_cross_attention_refuses_the_rest_by_name(family):
    if family.name in UNETS:
        pytest.skip("has cross-attention: tests/host/test_attention.py")
    prompts = {"positive": family.positive, "negative": family.negative}
    words = {"clip": None, "text": "a"}
    latent = {"samples": torch.zeros(1, 4, 8, 8)}
    asked = {
        "MitigateCrossAttention": {**words, "first_token_scale": 1.25, "mask_padding": True, "keep_end_token": True},
        "ReinforceContent": {**words, "width": 1.0, "reinforce": 2.0, "attenuate": 0.5},
        "BrightEndingMask": {**words, "samples": latent, "seed": 0, "timestep": 20.0},
        "SilenceNeurons": {"neurons": "0: 1"},
        "GUARDGuider": {**prompts, "cfg": CFG, "repulsion": 2.0, "attenuation": 1.0, "spike_threshold": 1.0},
        "DetectMemorization": {
            **{"positive": family.positive, "negative": family.negative, "latent_image": {"samples": family.latent(1)}},
            **{"seed": 0, "n_seeds": 1, "steps": 1, "threshold": 0.5, "sampler_name": "euler", "scheduler": "normal"},
            **{"cfg": CFG, "score_by": "attention entropy"},
        },
    }
    for key, inputs in asked.items():
        node, single = NODES[key](), family.nested and key == "DetectMemorization"
        with pytest.raises(ValueError, match="latent_image holds several" if single else "has no cross-attention"):
            getattr(node, node.FUNCTION)(model=family.model, **inputs)
