"""The CLIP score's formula, and the test whether two encoders belong together."""

import torch
from basin_escape.samplers.clip_score import clip_scores, matched


def test_the_score_is_the_cosine():
    text, images = torch.tensor([3.0, 4.0]), torch.tensor([[6.0, 8.0], [-4.0, 3.0], [-3.0, -4.0], [1.0, 0.0]])
    torch.testing.assert_close(clip_scores(text, images), torch.tensor([1.0, 0.0, -1.0, 0.6]))


def test_texts_and_images_match_if_each_is_the_others_best():
    vectors = torch.eye(4) + 0.3
    assert matched(vectors, vectors)
    assert not matched(vectors, vectors[[1, 0, 2, 3]])
    assert not matched(vectors, torch.ones(4, 4))
    # Each text has its best image, but one image fits another text better.
    assert not matched(torch.tensor([[1.0, 0.0], [1.0, 0.2]]), torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
