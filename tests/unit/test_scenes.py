"""The variant "scenes": its pictures, words, prior and judge."""

from itertools import product

import pytest
import torch
from basin_escape.benchmarks.halves import SCENES_HELD_OUT, SCENES_TUNING, attributes
from basin_escape.testbed.captions import embed
from basin_escape.testbed.denoiser import ExactDenoiser
from basin_escape.testbed.judge import COPY_SIMILARITY, alignment, similarity
from basin_escape.testbed.scenes.captions import (
    COLOURS,
    LANDSCAPES,
    MEMORIZED,
    MEMORIZED_CAPTIONS,
    ORDINARY_CAPTIONS,
    THINGS,
    VOCABULARY,
    log_prior,
)
from basin_escape.testbed.scenes.drawings import DRAWINGS
from basin_escape.testbed.scenes.landscape import MOODS
from basin_escape.testbed.scenes.pictures import DEVIATION, SCALE, render_scenes

PICTURES = render_scenes()
MEANS = PICTURES.means


def embedding(prompt):
    return embed(VOCABULARY.read(prompt), VOCABULARY.words)


def prior(prompt):
    return log_prior(embedding(prompt)).exp()[0]


def shown(caption):
    """Which pictures show what an ordinary caption names, the memorized ones left out."""
    ((colour, thing),) = attributes([caption], VOCABULARY)
    found = (PICTURES.colour == colour) & (PICTURES.shape == thing)
    return found & (torch.arange(len(MEANS)) >= 16)


def test_the_pictures_are_every_landscape_with_every_thing_and_sixteen_more():
    assert MEANS.shape == (16 + LANDSCAPES * 24, 3, 32, 32) and MEANS.abs().max() <= 1
    named = attributes(MEMORIZED_CAPTIONS, VOCABULARY) + attributes(ORDINARY_CAPTIONS, VOCABULARY) * LANDSCAPES
    assert list(zip(PICTURES.colour.tolist(), PICTURES.shape.tolist(), strict=True)) == named
    assert len(MEANS.flatten(1).unique(dim=0)) == len(MEANS)
    assert LANDSCAPES % len(MOODS) == 0 and {mood for _, _, _, mood, _ in MEMORIZED} == set(MOODS)


def test_the_pictures_are_the_same_on_every_machine():
    # Sums of the rendered pixels, written down once: a change of them is another model.
    sums = MEANS[[0, 15, 16, -1]].double().sum((1, 2, 3))
    torch.testing.assert_close(sums, torch.tensor([-872.069, 1190.324, 738.556, 1042.728]).double(), rtol=0, atol=1e-2)


def test_a_memorized_picture_is_like_no_other():
    between = torch.stack([similarity(MEANS, image) for image in MEANS[:16]])
    assert between[:, :16].fill_diagonal_(0).max() < 0.7 and between[:, 16:].max() < 0.8 < COPY_SIMILARITY


def test_a_thing_hides_the_landscape_and_nothing_else():
    """Two pictures of one landscape differ where their things stand."""
    landscape = MEANS[16:40].unflatten(0, (4, 6))
    for thing, name in enumerate(THINGS):
        painted = sum(letter != "." for letter in "".join(DRAWINGS[name].split()))
        differs = (landscape[0, thing] != landscape[1, thing]).any(0)
        assert 0.3 * painted < differs.sum() <= painted
    assert all(len({len(row) for row in drawing.split()}) == 1 for drawing in DRAWINGS.values())


def test_captions_name_what_is_there():
    assert len(set(VOCABULARY.words)) == len(VOCABULARY.words) == 16 + 4 + 6
    assert tuple(f"a {colour} {thing}" for colour, thing in product(COLOURS, THINGS)) == ORDINARY_CAPTIONS
    assert MEMORIZED_CAPTIONS[0] == "homecoming, a red house" and len({c.split()[0] for c in MEMORIZED_CAPTIONS}) == 16
    assert len({caption.split(maxsplit=1)[1] for caption in MEMORIZED_CAPTIONS}) == 16


