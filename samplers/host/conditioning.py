"""Which conditionings the host has a prediction for in a model call."""

from torch import Tensor


def absent(conds: list[dict] | None, sigma: Tensor) -> bool:
    """Whether the host hands over zeros in a prediction's place.

    It does so where a socket is empty, for the negative prompt at cfg 1, and at the noise level `sigma` [batch]
    outside of the range of timesteps that every one of `conds` was limited to.
    """
    return conds is None or all(_out_of_range(cond, sigma) for cond in conds)


def _out_of_range(cond: dict, sigma: Tensor) -> bool:
    not_yet = "timestep_start" in cond and sigma[0] > cond["timestep_start"]
    no_more = "timestep_end" in cond and sigma[0] < cond["timestep_end"]
    return bool(not_yet or no_more)
