"""ComfyUI before December 2024, which does not tell a patch when a run begins and ends."""

import logging
import math
import weakref
from typing import Any

from torch import Tensor

from ..settings import Settings
from ..status import WITHOUT_GUIDANCE
from ..trace import GuidanceTrace
from .cfg_hooks import CFGHooks
from .hosted_run import HostedRun
from .uncopied import Uncopied


class UnannouncedRuns(Uncopied):
    """The hooks of every run of a patch, told apart by their calls.

    The host prepares the conditioning anew for every run, so another conditioning object is another run, and a run
    goes with it; so is a rise of the noise level to or above the first one of the run another run. The trace has a run
    from its first call on, as nobody tells of its last one.
    """

    def __init__(self, settings: Settings, trace: GuidanceTrace):
        self.settings, self.trace = settings, trace
        self.hooks: weakref.WeakKeyDictionary[Any, CFGHooks] = weakref.WeakKeyDictionary()
        self.warned: weakref.WeakSet[CFGHooks] = weakref.WeakSet()
        self.first = self.last = math.inf

    def pre_cfg(self, args: dict) -> list:
        return self._of_run(args, args["conds"][0]).pre_cfg(args)

    def post_cfg(self, args: dict) -> Tensor:
        hooks = self._of_run(args, args["cond"])
        denoised = hooks.post_cfg(args)
        if hooks.hosted.run is not None:
            hooks.hosted.run.record()
        if hooks.hosted.facts.without_guidance and hooks not in self.warned:
            self.warned.add(hooks)
            logging.warning("Basin Escape: %s", WITHOUT_GUIDANCE)
        return denoised

    def _of_run(self, args: dict, conds: list[dict]) -> CFGHooks:
        key = next(iter(conds[0]["model_conds"].values()), args["model"])
        sigma = args["sigma"].max().item()
        if key not in self.hooks or self.last < self.first <= sigma:
            begins = lambda run: self.trace.append(run.trace)  # noqa: E731
            self.hooks[key] = CFGHooks(HostedRun(self.settings, None, self.trace.listener, begins=begins))
            self.first = sigma
        self.last = sigma
        return self.hooks[key]
