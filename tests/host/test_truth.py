"""The nodes tell the truth: what decides nothing, what cannot be protected, and that watching never ends a run."""

import copy
import functools
import math
import pickle

import comfy.model_management
import comfy.samplers
import comfy.utils
import pytest
import torch
from basin_escape.benchmarks.measure import NODES, WIDGETS
from basin_escape.samplers.host import before_run, patch
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import WrappersMP, patch_model
from basin_escape.samplers.settings import TRANSITIONS, Settings
from basin_escape.samplers.status import WITHOUT_GUIDANCE
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.testbed.judge import COPY_SIMILARITY, similarity
from basin_escape.tests.support import rule
from basin_escape.tests.support.gaussian import controlnet, load_gaussian, prompt

from .conftest import MEMORIZED, ORDINARY, OTHER, run_guider

announced = pytest.mark.skipif(WrappersMP is None, reason="this host does not tell a patch when a run begins and ends")
DYNAMIC, NEVER = Settings(latest_percent=1.0), Settings("never")


class Told:
    """A listener that is never due, and keeps what it is told at the end."""

    def __init__(self, runs):
        self.runs = runs

    def due(self):
        return False

    def __call__(self, run, ended):
        self.runs.append((run, ended))


def cfg_guider(testbed, model, settings, cfg=7.5, kind=comfy.samplers.CFGGuider):
    guider = kind(patch_model(model, settings, trace := GuidanceTrace()))
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    guider.set_cfg(cfg)
    return guider, trace


class Cache:
    """A step cache: every second call gets the network's last output, as the host's own caches hand it over."""

    name = "EasyCache"

    def __init__(self, flagged):
        self.flagged, self.calls, self.skip_current_step, self.output = flagged, 0, False, None

    def __call__(self, apply_model, args):
        self.calls += 1
        x = args["input"]
        if self.calls % 2 == 0 and self.output is not None:
            self.skip_current_step = self.flagged
            return x - args["timestep"].view(-1, 1, 1, 1) * self.output
        self.skip_current_step = False
        denoised = apply_model(x, args["timestep"], **args["c"])
        self.output = (x - denoised) / args["timestep"].view(-1, 1, 1, 1)
        return denoised

    def on(self, model):
        cached = model.clone()
        cached.set_model_unet_function_wrapper(self)
        if self.flagged:
            cached.model_options["transformer_options"] = {"easycache": self}
        return cached


@pytest.mark.parametrize("flagged", [True, False])
@pytest.mark.parametrize("transition", ["dynamic", "escape"])
def test_a_step_cache_decides_nothing(testbed, flagged, transition):
    """The transition is that of the computed calls alone, whether the cache says that it answered or not."""
    settings = Settings(transition, "opposite guidance", latest_percent=1.0)
    guider = BasinEscapeCFGGuider(Cache(flagged).on(testbed.model), settings, GuidanceTrace())
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    guider.set_cfg(7.5)
    run_guider(guider, testbed.noise(), 50)
    (run,) = guider.trace.runs
    assert run.steps == 50 and (run.transition_step % 2 == 0).any()
    sigmas = run.quantity("sigma")[:, 0].tolist()
    for sample, step in enumerate(run.transition_step.tolist()):
        norms = run.quantity("guidance_norm")[:, sample].tolist()
        pulls = (7.5 * run.quantity("pull")[:, sample]).tolist() if transition == "escape" else []
        own = [new and (k % 2 == 0 or not flagged) for k, new in enumerate(rule.computed(norms, sigmas))]
        assert step == rule.transition(settings, norms, pulls, sigmas, lambda percent: 0.0, run.elements, own)
        assert step % 2 == 0 or step < 0 or norms[step] < 1e-2  # where a repeated guidance is lost in the rounding
    if flagged:
        assert run.status.kind == "warning" and "a step cache answered 25 of 50 model calls" in run.status.text


