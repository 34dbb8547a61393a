"""What stands in the host's options while a run goes on, and must survive what other nodes do with them."""

from typing import Any

from torch import Tensor


class Uncopied:
    """What stands in the host's options, which other nodes copy, and which some send to other processes.

    A deep copy is the thing itself, so that a run stays one; elsewhere it does nothing.
    """

    def __deepcopy__(self, memo: dict) -> "Uncopied":
        return self

    def __reduce__(self) -> tuple:
        return (Elsewhere, ())


def is_ours(hook: Any) -> bool:
    """Whether a hook in the host's options is this pack's."""
    return isinstance(getattr(hook, "__self__", None), Uncopied)


class Elsewhere:
    """The hooks and the wrapper of a run where there is no run of theirs."""

    def pre_cfg(self, args: dict) -> list:
        return args["conds_out"]

    def post_cfg(self, args: dict) -> Tensor:
        return args["denoised"]

    def __call__(self, executor, *args, **kwargs):
        return executor(*args, **kwargs)
