"""Which words of a prompt its memorization hangs on (Wen et al., ICLR 2024).

    s_i = || d/de_i || eps(x_T, e) - eps(x_T, empty) ||_2 ||_2      for each token i of the embedding e

A token whose small change would change the prompt's pull most is one to rewrite. The paper takes the mean over four
start noises and all steps; here it is that over the start noises, at the first step. Its released code averages over
both halves of a concatenated tensor, so that its scores are half of these.
"""

from collections.abc import Callable

from torch import Tensor


def token_significance(embedding: Tensor, look: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    """s of every image and token [images, tokens].

    embedding  [images, tokens, dim], the same for each image
    look       embeddings -> the guidance norm of each image [images], and the gradient of their sum
    """
    return look(embedding)[1].norm(dim=2)
