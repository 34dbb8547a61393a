"""Re-anchored guidance and its search, as formulas."""

import pytest
import torch
from basin_escape.samplers.reanchored_guidance import Reanchoring, Search, magnitude
from hypothesis import given
from hypothesis import strategies as st

GENERATOR = torch.Generator().manual_seed(0)
ORIGINAL, ALTERNATIVE, UNCOND = (torch.randn(3, 4, generator=GENERATOR) for _ in range(3))
L2 = Reanchoring("blend", 1 / 128, 3 / 128, 5 / 128)  # the released code's numbers at 512 pixels


def blend(original, alternative, uncond, m, s, l_pr=3.0, full=5.0):
    """The released code, one sample; m in L2 at 512 pixels."""
    if m <= l_pr:
        return uncond + s * (alternative - uncond)
    k = (s * l_pr - full) / (s - 1)
    s_pr = min((m - k) / (full - k) * s, s)
    return original + s_pr * (alternative - original) + (s - s_pr) * (alternative - uncond)


@given(st.lists(st.floats(0.1, 8), min_size=3, max_size=3), st.floats(1.5, 12))
def test_the_blend_is_written_out_sample_by_sample(m, s):
    made = L2(ORIGINAL, ALTERNATIVE, UNCOND, torch.tensor(m) / 128, s)
    for row, (o, a, u, each) in zip(made, zip(ORIGINAL, ALTERNATIVE, UNCOND, m, strict=True), strict=True):
        torch.testing.assert_close(row, blend(o, a, u, each, s), rtol=1e-3, atol=1e-3)


def test_it_begins_as_plain_cfg_and_ends_as_the_paper():
    def at(m):
        return L2(ORIGINAL, ALTERNATIVE, UNCOND, torch.full((3,), m / 128), 7.5)

    plain = UNCOND + 7.5 * (ALTERNATIVE - UNCOND)
    assert torch.equal(at(2.9), plain)
    torch.testing.assert_close(at(3.0001), plain, rtol=1e-3, atol=1e-2)
    paper = Reanchoring("paper")(ORIGINAL, ALTERNATIVE, UNCOND, torch.zeros(3), 7.5)
    assert torch.equal(paper, ORIGINAL + 7.5 * (ALTERNATIVE - ORIGINAL))
    for m in (5.0, 9.0):
        torch.testing.assert_close(at(m), paper, rtol=1e-4, atol=1e-4)
    assert L2.strength(torch.tensor([3.0, 4.0, 5.0]) / 128, 7.5).tolist() == pytest.approx([1.0, 4.25, 7.5], abs=1e-3)


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_without_a_scale_to_blend_it_stays_finite(scale):
    assert L2(ORIGINAL, ALTERNATIVE, UNCOND, torch.full((3,), 0.03), scale).isfinite().all()


@given(
    st.lists(st.floats(0, 3), min_size=2, max_size=2),
    st.lists(st.lists(st.floats(0, 3), min_size=2, max_size=2), min_size=1, max_size=5),
)
def test_the_search_takes_the_first_below_else_the_least(first, alternatives):
    search = Search(1.0, torch.tensor(first))
    for m in alternatives:
        search.show(torch.tensor(m))
    for sample, own in enumerate(first):
        shown = [m[sample] for m in alternatives]
        below = [j for j, m in enumerate(shown) if m <= 1.0]
        expected = below[0] if below else shown.index(min(shown))
        assert search.chosen[sample] == (expected if own > 1.0 else -1)
        assert bool(search.needed[sample]) == (own > 1.0 and not below)


def test_the_magnitude_is_the_guidance_norm_in_rms():
    cond, uncond = torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.zeros(2, 2)
    assert magnitude(cond, uncond, torch.tensor([2.0, 2.0])).tolist() == pytest.approx([5 / 2 / 2**0.5, 0])


@pytest.mark.parametrize(
    "widgets, message",
    [
        ({"formula": "x"}, "formula"),
        ({"search_below": -1.0}, "search_below"),
        ({"plain_below": 0.05}, "plain_below is"),
    ],
)
def test_what_is_wrong_is_said(widgets, message):
    with pytest.raises(ValueError, match=message):
        Reanchoring(**widgets)