class LeavesOut:
    """A node that saves work: in every second call zeros are in the place of a prediction, or of the network's output.

    what   "conditional", "unconditional", "both", or "output" (of both: a denoised prediction of eps 0 is x)
    first  the first call that it happens in
    """

    def __init__(self, what, first):
        self.what, self.first, self.sigmas = what, first, []

    def __call__(self, apply_model, args):
        x, sigma = args["input"], args["timestep"]
        self.sigmas += [] if sigma[0] in self.sigmas else [sigma[0]]
        denoised = apply_model(x, sigma, **args["c"])
        if len(self.sigmas) % 2 == self.first:
            return denoised
        if self.what == "output":
            return x
        pairs = zip(denoised.chunk(len(args["cond_or_uncond"])), args["cond_or_uncond"], strict=True)
        names = ("conditional", "unconditional")
        return torch.cat([rows * (self.what not in (names[which], "both")) for rows, which in pairs])

    def on(self, model):
        saving = model.clone()
        saving.set_model_unet_function_wrapper(self)
        return saving


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("what", ["conditional", "unconditional", "both", "output"])
@pytest.mark.parametrize(
    "settings",
    [
        Settings(latest_percent=1.0),
        Settings("dynamic", "opposite guidance", latest_percent=1.0),
        Settings("escape", latest_percent=1.0),
        Settings("never", "orthogonal guidance"),
    ],
    ids=lambda settings: f"{settings.transition}-{settings.before_transition}",
)
def test_zeros_in_a_predictions_place_decide_nothing(testbed, settings, what, first):
    """The transition is that of the calls with both predictions alone, and nothing is copied in the others."""
    samples, run = testbed.guided(settings, MEMORIZED, model=LeavesOut(what, first).on(testbed.model), steps=50)
    made = [k for k in range(50) if k % 2 != first]
    norms, sigmas = run.quantity("guidance_norm"), run.quantity("sigma")[:, 0].tolist()
    assert norms.isfinite().nonzero()[:, 0].unique().tolist() == made
    for sample, step in enumerate(run.transition_step.tolist()):
        seen = norms[:, sample].tolist()
        pulls = (7.5 * run.quantity("pull")[:, sample]).tolist() if settings.transition == "escape" else []
        own = rule.computed(seen, sigmas)
        assert step == rule.transition(settings, seen, pulls, sigmas, lambda percent: 0.0, run.elements, own)
        assert step < 0 or step in made
    assert f"in 25 of 50 model calls {WITHOUT_GUIDANCE}" in run.status.text and run.status.kind == "warning"
    image = testbed.memorized[testbed.prompts.splitlines().index(MEMORIZED)]
    assert similarity(testbed.vae.decode(samples), image).max() < COPY_SIMILARITY


@announced
def test_what_other_nodes_write_into_the_negative_prediction_has_no_say(testbed):
    """As TCFG and Skimmed CFG do: before the transition the rule follows what the model said."""
    model = testbed.model.clone()
    model.set_model_sampler_pre_cfg_function(lambda args: [args["conds_out"][0], args["conds_out"][0]])
    alone, _ = testbed.guided(NEVER, MEMORIZED)
    for wanted in (MEMORIZED, ORDINARY):
        patched = patch_model(model, NEVER, GuidanceTrace())
        assert torch.equal(testbed.stock(wanted, model=patched), alone)
        assert torch.equal(testbed.guided(NEVER, wanted, model=model)[0], alone)
    _, run = testbed.guided(DYNAMIC, MEMORIZED, model=model, steps=30)
    _, plain = testbed.guided(DYNAMIC, MEMORIZED, steps=30)
    first = plain.transition_step.min() + 1
    assert torch.equal(run.quantity("guidance_norm")[:first], plain.quantity("guidance_norm")[:first])


@pytest.mark.parametrize("before", ["zero guidance", "opposite guidance"])
def test_a_node_that_writes_into_the_predictions_it_is_handed_has_no_say(testbed, before):
    """As Skimmed CFG does: in place, after ours has looked at them."""

    def in_place(args):
        args["conds_out"][1].copy_(args["conds_out"][0])
        args["conds_out"][0].mul_(0.5)
        return args["conds_out"]

    model = testbed.model.clone()
    model.set_model_sampler_pre_cfg_function(in_place)
    settings = Settings("never", before)
    alone, _ = testbed.guided(settings, MEMORIZED)
    assert torch.equal(testbed.guided(settings, MEMORIZED, model=model)[0], alone)
    assert torch.equal(testbed.guided(settings, MEMORIZED, model=model, negative=OTHER, unconditional="")[0], alone)
    if WrappersMP:
        assert torch.equal(testbed.stock(MEMORIZED, model=patch_model(model, settings, GuidanceTrace())), alone)


