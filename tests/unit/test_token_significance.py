"""Which tokens the guidance norm hangs on, against finite differences and a closed form."""

import torch
from basin_escape.samplers.token_significance import token_significance

IMAGES, TOKENS, DIM = 2, 3, 4
GENERATOR = torch.Generator().manual_seed(0)
MATRIX = torch.randn(IMAGES, 6, TOKENS * DIM, generator=GENERATOR).double()
EMBEDDING = torch.randn(1, TOKENS, DIM, generator=GENERATOR)


def look_by(norm):
    def look(e):
        point = e.clone().requires_grad_()
        size = norm(point)
        return size.detach(), torch.autograd.grad(size.sum(), point)[0]

    return look


def norm(e):
    return torch.tanh(torch.einsum("idk,ik->id", MATRIX, e.double().flatten(1)) / 4).norm(dim=1)


def test_it_is_the_norm_of_the_finite_differences():
    e, step = EMBEDDING.double().expand(IMAGES, -1, -1), 1e-5
    slopes = torch.zeros(IMAGES, TOKENS, DIM)
    for token in range(TOKENS):
        for dim in range(DIM):
            off = torch.zeros_like(e)
            off[:, token, dim] = step
            slopes[:, token, dim] = ((norm(e + off) - norm(e - off)) / (2 * step)).float()
    found = token_significance(EMBEDDING.expand(IMAGES, -1, -1), look_by(norm))
    torch.testing.assert_close(found, slopes.norm(dim=2), rtol=1e-4, atol=1e-6)


def test_of_a_weighted_mean_of_tokens_it_is_the_weights():
    """d = |sum of w_i e_i|, whose gradient with respect to e_i is w_i times a unit vector."""
    weights = torch.tensor([0.0, 0.5, 2.0])
    found = token_significance(EMBEDDING, look_by(lambda e: (weights[:, None] * e).sum(1).norm(dim=1)))
    torch.testing.assert_close(found[0], weights)


def test_an_image_has_the_same_alone_and_among_others():
    together = token_significance(EMBEDDING.expand(IMAGES, -1, -1), look_by(norm))
    for image in range(IMAGES):
        alone = token_significance(
            EMBEDDING, look_by(lambda e, k=image: torch.tanh(MATRIX[k] @ e.double().flatten() / 4).norm()[None])
        )
        torch.testing.assert_close(together[image], alone[0])
