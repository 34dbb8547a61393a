"""A start whose coarse structure is that of another picture (Zhang et al., 2025). Experimental: one part of a method.

*CAPTAIN: Semantic Feature Injection for Memorization Mitigation in Text-to-Image Diffusion Models* (arXiv 2512.10655)
begins with the low frequencies of a reference picture that is not memorized, so that the first steps, in which the
layout is decided, do not fall into the memorized one. Per sample and channel, with n the start noise and x_r the
reference's latent:

    x_T = F^-1( M_high F(n) + M_low F(x_r) )         M_low + M_high = 1

Published is this formula. Reconstructed here: the masks, a disc that ends at `cutoff`; where it ends is given nowhere.
Frequencies count as shares of the highest one of each axis, so that a cutoff means the same at every resolution.

Left out, because the text of the method is not known beyond this: the search of the web for a reference (connect one),
the window of steps by CLIP score, the region by bright ending and the concept's attention, and the injection of the
reference's features there.
"""

import torch
from torch import Tensor


def low_pass(height: int, width: int, cutoff: float) -> Tensor:
    """M_low over the frequencies of torch.fft.rfft2: [height, width // 2 + 1] bool.

    cutoff  radius of the disc; 1 is the highest frequency along an axis. 0: none
    """
    vertical, horizontal = 2 * torch.fft.fftfreq(height), 2 * torch.fft.rfftfreq(width)
    return vertical[:, None].square() + horizontal.square() < cutoff**2


def mixed_start(noise: Tensor, reference: Tensor, cutoff: float) -> Tensor:
    """x_T [batch, ..., height, width] of unit noise and the reference [1 or batch, ...]; at cutoff 0, the noise itself.

    The reference is in the model's own scale.
    """
    if cutoff == 0:
        return noise
    height, width = noise.shape[-2:]
    low = low_pass(height, width, cutoff).to(noise.device)
    spectra = torch.fft.rfft2(reference.float()), torch.fft.rfft2(noise.float())
    return torch.fft.irfft2(torch.where(low, *spectra), s=(height, width)).to(noise.dtype)