@pytest.mark.parametrize("name", comfy.samplers.KSampler.SAMPLERS)
def test_whether_a_sampler_adds_noise_is_known_beforehand(testbed, any_testbed, name):
    """Two seeds for the noise on the way, one start: the pictures differ, or do not."""
    known = before_run.adds_noise(comfy.samplers.sampler_object(name), levels(any_testbed))
    assert known is any(part in name for part in ("ancestral", "sde", "ddpm", "lcm", "seeds", "sa_solver"))
    if name != "dpm_adaptive" and any_testbed.model.model.model_type == testbed.model.model.model_type:
        pictures, noise = [], testbed.noise(1)
        for seed in (1, 2):
            torch.manual_seed(seed)
            guider = comfy.samplers.CFGGuider(testbed.model)
            guider.set_conds(testbed.encode(""), testbed.encode(""))
            guider.set_cfg(1.0)
            pictures.append(run_guider(guider, noise, 4, name, seed=seed))
        assert known == (not torch.equal(*pictures))


def test_a_sampler_of_another_pack_is_tried_out(testbed):
    def foreign(model, x, sigmas, extra_args=None, callback=None, disable=None):
        for sigma in sigmas:
            x = model(x, sigma * x.new_ones(len(x)), **extra_args) + torch.randn_like(x) * sigma
        return x

    before = torch.get_rng_state()
    assert before_run.adds_noise(comfy.samplers.KSAMPLER(foreign), levels(testbed)) is True
    still = comfy.samplers.KSAMPLER(functools.partial(foreign_euler, strength=0))
    assert before_run.adds_noise(still, levels(testbed)) is False
    assert torch.equal(torch.get_rng_state(), before)


def levels(testbed):
    return before_run.near(testbed.model.get_model_object("model_sampling"))


def needs_more(model, x, sigmas, extra_args=None, callback=None, disable=None):
    model.inner_model.inner_model.diffusion_model.parameters()
    return foreign_euler(model, x, sigmas, extra_args=extra_args, strength=0)


def test_a_sampler_that_cannot_be_tried_out_is_said(testbed):
    assert before_run.adds_noise(object(), levels(testbed)) is None
    sampler = comfy.samplers.KSAMPLER(needs_more)
    assert before_run.adds_noise(sampler, levels(testbed)) is None
    for settings, said in (
        (DYNAMIC, True),
        (Settings("static"), False),
        (Settings("dynamic", "orthogonal guidance"), False),
    ):
        guider = BasinEscapeCFGGuider(testbed.model, settings, GuidanceTrace())
        guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
        guider.set_cfg(7.5)
        sigmas, noise = torch.tensor([10.0, 5.0, 1.0, 0.0]), testbed.noise()
        guider.sample(noise, torch.zeros_like(noise), sampler, sigmas, disable_pbar=True, seed=7)
        assert ("could not be tried out" in guider.trace.runs[-1].status.text) == said


def foreign_euler(model, x, sigmas, extra_args=None, callback=None, disable=None, strength=1):
    return model(x, sigmas[0] * x.new_ones(len(x)), **extra_args) + strength * torch.randn_like(x)


def status(testbed, settings, model=None, **options):
    return testbed.guided(settings, MEMORIZED, model=model or testbed.model, **options)[1].status


@pytest.mark.parametrize("transition", ["dynamic", "escape"])
def test_a_sampler_that_adds_noise_is_said(testbed, transition, caplog):
    said = status(testbed, Settings(transition), sampler="euler_ancestral")
    assert said.kind == "warning" and "adds noise" in said.text and "orthogonal guidance" in said.text
    assert caplog.text.count("adds noise") == 1
    assert status(testbed, Settings(transition), steps=30).kind == "protecting"
    assert status(testbed, Settings("never", "orthogonal guidance"), sampler="euler_ancestral").kind == "protecting"


