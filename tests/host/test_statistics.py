"""The paper's claims on the testbed, each over the demo's 64 pictures: 50 steps, guidance 7.5."""

from functools import cache

import torch
from basin_escape.benchmarks.demo import GATE, PROMPTS
from basin_escape.benchmarks.measure import measure

SETTINGS = {
    "off": {"transition": "off"},
    "zero": {},
    "opposite": {"before_transition": "opposite guidance"},
    "gated": {"before_transition": "opposite guidance", "memorization_threshold": GATE},
}


@cache
def memorized(setting):
    return measure(*PROMPTS["memorized"], **SETTINGS[setting])


@cache
def ordinary(setting):
    return measure(*PROMPTS["ordinary"], **SETTINGS[setting])


def test_without_mitigation_a_memorized_caption_copies():
    assert memorized("off").copy_rate >= 0.95


def test_a_dynamic_transition_with_zero_guidance_hardly_copies():
    assert memorized("zero").copy_rate <= 0.10


def test_opposite_guidance_does_not_copy_and_follows_the_prompt():
    assert memorized("opposite").copy_rate <= 0.02
    assert memorized("opposite").mean_alignment >= 0.85


def test_opposite_guidance_leaves_the_basin_earlier():
    steps = {name: memorized(name).transition_steps.float() for name in ("zero", "opposite")}
    assert all((step >= 0).all() for step in steps.values())
    assert steps["opposite"].mean() < steps["zero"].mean() - 2


def same_pictures(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.samples, other.samples, strict=True))


def test_the_gate_leaves_memorized_captions_under_mitigation():
    assert same_pictures(memorized("gated"), memorized("opposite"))


def test_an_ordinary_caption_copies_nothing_and_is_followed():
    assert ordinary("off").copy_rate == 0 and ordinary("off").mean_alignment >= 0.95


def test_gated_mitigation_leaves_an_ordinary_caption_as_it_was():
    assert same_pictures(ordinary("gated"), ordinary("off"))


def test_mitigation_without_the_gate_ruins_an_ordinary_caption():
    assert ordinary("zero").mean_alignment < ordinary("off").mean_alignment - 0.2
    assert ordinary("opposite").mean_alignment < ordinary("zero").mean_alignment


def test_the_first_step_tells_memorized_from_ordinary():
    assert ordinary("off").first_norms.max() < GATE < memorized("off").first_norms.min()


def test_mitigation_costs_no_model_call():
    assert all(memorized(setting).calls == 100 for setting in SETTINGS)
