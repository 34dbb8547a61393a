"""The prompt's embedding moved to a norm, as a formula."""

import pytest
import torch
from basin_escape.samplers.prompt_embedding import move_embedding, together
from hypothesis import given
from hypothesis import strategies as st

IMAGES, TOKENS, DIM = 3, 4, 5
GENERATOR = torch.Generator().manual_seed(0)
MATRIX = torch.randn(IMAGES, 6, TOKENS * DIM, generator=GENERATOR)
OFFSET = torch.randn(IMAGES, 6, generator=GENERATOR)
EMBEDDING = torch.randn(1, TOKENS, DIM, generator=GENERATOR)
RATE, DECAY, BETAS, EPSILON = 0.05, 0.01, (0.9, 0.999), 1e-8  # AdamW's own defaults but for the rate


def norm_of(images):
    """The guidance of these images is a bent function of their embedding."""

    def norm(e):
        flat = e.flatten(1).expand(len(images), -1)
        return (torch.tanh(torch.einsum("idk,ik->id", MATRIX[images], flat) / 4) + OFFSET[images]).norm(dim=1)

    return norm


def written_out(e, norm, target, iterations):
    """AdamW by hand, in float64: the embeddings after each update, and L before each and at the end."""
    e, m, v, sizes = e.double(), 0.0, 0.0, []
    for step in range(iterations + 1):
        e = e.detach().requires_grad_()
        size = norm(e).square().mean().sqrt()
        sizes.append(size.item())
        if size <= target or step == iterations:
            return e.detach(), sizes
        (g,) = torch.autograd.grad(size, e)
        m, v = BETAS[0] * m + (1 - BETAS[0]) * g, BETAS[1] * v + (1 - BETAS[1]) * g.square()
        ahead = (m / (1 - BETAS[0] ** (step + 1))) / ((v / (1 - BETAS[1] ** (step + 1))).sqrt() + EPSILON)
        moved = e.detach() * (1 - RATE * DECAY) - RATE * ahead
        moved[:, 0] = e.detach()[:, 0]
        e = moved


@pytest.fixture(autouse=True)
def double(monkeypatch):
    """The loop in float64 has the same matrices."""
    for name in ("MATRIX", "OFFSET"):
        monkeypatch.setattr(f"{__name__}.{name}", globals()[name].double())


def target_after(updates, norm):
    """What is met by the norm after so many updates, and by none before."""
    sizes = written_out(EMBEDDING, norm, 0.0, updates)[1]
    assert all(size > sizes[-1] for size in sizes[:-1])
    return sizes[-1] + 1e-3


def pull_by(norm):
    """Of the norms of all images, in float64 inside."""

    def pull(e, enough):
        point = e.double().requires_grad_()
        size = together(norm(point))
        gradient = None if size <= enough else torch.autograd.grad(size, point)[0].float()
        return size.detach().float(), gradient

    return pull


@pytest.mark.parametrize("images", [[0, 1, 2], [1]])
@pytest.mark.parametrize("reached_after, updates", [(None, 10), (None, 1), (3, 10), (0, 10)])
def test_it_is_the_written_out_loop_step_by_step(images, reached_after, updates):
    norm = norm_of(images)
    target = 0.0 if reached_after is None else target_after(reached_after, norm)
    expected, sizes = written_out(EMBEDDING, norm, target, updates)
    moved = move_embedding(EMBEDDING, pull_by(norm), target, RATE, updates)
    assert len(moved.values) == len(sizes) == 1 + (updates if reached_after is None else reached_after)
    assert moved.values == pytest.approx(sizes, rel=1e-4)
    torch.testing.assert_close(moved.x, expected.float(), rtol=1e-3, atol=1e-4)


def test_a_target_that_is_met_changes_nothing_bit_for_bit():
    norm = norm_of([0, 1, 2])
    target = target_after(0, norm)
    moved = move_embedding(EMBEDDING, pull_by(norm), target, RATE, 10)
    assert torch.equal(moved.x, EMBEDDING) and len(moved.values) == 1


def test_the_first_token_stays_and_nothing_is_changed_that_was_handed_in():
    given_in = EMBEDDING.clone()
    moved = move_embedding(given_in, pull_by(norm_of([0])), 0.0, RATE, 10)
    assert torch.equal(given_in, EMBEDDING) and torch.equal(moved.x[:, 0], EMBEDDING[:, 0])
    assert (moved.x[:, 1:] != EMBEDDING[:, 1:]).all()


@pytest.mark.parametrize("updates", [0, 3])
def test_the_norm_is_asked_once_more_than_there_are_updates(updates):
    asked, pull = [], pull_by(norm_of([0, 1]))
    moved = move_embedding(EMBEDDING, lambda *of: asked.append(of) or pull(*of), 0.0, RATE, updates)
    assert len(asked) == updates + 1 == len(moved.values)


def test_the_papers_norm_of_a_whole_batch_takes_the_same_steps():
    """sqrt(N) times ours: AdamW does not see the scale. Its target 3 for four images is 1.5 here."""
    norm, root = norm_of([0, 1, 2]), 3**0.5
    target = target_after(4, norm)
    theirs = move_embedding(EMBEDDING, pull_by(lambda e: root * norm(e)), root * target, RATE, 10)
    ours = move_embedding(EMBEDDING, pull_by(norm), target, RATE, 10)
    assert len(theirs.values) == len(ours.values) == 5
    assert theirs.values == pytest.approx([root * value for value in ours.values], rel=1e-4)
    torch.testing.assert_close(theirs.x, ours.x, rtol=1e-3, atol=1e-4)
    assert norm(ours.x.double()).square().sum().sqrt().item() == pytest.approx(theirs.values[-1], rel=1e-4)


def test_half_precision_is_moved_in_float32():
    half = EMBEDDING.half()
    assert torch.equal(move_embedding(half, pull_by(norm_of([0])), 100.0, RATE, 10).x.half(), half)
    moved = move_embedding(half, pull_by(norm_of([0])), 0.0, RATE, 1).x
    assert moved.dtype == torch.float32 and torch.equal(moved[:, 0], half[:, 0].float())


@given(st.floats(0.1, 3), st.integers(0, 5))
def test_it_moves_as_long_as_it_is_not_there(scale, updates):
    """Of the norm scale |e|, which only ever falls."""
    moved = move_embedding(EMBEDDING, pull_by(lambda e: e.flatten(1).norm(dim=1) * scale), 4.0, RATE, updates)
    assert all(value > 4.0 for value in moved.values[:-1])
    assert moved.values[-1] <= 4.0 or len(moved.values) == updates + 1