def test_cfg_1_is_said(testbed):
    said = status(testbed, DYNAMIC, cfg=1.0)
    assert said.kind == "warning" and "cfg is 1: twice the model calls" in said.text
    assert status(testbed, Settings("off"), cfg=2.0).kind == "off"


def test_a_prompt_that_is_not_memorized_is_said(testbed):
    assert status(testbed, Settings(memorization_threshold=0.9)).kind == "not memorized"


@announced
def test_no_negative_prediction_is_said(testbed):
    told = []
    listener = Told(told)
    guider = comfy.samplers.CFGGuider(patch_model(testbed.model, DYNAMIC, GuidanceTrace(listener=listener)))
    guider.inner_set_conds({"positive": testbed.encode(MEMORIZED)})
    run_guider(guider, testbed.noise(), 4)
    ((run, _),) = told
    assert run.status.kind == "no effect" and "no guidance to switch" in run.status.text


@announced
def test_a_guider_that_runs_no_hooks_is_said(testbed, caplog):
    class Deaf(comfy.samplers.CFGGuider):
        def predict_noise(self, x, timestep, model_options={}, seed=None):
            return comfy.samplers.calc_cond_batch(self.inner_model, [self.conds["positive"]], x, timestep, {})[0]

    guider, trace = cfg_guider(testbed, testbed.model, DYNAMIC, kind=Deaf)
    run_guider(guider, testbed.noise(), 4)
    assert trace.runs == [] and "no effect" in caplog.text and "runs no CFG hooks" in caplog.text


def test_no_step_before_the_transition_is_said(testbed):
    said = status(testbed, Settings("dynamic", latest_percent=0.3), denoise=0.5)
    assert said.kind == "no effect" and "no step is left" in said.text


@announced
def test_a_second_patch_is_said(testbed):
    both = patch_model(patch_model(testbed.model, NEVER, GuidanceTrace()), NEVER, trace := GuidanceTrace())
    testbed.stock(MEMORIZED, model=both)
    assert "another Basin Escape patch" in trace.runs[-1].status.text


@announced
def test_corrections_of_other_nodes_that_wait_are_said(testbed):
    model = testbed.model.clone()
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"])
    guider, trace = cfg_guider(testbed, model, DYNAMIC)
    run_guider(guider, testbed.noise(), 30)
    assert "corrections after CFG" in trace.runs[-1].status.text
    ours, trace = cfg_guider(testbed, model, Settings("never", "orthogonal guidance"))
    run_guider(ours, testbed.noise(), 30)
    assert trace.runs[-1].status.kind == "protecting"


