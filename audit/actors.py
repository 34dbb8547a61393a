"""Actors of Ray, each with a ComfyUI of its own: `--ray --comfyui PATH`. The models stay loaded as long as an actor.

Where an actor dies, its server goes with it (child.py), and Ray starts it anew, on another machine if need be. A server
that dies alone is started anew by its actor. The prompt goes to the others meanwhile, as that of a lost server.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from .examine import Finding, Job, Plan, examine
from .on_ray import SHARE, outcome, running_ray
from .own_server import END_SECONDS, Checkout, OwnServer
from .web import ServerFailed

START_SECONDS = 600.0  # that ComfyUI, with all its packs, may take to start
ANSWER_SECONDS = 5.0  # an actor that does not answer in this time is still starting
ENDING = "ending"  # is possible while something else is done


class AtWork:
    """What runs on a machine of the cluster. Raises what Server raises."""

    def __init__(self, checkout: Checkout, plan: Plan):
        self.checkout, self.plan = checkout, plan
        self.server: OwnServer | None = None

    def ready(self) -> OwnServer:
        if self.server is None or self.server.ended():
            if self.server is not None:
                self.server.end()
            self.server = OwnServer(self.checkout)
            self.server.wait(START_SECONDS)
        return self.server

    def ask(self, question: str, *arguments: Any) -> Any:
        return getattr(self.ready(), question)(*arguments)

    def examine(self, job: Job) -> Finding:
        return examine(self.ready().url, job, self.plan)

    def end(self) -> None:
        if self.server is not None:
            self.server.end()


class Actor:
    """An actor as the audit sees it: it is asked what a server is asked. url: its name."""

    def __init__(self, ray: Any, handle: Any, url: str):
        self.ray, self.handle, self.url = ray, handle, url
        handle.ask.remote("answers")  # all start at once

    def missing(self, classes: set[str]) -> list[str]:
        return self._ask("missing", classes)

    def versions(self) -> dict[str, str]:
        return self._ask("versions")

    def answers(self) -> bool:
        with contextlib.suppress(ServerFailed):
            return outcome(self.ray, self.handle.ask.remote("answers"), self.url, seconds=ANSWER_SECONDS)
        return False

    def examine(self, job: Job, stopped: Callable[[], bool]) -> Finding:
        finding = outcome(self.ray, self.handle.examine.remote(job), self.url, stopped)
        return dataclasses.replace(finding, server=self.url)

    def _ask(self, question: str, *arguments: Any) -> Any:
        return outcome(self.ray, self.handle.ask.remote(question, *arguments), self.url, seconds=START_SECONDS)


@contextlib.contextmanager
def ray_actors(address: str, count: int, checkout: Checkout, plan: Plan) -> Iterator[list[Actor]]:
    """So many of them, each with a graphics card of its own where Ray knows of any and ComfyUI is to use it.

    Raises ValueError where there are not enough, and as `running_ray`.
    """
    with running_ray(address) as ray:
        cards = 0 if "--cpu" in checkout.arguments else int(ray.cluster_resources().get("GPU", 0))
        if 0 < cards < count:
            raise ValueError(f"--actors is {count}, and Ray knows of {cards} graphics cards: each actor needs one.")
        actor = ray.remote(
            num_cpus=SHARE,
            num_gpus=min(cards, 1),
            max_restarts=-1,
            scheduling_strategy="SPREAD",
            concurrency_groups={ENDING: 1},
        )(AtWork)
        actors = [Actor(ray, actor.remote(checkout, plan), f"actor {number}") for number in range(1, count + 1)]
        try:
            yield actors
        finally:  # Ray itself would leave what ComfyUI has started, and its pictures
            ends = [each.handle.end.options(concurrency_group=ENDING).remote() for each in actors]
            ray.wait(ends, num_returns=count, timeout=END_SECONDS)
