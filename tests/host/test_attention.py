"""Edits of the cross-attention, in ComfyUI's own UNets: whom they reach, beside whom, and that others are untouched."""

import copy

import comfy.sample
import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES, SETTINGS, count_calls
from basin_escape.samplers.attention import begin_tokens
from basin_escape.samplers.first_token import scale_first_token
from basin_escape.samplers.guard import decayed
from basin_escape.samplers.host import attention
from basin_escape.samplers.host.attention import cross_attentions, edit_attention, layers
from basin_escape.samplers.host.guard import GUARDCFGGuider
from basin_escape.samplers.host.tokens import real_tokens
from basin_escape.tests.support.unets import KINDS, load_unet, prompt

from .conftest import SEED, Testbed, run_guider

WRAPS = attention.WrappersMP is not None
SHAPE = (4, 8, 8)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def unet(kind):
    return load_unet(kind)


def noise(batch=2):
    return comfy.sample.prepare_noise(torch.zeros(batch, *SHAPE), SEED)


def sampled(model, positive, negative, start=None, steps=2, guider=comfy.samplers.CFGGuider, **options):
    built = guider(model)
    built.set_conds(positive, negative)
    built.set_cfg(5.0)
    return run_guider(built, noise() if start is None else start, steps, **options)


class Seen:
    """An edit that changes nothing and keeps what it was told."""

    def __init__(self):
        self.calls = []

    def __call__(self, call):
        self.calls.append(call)
        return call.k, call.v


def first_token(call):
    rows = call.prompts.view(-1, 1, 1)
    return torch.where(rows, scale_first_token(call.k, 1.25), call.k), call.v