def bringing_back(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """Euler with a post-CFG hook of its own, which comes after all others and brings CFG back."""
    options = extra_args["model_options"]
    bring_back = lambda args: torch.lerp(args["uncond_denoised"], args["cond_denoised"], 7.5)  # noqa: E731
    hooks = [*options.get("sampler_post_cfg_function", []), bring_back]
    extra_args = {**extra_args, "model_options": {**options, "sampler_post_cfg_function": hooks}}
    euler = comfy.samplers.sampler_object("euler").sampler_function
    return euler(model, x, sigmas, extra_args=extra_args, callback=callback, disable=disable)


def test_a_hook_after_ours_is_said(testbed):
    guider, trace = cfg_guider(testbed, testbed.model, NEVER)
    sigmas = comfy.samplers.KSampler(testbed.model, 12, "cpu", "euler", "normal").sigmas
    noise, foreign = testbed.noise(), comfy.samplers.KSAMPLER(bringing_back)
    guider.sample(noise, torch.zeros_like(noise), foreign, sigmas, disable_pbar=True, seed=7)
    run = trace.runs[-1]
    assert run.status.kind == "warning" and "another node works on the result after this one" in run.status.text
    for sampler in ("euler", "euler_cfg_pp"):  # whose hook changes nothing
        guider, trace = cfg_guider(testbed, testbed.model, NEVER)
        run_guider(guider, noise, 12, sampler)
        assert trace.runs[-1].status.kind == "protecting"


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("by", ["guider", pytest.param("patch", marks=announced)])
def test_an_interrupted_run_is_told_and_not_kept(testbed, by):
    told = []
    listener = Told(told)
    trace, model = GuidanceTrace(listener=listener), testbed.model.clone()

    def interrupting(apply_model, args):
        if args["timestep"][0] < 1:
            raise Interrupted
        return apply_model(args["input"], args["timestep"], **args["c"])

    model.set_model_unet_function_wrapper(interrupting)
    if by == "guider":
        guider = BasinEscapeCFGGuider(model, DYNAMIC, trace)
    else:
        guider = comfy.samplers.CFGGuider(patch_model(model, DYNAMIC, trace))
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    guider.set_cfg(7.5)
    with pytest.raises(Interrupted):
        run_guider(guider, testbed.noise(), 12)
    assert trace.runs == []
    (run, ended) = told[-1]
    assert ended and run.status.kind == "interrupted" and run.steps > 0


class ScalePerImage(comfy.samplers.CFGGuider):
    """A guider of another pack with a scale of its own for each image."""

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        conds = [self.conds["positive"], self.conds["negative"]]
        cond, uncond = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
        scale = torch.linspace(3, 8, len(x)).view(-1, 1, 1, 1)
        return comfy.samplers.cfg_function(self.inner_model, cond, uncond, scale, x, timestep, model_options, *conds)


@pytest.mark.parametrize("transition", [name for name in TRANSITIONS if name != "escape" or WrappersMP])
def test_off_survives_any_precision_and_scale(testbed, transition):
    """float64 sampling, and a guidance scale for each image."""
    settings = Settings(transition, latest_percent=0.9)
    stock = comfy.samplers.CFGGuider(testbed.model)
    stock.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    stock.set_cfg(7.5)
    sigmas = comfy.samplers.KSampler(testbed.model, 12, "cpu", "euler", "normal").sigmas.double()
    noise, euler = testbed.noise(), comfy.samplers.sampler_object("euler")

    def double(guider):
        return guider.sample(noise, torch.zeros_like(noise), euler, sigmas, disable_pbar=True, seed=7)

    guider, trace = cfg_guider(testbed, testbed.model, settings)
    samples, expected = double(guider), double(stock)
    assert samples.isfinite().all() and trace.runs[-1].quantity("guidance_norm").dtype == torch.float32
    per_image, scales = cfg_guider(testbed, testbed.model, settings, kind=ScalePerImage)
    scaled = run_guider(per_image, noise, 12)
    assert scaled.isfinite().all()
    if transition == "off":
        assert torch.equal(samples, expected)
        plain = ScalePerImage(testbed.model)
        plain.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
        assert torch.equal(scaled, run_guider(plain, noise, 12))
        if WrappersMP:
            assert scales.runs[-1].quantity("scale")[0].tolist() == [3.0, 8.0]


@announced
def test_an_escape_goes_by_the_scale_in_force(testbed):
    """Whatever the guider's own number is: here each image has another."""
    settings, noise = Settings("escape", latest_percent=1.0), testbed.noise(1).repeat(2, 1, 1, 1)
    guider, trace = cfg_guider(testbed, testbed.model, settings, kind=ScalePerImage)
    run_guider(guider, noise, 50)
    (run,) = trace.runs
    sigmas, steps = run.quantity("sigma")[:, 0].tolist(), run.transition_step.tolist()
    for sample, scale in enumerate((3.0, 8.0)):
        norms = run.quantity("guidance_norm")[:, sample].tolist()
        pulls = (scale * run.quantity("pull")[:, sample]).tolist()
        expected = rule.transition(settings, norms, pulls, sigmas, lambda percent: 0.0, run.elements)
        assert steps[sample] == expected
        assert run.quantity("scale")[steps[sample] :, sample].unique().tolist() == [scale]
    assert 0 < steps[0] < steps[1]


def there_and_back(value):
    return pickle.loads(pickle.dumps(value))  # noqa: S301


@pytest.mark.parametrize("reduce", [copy.deepcopy, there_and_back])
def test_copies_of_the_options_are_harmless(testbed, reduce):
    """Nodes copy the options deeply in mid-run, and some send them to other processes."""
    seen = []

    def pre_cfg(args):
        options = {key: args["model_options"].get(key, []) for key in patch.HOOKS}
        others = {key: [hook for hook in hooks if hook is not pre_cfg] for key, hooks in options.items()}
        copied = reduce(others)
        hooks = copied["sampler_post_cfg_function"]
        # A copy elsewhere has no run: it hands on what it is given. A deep copy is the hook itself.
        seen.append([hook.__self__ for hook in hooks])
        return args["conds_out"]

    model = testbed.model.clone()
    model.set_model_sampler_pre_cfg_function(pre_cfg)
    guider, trace = cfg_guider(testbed, model, DYNAMIC)
    samples = run_guider(guider, testbed.noise(), 12)
    assert (
        torch.equal(samples, testbed.guided(DYNAMIC, MEMORIZED)[0]) and len(seen) == 12 and trace.runs[-1].steps == 12
    )


def test_an_empty_prompt_changes_nothing_of_the_other_two(testbed):
    """The host gives each conditioning the areas and masks of the others; a third one takes no part in that."""
    model = load_gaussian((4, 8, 8))
    mask = torch.zeros(1, 8, 8)
    mask[:, :4] = 1
    kinds = {
        "area": {"area": (4, 8, 0, 0), "strength": 1.0},
        "mask": {"mask": mask, "mask_strength": 0.7, "set_area_to_bounds": False},
        "timesteps": {"start_percent": 0.0, "end_percent": 0.6},
        "control": {"control": controlnet(0.3), "control_apply_to_uncond": True},
    }
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for extra in kinds.values():
        positive = [*prompt(0.7), *prompt(-0.9, **extra)]
        stock = comfy.samplers.CFGGuider(model)
        stock.set_conds(positive, prompt(-0.2))
        stock.set_cfg(3.0)
        expected = run_guider(stock, noise, 6)
        for settings in (
            Settings("off"),
            Settings(memorization_threshold=0.99),
            Settings("static", static_percent=0.0),
        ):
            for unconditional in (prompt(0.1), [*prompt(0.1), *prompt(0.4, **extra)]):
                guider = BasinEscapeCFGGuider(model, settings, GuidanceTrace())
                guider.set_conds(positive, prompt(-0.2), unconditional)
                guider.set_cfg(3.0)
                assert torch.equal(run_guider(guider, noise, 6), expected)


def test_an_image_is_watched_by_one_definition_whatever_the_others_do(testbed):
    """Against the empty prompt up to its transition, against the negative one after it, alone or in a batch."""
    for settings in (
        Settings("dynamic", "opposite guidance", latest_percent=0.9),
        Settings("static", static_percent=0.0, memorization_threshold=0.001),
    ):
        options = {"negative": OTHER, "unconditional": "", "steps": 20}
        _, run = testbed.guided(settings, MEMORIZED, batch=4, **options)
        for sample, noise in enumerate(testbed.noise(4)):
            _, alone = testbed.guided(settings, MEMORIZED, noise=noise[None], **options)
            norms = run.quantity("guidance_norm")[:, sample], alone.quantity("guidance_norm")[:, 0]
            torch.testing.assert_close(*norms, rtol=2e-2, atol=2e-3)
    _, against_empty = testbed.guided(Settings("never"), MEMORIZED, negative="")
    first = against_empty.quantity("guidance_norm")[0]
    torch.testing.assert_close(run.quantity("guidance_norm")[0, :2], first, rtol=1e-4, atol=1e-5)


def test_with_a_node_that_predicts_in_its_own_way_an_image_does_not_jump_with_another(testbed):
    """Before its transition, an image is the same whether or not another one of the batch has switched."""
    model = testbed.model.clone()

    def in_its_own_way(args):
        conds = comfy.samplers.calc_cond_batch(
            args["model"], args["conds"], args["input"], args["sigma"], args["model_options"]
        )
        return [conds[0], conds[1] + 0.1 * (conds[1] - conds[0])]

    model.model_options["sampler_calc_cond_batch_function"] = in_its_own_way
    settings = Settings("static", static_percent=[0.2, 0.9])
    together, _ = testbed.guided(settings, MEMORIZED, model=model, negative=OTHER, unconditional="")
    alone = Settings("static", static_percent=0.9)
    single, _ = testbed.guided(
        alone, MEMORIZED, model=model, negative=OTHER, unconditional="", noise=testbed.noise()[1:]
    )
    torch.testing.assert_close(together[1:], single, rtol=0, atol=5e-3)


def ksample(testbed, **changes):
    arguments = {
        **WIDGETS,
        "model": testbed.model,
        "seed": 3,
        "positive": testbed.encode(MEMORIZED),
        "negative": testbed.encode(""),
        "latent_image": testbed.latent(1),
        **changes,
    }
    return NODES["BasinEscapeKSampler"]().sample(**arguments)


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, 1.5])
def test_numbers_that_no_page_would_send_are_refused_by_name(testbed, value):
    with pytest.raises(ValueError, match=r"^denoise is "):
        ksample(testbed, denoise=value)
    start = {"positive": testbed.encode(MEMORIZED), "negative": testbed.encode(""), "latent_image": testbed.latent(1)}
    detect = {"n_seeds": 1, "steps": 1, "sampler_name": "euler", "scheduler": "normal", "cfg": 7.5, "seed": 0}
    with pytest.raises(ValueError, match=r"^threshold is "):
        NODES["DetectMemorization"]().detect(model=testbed.model, threshold=value, **start, **detect)
    _, trace = ksample(testbed, steps=4)
    with pytest.raises(ValueError, match=r"^tolerance is "):
        NODES["EstimateStaticTransition"]().estimate(trace, value)