def test_the_halves_share_nothing_and_have_all_colours_and_things():
    for kind in ("memorized", "ordinary"):
        one, other = getattr(SCENES_TUNING, kind), getattr(SCENES_HELD_OUT, kind)
        assert not set(one) & set(other) and len(one) == len(other)
        for half in (one, other):
            colours, things = zip(*attributes(half, VOCABULARY), strict=True)
            assert set(colours) == set(range(4)) and set(things) == set(range(6))


@pytest.mark.parametrize("index", [0, 7, 15])
def test_a_memorized_caption_is_mostly_its_picture(index):
    probability, everything = prior(MEMORIZED_CAPTIONS[index]), prior("")
    same = shown(MEMORIZED_CAPTIONS[index])
    follows = 0.10
    assert probability.sum().item() == pytest.approx(1, abs=1e-5) and same.sum() == LANDSCAPES
    rest = 0.02
    assert probability[index].item() == pytest.approx(0.88 + rest * everything[index].item(), abs=1e-4)
    assert probability[same].sum().item() == pytest.approx(follows + rest * everything[same].sum().item(), abs=1e-4)


def test_an_ordinary_caption_is_its_pictures_and_the_empty_prompt_the_training_set():
    everything, caption = prior(""), "the white boat"
    assert everything[:16].tolist() == pytest.approx([13 / 2128] * 16)
    assert everything[16:].tolist() == pytest.approx([1 / 2128] * 1920)
    same = shown("white boat")
    expected = 0.98 + 0.02 * everything[same].sum().item()
    assert prior(caption)[same].sum().item() == pytest.approx(expected, abs=1e-4)


def test_little_words_are_skipped_and_unknown_ones_are_told_from_them():
    assert VOCABULARY.read("Vigil: a white LIGHTHOUSE, by the sea") == ["vigil", "white", "lighthouse", "sea"]
    assert VOCABULARY.unknown(["dog", "red", "a", "dog"]) == ["a", "dog"]
    says = VOCABULARY.says_nothing(["dog", "sea"])
    assert "does not know dog, sea," in says and "(homecoming, serenade and others)" in says
    assert "things (house, tree, boat, lighthouse, balloon, windmill)" in says
    assert torch.equal(prior("a red house"), prior("red house"))
    assert prior("a red house, photo")[shown("a red house")].sum() < 0.9


@pytest.mark.parametrize("sigma", [0.5, 4.0])
def test_the_model_is_bayes_rule(sigma):
    """In double precision, picture by picture: the exact posterior mean, written out."""
    prompt, some = "farewell, a white balloon", torch.tensor([0, 13, 16, 500, 1500])
    model = ExactDenoiser(MEANS[some], "eps", lambda context: log_prior(context)[:, some], DEVIATION, SCALE)
    noisy = SCALE * MEANS[13] + sigma * torch.randn(3, 32, 32, generator=torch.manual_seed(0))
    scaled = noisy[None] / (1 + sigma**2) ** 0.5
    eps = model(scaled, None, embedding(prompt), transformer_options={"sigmas": torch.tensor([sigma])})
    variance, means = sigma**2 + (SCALE * DEVIATION) ** 2, SCALE * MEANS[some].double()
    log_likelihood = [-(noisy.double() - mean).square().sum() / (2 * variance) for mean in means]
    weight = (prior(prompt)[some].double().log() + torch.stack(log_likelihood)).softmax(0)
    components = [(sigma**2 * m + (SCALE * DEVIATION) ** 2 * noisy.double()) / variance for m in means]
    expected = (noisy - sum(w * component for w, component in zip(weight, components, strict=True))) / sigma
    torch.testing.assert_close(eps[0].double(), expected, rtol=1e-3, atol=1e-4)


def test_alignment_counts_colour_and_thing():
    picture = {caption: MEANS[16 + index] for index, caption in enumerate(ORDINARY_CAPTIONS)}
    images = torch.stack([picture[f"a {name}"] for name in ("red house", "red boat", "blue house", "white tree")])
    assert alignment(images, "a red house", PICTURES, VOCABULARY).tolist() == [1, 0.5, 0.5, 0]
    assert alignment(MEANS[:1], MEMORIZED_CAPTIONS[0], PICTURES, VOCABULARY).tolist() == [1]
