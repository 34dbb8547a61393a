"""The methods of the cross-attention against loops over rows, heads, pixels and tokens."""

import math

import pytest
import torch
from basin_escape.samplers.attention import begin_tokens, logits, probabilities
from basin_escape.samplers.first_token import scale_first_token, without_padding
from basin_escape.samplers.guard import attenuate_spikes, decayed, progress, repelled

HEADS, DIM, PIXELS, BLOCK = 2, 3, 5, 4


def queries_and_keys(rows=3, blocks=2, seed=0):
    """Every block of keys begins with the same one."""
    random = torch.manual_seed(seed)
    q = torch.randn(rows, PIXELS, HEADS * DIM, generator=random)
    k = torch.randn(rows, blocks * BLOCK, HEADS * DIM, generator=random)
    k[:, ::BLOCK] = k[:, :1]
    return q, k


def logit(q, k, row, head, pixel, token):
    channels = range(head * DIM, (head + 1) * DIM)
    return sum(q[row, pixel, c].item() * k[row, token, c].item() for c in channels) / math.sqrt(DIM)


def written_out(q, k):
    """[rows][heads][pixels][tokens]."""
    tokens = range(k.shape[1])
    return [
        [
            [[logit(q, k, row, head, pixel, token) for token in tokens] for pixel in range(PIXELS)]
            for head in range(HEADS)
        ]
        for row in range(len(q))
    ]


def test_logits_and_probabilities():
    q, k = queries_and_keys()
    expected = torch.tensor(written_out(q, k))
    torch.testing.assert_close(logits(q, k, HEADS), expected)
    torch.testing.assert_close(probabilities(q, k, HEADS), expected.softmax(3).mean(1))


def test_a_block_begins_where_the_key_is_that_of_the_first_token():
    _, k = queries_and_keys()
    assert begin_tokens(k).tolist() == [[True, False, False, False] * 2] * 3
    k[1, 4] += 0.1
    assert begin_tokens(k)[1].tolist() == [True, False, False, False] + [False] * 4
    assert begin_tokens((k * (1 + 1e-5 * torch.rand(k.shape))).half())[0].tolist() == [True, False, False, False] * 2


def test_the_first_tokens_logits_are_scaled_and_no_others():
    q, k = queries_and_keys()
    expected = torch.tensor(written_out(q, k))
    expected[..., ::BLOCK] *= 1.25
    torch.testing.assert_close(logits(q, scale_first_token(k, 1.25), HEADS), expected)
    assert torch.equal(scale_first_token(k, 1.0), k)


@pytest.mark.parametrize("end_token", [True, False])
def test_without_padding_is_softmax_over_the_real_tokens(end_token):
    """Minus infinity in the columns of the padding, as in the released code, is the same as no such tokens."""
    q, k = queries_and_keys()
    lengths = (4, 3)  # a full block, and one with a single word
    real = [0, 1, 2, 3, 4, 5, 6] if end_token else [0, 1, 2, 4, 5]
    masked = logits(q, k, HEADS)
    masked[..., [token for token in range(8) if token not in real]] = -math.inf
    found = probabilities(q, without_padding(k, lengths, end_token), HEADS)
    torch.testing.assert_close(found, masked.softmax(3).mean(1)[..., real])


def guard_written_out(q, k, threshold, factor):
    """The released rule, head by head: statistics over the tokens that do not begin a block."""
    found = torch.tensor(written_out(q, k))
    tokens = [token for token in range(k.shape[1]) if token % BLOCK]
    for row in found:
        for head in row:
            peaks = [max(head[pixel][token].item() for pixel in range(PIXELS)) for token in tokens]
            mean = sum(peaks) / len(peaks)
            std = math.sqrt(sum((peak - mean) ** 2 for peak in peaks) / (len(peaks) - 1))
            for token, peak in zip(tokens, peaks, strict=True):
                if (peak - mean) / (std + 1e-6) > threshold:
                    head[:, token] *= factor
    return found


@pytest.mark.parametrize("threshold", [-10.0, 0.01, 0.1, 1.0, 10.0])
def test_spikes_are_attenuated_by_head_and_row(threshold):
    q, k = queries_and_keys(rows=4)
    found = logits(q, attenuate_spikes(q, k, HEADS, threshold, 0.3), HEADS)
    torch.testing.assert_close(found, guard_written_out(q, k, threshold, 0.3))
    alone = attenuate_spikes(q[2:3], k[2:3], HEADS, threshold, 0.3)
    torch.testing.assert_close(attenuate_spikes(q, k, HEADS, threshold, 0.3)[2:3], alone)


def test_nothing_spikes_where_there_is_one_word_or_no_attenuation():
    q, k = queries_and_keys(blocks=1)
    assert torch.equal(attenuate_spikes(q, k[:, :2], HEADS, 0.1, 0.3), k[:, :2])
    assert torch.equal(attenuate_spikes(q, k, HEADS, 0.1, 1.0), k)


def test_guards_formula_is_cfg_on_the_repelled_prediction():
    plus, minus, uncond = torch.randn(3, 2, 4, generator=torch.manual_seed(1))
    expected = uncond + 7.5 * (plus - uncond) - 1.2 * (minus - uncond)
    found = uncond + 7.5 * (repelled(plus, minus, uncond, 1.2, 7.5) - uncond)
    torch.testing.assert_close(found, expected)


def test_repulsion_decays_with_the_steps_of_the_schedule():
    sigmas = [8.0, 4.0, 2.0, 1.0, 0.0]
    assert [progress(sigma, sigmas) for sigma in (8.0, 4.0, 3.9999, 3.0, 2.0, 1.0)] == [0, 0.25, 0.25, 0.5, 0.5, 0.75]
    assert decayed(2.0, 0) == 2 and decayed(2.0, 0.5) == pytest.approx(2**0.5) and decayed(2.0, 1) == pytest.approx(0)