@announced
def test_a_plot_finds_the_run_of_its_latent_or_says_that_it_cannot(testbed):
    patched = patch_model(testbed.model, Settings("off"), trace := GuidanceTrace(goes_on=True))
    first = testbed.stock(MEMORIZED, model=patched, steps=5)
    second = testbed.stock(MEMORIZED, model=patched, steps=9)
    from basin_escape.nodes.checks import find_run

    for latent, steps in ((first, 5), (second, 9), (first.half(), 5), (second.bfloat16(), 9)):
        run, remark = find_run(trace, {"samples": latent})
        assert run.steps == steps and not remark
    run, remark = find_run(trace, {"samples": first + 1})
    assert run.steps == 9 and "was made by none of these runs" in remark
    with pytest.raises(ValueError, match=r"^trace is that of a patch or a guider.*connect the latent"):
        find_run(trace, None)


@pytest.mark.parametrize("node", ["TransitionSweep", "DetectMemorization"])
def test_sweep_and_detection_set_a_patch_aside(testbed, node):
    """What they give is that of the model without it, and the patch has no run."""
    patched = patch_model(testbed.model, Settings("never", "orthogonal guidance"), trace := GuidanceTrace())
    shared = {"positive": testbed.encode(MEMORIZED), "negative": testbed.encode(""), "latent_image": testbed.latent(1)}
    shared |= {"seed": 3, "cfg": 7.5, "sampler_name": "euler", "scheduler": "normal"}
    own = {
        "TransitionSweep": {"steps": 6, "before_transition": "zero guidance", "opposite_scale": 2.0, "points": 2}
        | {"first_percent": 0.0, "last_percent": 0.8},
        "DetectMemorization": {"n_seeds": 2, "steps": 2, "threshold": 0.01},
    }[node]
    run = getattr(NODES[node](), NODES[node].FUNCTION)
    results = [run(model=model, **shared, **own) for model in (testbed.model, patched)]
    if node == "DetectMemorization":
        assert results[0] == results[1]
    else:
        assert torch.equal(*(latents["samples"] for latents, _, _ in results))
    assert trace.runs == []
    assert not torch.equal(testbed.stock(MEMORIZED, model=patched), testbed.stock(MEMORIZED))
    assert torch.equal(testbed.stock(MEMORIZED, model=patch.unpatched(patched)), testbed.stock(MEMORIZED))