def test_an_edit_that_changes_nothing_is_stock_and_sees_every_layer(kind, unet):
    prompts, seen = (prompt(kind, 1), prompt(kind, 2)), Seen()
    assert torch.equal(sampled(edit_attention(unet, seen), *prompts), sampled(unet, *prompts))
    found = layers(unet)
    assert [call.number for call in seen.calls] == list(range(len(found))) * 2
    assert [call.part for call in seen.calls[: len(found)]] == [layer[0] for layer in found]
    assert all(call.heads * (call.k.shape[2] // call.heads) == call.k.shape[2] for call in seen.calls)
    assert not unet.model_options["transformer_options"]


def by_replacement(model, found, change):
    """The same edit as a written-out replacement of every layer: softmax over explicit logits."""

    def attend(q, k, v, extra):
        heads, ids = extra["n_heads"], extra["cond_or_uncond"]
        split = [x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v)]
        scores = split[0] @ split[1].transpose(2, 3) / split[0].shape[3] ** 0.5
        for row, place in enumerate([place for place in ids for _ in range(len(q) // len(ids))]):
            if place == 0:
                scores[row] = change(scores[row])
        return (scores.softmax(3) @ split[2]).transpose(1, 2).flatten(2)

    patched = model.clone()
    for part, number, index in found:
        patched.set_model_attn2_replace(attend, part, number, index)
    return patched


@pytest.mark.parametrize("blocks", [(1, 1), (2, 1), (1, 2)], ids=["equal", "long prompt", "long negative"])
def test_the_first_token_is_scaled_in_the_prompts_rows_alone(kind, unet, blocks):
    """A short conditioning is repeated by the host where the other one is longer: 77 tokens again, and their begin."""
    prompts = prompt(kind, 1, blocks[0]), prompt(kind, 2, blocks[1])

    def scaled(scores):
        scores = scores.clone()
        scores[..., ::77] *= 1.25
        return scores

    expected = sampled(by_replacement(unet, layers(unet), scaled), *prompts)
    found = sampled(edit_attention(unet, first_token), *prompts)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-2)
    assert (found - sampled(unet, *prompts)).abs().max() > 1


def test_a_batch_is_its_samples_one_by_one(kind, unet):
    model, prompts, start = edit_attention(unet, first_token), (prompt(kind, 1), prompt(kind, 2)), noise(3)
    together = sampled(model, *prompts, start=start)
    for place in range(3):
        alone = sampled(model, *prompts, start=start[place : place + 1])
        torch.testing.assert_close(together[place : place + 1], alone, rtol=1e-3, atol=1e-2)


def test_rows_are_told_in_whatever_order_and_number_they_come():
    """Two prompts with masks, of different lengths, and each prediction by itself, as on a host short of memory."""
    unet, seen = load_unet("SD1.x"), Seen()
    mask = torch.zeros(1, 8, 8)
    mask[:, :, :4] = 1
    halves = prompt("SD1.x", 1, mask=mask) + prompt("SD1.x", 3, blocks=2, mask=1 - mask)
    sampled(edit_attention(unet, seen), halves, prompt("SD1.x", 2), steps=1)
    prompts = torch.cat([call.prompts for call in seen.calls if call.number == 0])
    assert (prompts.sum(), len(prompts)) == (4, 6)
    for call in seen.calls:
        assert begin_tokens(call.k).sum(1).tolist() == [call.k.shape[1] // 77] * len(call.k)

    def one_by_one(args):
        options = {key: value for key, value in args["model_options"].items() if "calc_cond" not in key}
        single = [[cond if i == j else None for j in range(2)] for i, cond in enumerate(args["conds"])]
        call = args["model"], args["input"], args["sigma"]
        return [comfy.samplers.calc_cond_batch(call[0], conds, *call[1:], options)[i] for i, conds in enumerate(single)]

    if WRAPS:  # the option came with 0.3.44
        together = sampled(edit_attention(unet, first_token), halves, prompt("SD1.x", 2))
        apart = unet.clone()
        apart.model_options["sampler_calc_cond_batch_function"] = one_by_one
        found = sampled(edit_attention(apart, first_token), halves, prompt("SD1.x", 2))
        torch.testing.assert_close(found, together, rtol=1e-3, atol=1e-2)


def test_edits_add_up_with_each_other_and_with_another_nodes_replacement():
    unet, prompts, order = load_unet("SD1.x"), (prompt("SD1.x", 1), prompt("SD1.x", 2)), []

    def double(call):
        order.append("values")
        return call.k, 2 * call.v

    def replacement(q, k, v, extra):
        order.append("other")
        return attention.attend_as_the_host(q, k, 3 * v, extra)

    other = unet.clone()
    for layer in layers(unet):
        other.set_model_attn2_replace(replacement, *layer[:2])
    both = edit_attention(edit_attention(other, double), first_token)
    found = sampled(both, *prompts, steps=1)
    assert order[:2] == ["values", "other"]

    def sextuple(call):
        return first_token(call)[0], 6 * call.v

    torch.testing.assert_close(found, sampled(edit_attention(unet, sextuple), *prompts, steps=1), rtol=1e-3, atol=1e-2)


@pytest.mark.skipif(not WRAPS, reason="without wrappers a later replacement takes the edit's place")
def test_a_replacement_that_is_put_on_later_attends_with_the_edited_keys():
    unet, prompts = load_unet("SD1.x"), (prompt("SD1.x", 1), prompt("SD1.x", 2))
    later = edit_attention(unet, first_token)
    for layer in layers(unet):
        later.set_model_attn2_replace(attention.attend_as_the_host, *layer[:2])
    assert torch.equal(sampled(later, *prompts), sampled(edit_attention(unet, first_token), *prompts))


def test_a_run_and_a_deep_copy_leave_the_model_as_it_was():
    unet, prompts = load_unet("SD1.x"), (prompt("SD1.x", 1), prompt("SD1.x", 2))
    model = edit_attention(unet, first_token)
    once = sampled(model, *prompts)
    model.model_options = copy.deepcopy(model.model_options)
    assert torch.equal(sampled(model, *prompts), once)
    assert torch.equal(sampled(unet, *prompts), sampled(load_unet("SD1.x"), *prompts))


@pytest.mark.parametrize("variant", ["eps", "flow"])
def test_a_model_without_cross_attention_is_refused_by_name(variant):
    bed = Testbed(variant)
    with pytest.raises(ValueError, match=r"model is a ExactDenoiser, which has no cross-attention"):
        NODES["MitigateCrossAttention"]().mitigate(bed.model, bed.clip, "red circle", 1.25, True, True)
    with pytest.raises(ValueError, match=r"has no cross-attention"):
        NODES["GUARDGuider"]().get_guider(bed.model, bed.encode(""), bed.encode(""), 7.5, 2.0, 0.3, 0.1)


def test_a_dit_is_refused_by_name():
    from comfy.ldm.modules.diffusionmodules.mmdit import MMDiT

    class DiT:
        def __init__(self):
            self.model = type("Model", (), {"diffusion_model": MMDiT.__new__(MMDiT)})()
            torch.nn.Module.__init__(self.model.diffusion_model)
            self.model.diffusion_model.joint_blocks = torch.nn.ModuleList([torch.nn.Linear(1, 1)])

        def clone(self):
            return self

    with pytest.raises(ValueError, match=r"model is a MMDiT, which has no cross-attention .* Basin Escape \(model"):
        edit_attention(DiT(), first_token)


# Mitigate Cross-Attention


class Encoder:
    """Tokens as ComfyUI's CLIP of two parts: begin 7, end 8, a letter is a token, an embedding a tensor."""

    SIZE = 6

    def tokenize(self, text, **kwargs):
        room = self.SIZE - 2
        rows = [text[start : start + room] for start in range(0, max(len(text), 1), room)]
        ends = [(8, 1.0)]
        blocks = {}
        for name, pad in (("g", 0), ("l", 8)):
            words = [[(torch.zeros(3) if c == "*" else ord(c), 1.0) for c in row] for row in rows]
            full = [[(7, 1.0)] + row + ends for row in words]
            blocks[name] = [row + [(pad, 1.0)] * (self.SIZE - len(row)) for row in full]
        return blocks

    def encode_from_tokens_scheduled(self, tokens):
        blocks = [[token if isinstance(token, int) else 99 for token, _ in row] for row in tokens["l"]]
        return [[torch.tensor(blocks).flatten()[None, :, None].float(), {"pooled_output": None}]]


@pytest.mark.parametrize(
    ("text", "lengths", "tokens"),
    [
        ("", [2], [7, 8]),
        ("ab", [4], [7, 97, 98, 8]),
        ("a*", [4], [7, 97, 99, 8]),
        ("abcd", [6], [7, 97, 98, 99, 100, 8]),
        ("abcde", [6, 3], [7, 97, 98, 99, 100, 8, 7, 101, 8]),
    ],
)
def test_padding_is_left_out_of_every_block(text, lengths, tokens):
    unet = load_unet("SD1.x")
    assert real_tokens(Encoder(), text) == lengths
    _, positive = NODES["MitigateCrossAttention"]().mitigate(unet, Encoder(), text, 1.0, True, True)
    assert positive[0][0].flatten().tolist() == tokens
    _, positive = NODES["MitigateCrossAttention"]().mitigate(unet, Encoder(), text, 1.0, True, False)
    assert positive[0][0].flatten().tolist() == [token for token in tokens if token != 8]


def test_neutral_settings_are_stock_bit_for_bit():
    bed, text = Testbed("learned"), "aurora red circle"
    model, positive = NODES["MitigateCrossAttention"]().mitigate(bed.model, bed.clip, text, 1.0, False, True)
    assert model is bed.model
    assert torch.equal(positive[0][0], bed.encode(text)[0][0])


@pytest.mark.parametrize("words", [3, 13], ids=["one block", "two blocks"])
def test_the_learned_testbed_is_mitigated_at_no_further_call(words):
    bed, text = Testbed("learned"), " ".join((["aurora"] + ["red", "circle"] * 9)[:words])
    counted, calls = bed.counted()
    model, positive = NODES["MitigateCrossAttention"]().mitigate(counted, bed.clip, text, 1.25, True, True)
    assert positive[0][0].shape[1] == words + 2 * (1 + (words > 10))
    found = sampled(model, positive, bed.encode(""), bed.noise(), steps=3)
    assert calls() == 2 * 2 * 3 and found.isfinite().all()
    plain = sampled(bed.model, bed.encode(text), bed.encode(""), bed.noise(), steps=3)
    assert not torch.allclose(found, plain, atol=0.1)


def test_a_clip_without_blocks_is_refused_by_name():
    with pytest.raises(ValueError, match=r"clip is a TestbedCLIP, which does not tell words from padding"):
        NODES["MitigateCrossAttention"]().mitigate(
            load_unet("SD1.x"), Testbed("eps").clip, "red circle", 1.25, True, True
        )


# GUARD


def guarded(repulsion=2.0, attenuation=0.3, threshold=0.1):
    return lambda model: GUARDCFGGuider(model, repulsion, attenuation, threshold)


def test_guard_without_repulsion_and_attenuation_is_stock(kind, unet):
    prompts = prompt(kind, 1), prompt(kind, 2)
    counted, calls = count_calls(unet)
    assert torch.equal(sampled(counted, *prompts, guider=guarded(0.0, 1.0)), sampled(unet, *prompts))
    assert calls() == 2 * 2 * 2


@pytest.mark.parametrize("cond_blocks", [1, 2])
def test_guard_is_the_written_out_step(kind, unet, cond_blocks):
    """Three predictions from three runs of one Euler step each; attention by explicit logits; the formula."""
    prompts = prompt(kind, 1, cond_blocks), prompt(kind, 2, cond_blocks)

    def attenuated(scores):
        scores = scores.clone()
        tokens = [token for token in range(scores.shape[2]) if token % 77]
        for head in scores:
            peaks = head[:, tokens].amax(0)
            z = (peaks - peaks.mean()) / (peaks.std() + 1e-6)
            head[:, [token for token, above in zip(tokens, (z > 0.1).tolist(), strict=True) if above]] *= 0.3
        return scores

    def single(model, cond):
        """x - e (denoised at once): what one step at scale 1 to noise level 0 makes."""
        built = comfy.samplers.CFGGuider(model)
        built.set_conds(cond, cond)
        built.set_cfg(1.0)
        return built.sample(
            noise(), torch.zeros(2, *SHAPE), comfy.samplers.sampler_object("euler"), torch.tensor([4.0, 0.0]),
            disable_pbar=True, seed=SEED,
        )  # fmt: skip

    chosen = [layer for layer in layers(unet) if layer[0] != "output"]
    plus = single(by_replacement(unet, chosen, attenuated), prompts[0])
    minus, uncond = single(unet, prompts[0]), single(unet, prompts[1])
    expected = uncond + 5.0 * (plus - uncond) - 2.0 * (minus - uncond)
    built = guarded()(unet)
    built.set_conds(*prompts)
    built.set_cfg(5.0)
    found = built.sample(
        noise(), torch.zeros(2, *SHAPE), comfy.samplers.sampler_object("euler"), torch.tensor([4.0, 0.0]),
        disable_pbar=True, seed=SEED,
    )  # fmt: skip
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-2)
    assert (plus - minus).abs().max() > 0.5


def test_guard_asks_for_three_predictions_in_one_batch_and_fades():
    unet, prompts = load_unet("SD1.x"), (prompt("SD1.x", 1), prompt("SD1.x", 2))
    batches, scales = [], []

    def wrapper(apply_model, args):
        batches.append(sorted(args["cond_or_uncond"]))
        return apply_model(args["input"], args["timestep"], **args["c"])

    def pre_cfg(args):
        assert len(args["conds"]) == len(args["conds_out"]) == 3
        return [torch.zeros_like(args["input"]), torch.zeros_like(args["input"]), torch.ones_like(args["input"])]

    def post_cfg(args):
        scales.append(args["denoised"].mean().item())
        return args["denoised"]

    model = unet.clone()
    model.set_model_unet_function_wrapper(wrapper)
    model.set_model_sampler_pre_cfg_function(pre_cfg)
    model.set_model_sampler_post_cfg_function(post_cfg)
    sampled(model, *prompts, steps=4, guider=guarded())
    assert batches == [[0, 1, 2]] * 4
    assert scales == pytest.approx([-decayed(2.0, k / 4) for k in range(4)], abs=1e-5)


def test_a_batch_under_guard_is_its_samples_one_by_one():
    bed = Testbed("learned")
    prompts, start = (bed.encode("aurora red circle"), bed.encode("")), bed.noise(3)
    together = sampled(bed.model, *prompts, start=start, steps=4, guider=guarded())
    for place in range(3):
        alone = sampled(bed.model, *prompts, start=start[place : place + 1], steps=4, guider=guarded())
        torch.testing.assert_close(together[place : place + 1], alone, rtol=0, atol=1e-3)


@pytest.mark.skipif(not WRAPS, reason="only a wrapper knows the guider")
def test_other_edits_reach_both_prompts_of_guard_and_those_of_dual_cfg():
    unet, seen = load_unet("SD1.x"), Seen()
    sampled(edit_attention(unet, seen), prompt("SD1.x", 1), prompt("SD1.x", 2), steps=1, guider=guarded())
    assert sum(seen.calls[0].prompts) == 4 and len(seen.calls[0].prompts) == 6
    dual = type("Dual", (), {"original_conds": {"positive": 1, "middle": 1, "negative": 1}})
    assert attention.prompts_of(dual) == (1, 2)


BEFORE = [("zero guidance", "never"), ("zero guidance", "static"), ("orthogonal guidance", "never")]


@pytest.mark.parametrize(("before", "transition"), BEFORE)
def test_guard_and_the_model_patch_act_together(before, transition):
    """Before its transition a picture is what the patch follows."""
    bed = Testbed("learned")
    if not WRAPS and before == "orthogonal guidance":
        pytest.skip("the old host does not tell a patch the scale")
    prompts, start = (bed.encode("aurora red circle"), bed.encode("")), bed.noise()
    widgets = {**SETTINGS, "transition": transition, "before_transition": before}
    patched, trace = NODES["BasinEscapeModelPatch"]().patch(bed.model, **widgets)
    found = sampled(patched, *prompts, start=start, steps=4, guider=guarded())
    assert found.isfinite().all() and trace.runs[0].steps == 4
    if (before, transition) == ("zero guidance", "never"):
        torch.testing.assert_close(found, sampled(patched, *prompts, start=start, steps=4), rtol=0, atol=1e-3)


def test_guard_refuses_what_it_cannot_do():
    unet, prompts = load_unet("SD1.x"), (prompt("SD1.x", 1), prompt("SD1.x", 2))
    node = NODES["GUARDGuider"]()
    with pytest.raises(ValueError, match="cfg is 0, but repulsion"):
        node.get_guider(unet, *prompts, 0.0, 2.0, 0.3, 0.1)
    with pytest.raises(ValueError, match="positive is an empty conditioning"):
        node.get_guider(unet, [], prompts[1], 7.5, 2.0, 0.3, 0.1)
    with pytest.raises(ValueError, match="attenuation is nan"):
        node.get_guider(unet, *prompts, 7.5, 2.0, float("nan"), 0.1)


# Silence Neurons


def test_silent_neurons_are_zero_rows_of_the_value_weights(kind, unet):
    """The same as a model whose weights were cut: for prompt and negative prompt alike."""
    cut, prompts = load_unet(kind), (prompt(kind, 1), prompt(kind, 2))
    neurons = {0: [3, 5], 2: [0], 6: [63]}
    for number, layer in enumerate(cross_attentions(cut).values()):
        layer.to_v.weight.data[neurons.get(number, [])] = 0
    text = "\n".join(f"{layer}: {', '.join(map(str, channels))}" for layer, channels in neurons.items())
    counted, calls = count_calls(unet)
    (model,) = NODES["SilenceNeurons"]().silence(counted, text)
    found = sampled(model, *prompts)
    torch.testing.assert_close(found, sampled(cut, *prompts), rtol=1e-4, atol=1e-3)
    assert calls() == 2 * 2 * 2 and not torch.allclose(found, sampled(unet, *prompts), atol=0.1)


def test_no_neurons_are_stock_and_wrong_ones_are_refused():
    unet, bed, node = load_unet("SD1.x"), Testbed("eps"), NODES["SilenceNeurons"]()
    assert node.silence(unet, "")[0] is node.silence(unet, "[[], []]")[0] is unet
    with pytest.raises(ValueError, match="layer 7, but the model has the layers 0 to 6"):
        node.silence(unet, "7: 1")
    with pytest.raises(ValueError, match="has no cross-attention"):
        node.silence(bed.model, "0: 1")