def test_the_noise_levels_are_asked_for_on_the_cpu(testbed):
    """A model's schedule lies on its device: the run asks a copy."""

    class Far:
        def __init__(self):
            self.copies = 0

        def __deepcopy__(self, memo):
            self.copies += 1
            return near

        def percent_to_sigma(self, percent):
            raise AssertionError("asked on the device")

    near = type("Near", (), {"to": lambda self, device: self, "percent_to_sigma": lambda self, percent: 1 - percent})()
    far = Far()
    levels = before_run.percent_to_sigma(far)
    assert [levels(percent) for percent in (0.0, 0.25, 1.0)] == [1.0, 0.75, 0.0] and far.copies == 1


def test_no_call_of_a_run_asks_the_models_own_levels(testbed):
    """They lie on its device, where each question is a wait."""
    model, own = testbed.model.clone(), copy.deepcopy(testbed.model.get_model_object("model_sampling"))

    class Asked(type(own)):
        def percent_to_sigma(self, percent):
            assert self is not own
            return super().percent_to_sigma(percent)

    own.__class__ = Asked
    model.add_object_patch("model_sampling", own)
    for settings in (DYNAMIC, Settings("static", memorization_threshold=0.01)):
        assert testbed.guided(settings, MEMORIZED, model=model)[1].steps == 12
        guider, trace = cfg_guider(testbed, model, settings)
        run_guider(guider, testbed.noise(), 12)
        assert trace.runs[-1].quantity("timestep")[0, 0] > 990


def test_words_that_the_testbed_does_not_know_are_said_once(testbed, caplog):
    clip = type(testbed.clip)(testbed.clip.embed)
    for text in ("a photo of a dog", "a photo", "red circle"):
        clip.tokenize(text)
    assert caplog.text.count("does not know a, dog, of, photo") == 1 and caplog.text.count("does not know") == 1


class Encoder:
    """The testbed's text encoder, which notes when it is asked, and presses Cancel at one of the prompts."""

    def __init__(self, clip, events, cancel_at=None):
        self.tokenize, self.clip, self.events, self.cancel_at = clip.tokenize, clip, events, cancel_at

    def encode_from_tokens_scheduled(self, tokens):
        self.events.append("encode")
        if self.events.count("encode") == self.cancel_at:
            comfy.model_management.interrupt_current_processing()
        return self.clip.encode_from_tokens_scheduled(tokens)


ORDINARY_PROMPTS = ["red circle", "blue cross", "green square", "yellow ring", "red ring"]


def calibrate(testbed, events, cancel_at=None):
    """Detect Memorization with ordinary prompts: what is done one after another goes into `events`."""
    model = testbed.model.clone()

    def network(apply_model, args):
        events.append("look")
        return apply_model(args["input"], args["timestep"], **args["c"])

    model.set_model_unet_function_wrapper(network)
    return NODES["DetectMemorization"]().detect(
        model=model,
        positive=testbed.encode(MEMORIZED),
        negative=testbed.encode(""),
        latent_image=testbed.latent(1),
        threshold=0.01,
        ordinary_prompts="\n".join(ORDINARY_PROMPTS),
        clip=Encoder(testbed.clip, events, cancel_at),
        **{"n_seeds": 1, "steps": 1, "sampler_name": "euler", "scheduler": "normal", "cfg": 7.5, "seed": 0},
    )


def test_ordinary_prompts_are_encoded_and_looked_at_one_after_another(testbed, monkeypatch):
    events = []
    monkeypatch.setattr(
        comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *args, **kwargs: events.append((value, total))
    )
    calibrate(testbed, events)
    looks = events.index((1, 6))
    assert "encode" not in events[:looks] and events[-1] == (6, 6)  # progress before the first of them, to the end
    done = [event for event in events[looks:] if isinstance(event, str)]
    assert done == ["encode", *["look"] * looks] * 5


def test_cancel_is_heard_while_ordinary_prompts_are_encoded(testbed):
    events = []
    with pytest.raises(comfy.model_management.InterruptProcessingException):
        calibrate(testbed, events, cancel_at=2)
    assert events.count("encode") == 2
    assert not comfy.model_management.processing_interrupted()
    calibrate(testbed, events)  # nothing of it is left
