"""Ray, on this machine or on a cluster: `--ray`, with `pip install ray`. The same jobs as its tasks.

A task asks a server, fetches and describes the pictures. Where a worker dies, Ray runs its task anew in another one.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .examine import Finding, Job, Plan, examine
from .server import Server, Stopped
from .web import ServerFailed

TRIES_AGAIN = 3  # after the death of a worker
SHARE = 0.1  # of a processor: who asks a server waits most of the time


@contextlib.contextmanager
def running_ray(address: str) -> Iterator[Any]:
    """The module. address: of a running cluster; "local": a Ray of its own. Whatever runs in it ends with it.

    Raises ValueError where Ray is not installed, or does not start.
    """
    try:
        import ray
    except ImportError as error:
        raise ValueError("--ray needs the package ray: python -m pip install ray.") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    package = {"py_modules": [str(Path(__file__).parent)]}
    try:
        ray.init(address=address, runtime_env=package, log_to_driver=False, include_dashboard=False)
    except Exception as error:  # Ray raises this very class too
        raise ValueError(f"--ray {address}: Ray does not start: {error}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def outcome(
    ray: Any, reference: Any, name: str, stopped: Callable[[], bool] = lambda: False, seconds: float = math.inf
) -> Any:
    """What a call returns, or raises. Stopped once `stopped` is true; ServerFailed where it is lost or late."""
    deadline = time.monotonic() + seconds
    while not ray.wait([reference], timeout=min(seconds, 0.5))[0]:
        if stopped():
            ray.cancel(reference)
            raise Stopped
        if time.monotonic() > deadline:
            raise ServerFailed(f"{name} was not ready after {seconds:g} seconds")
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # what was raised there
        raise error.cause from error
    except ray.exceptions.RayError as error:
        reason = str(error).strip(".\n").rpartition("\n")[2]
        raise ServerFailed(f"{name} was lost by Ray ({type(error).__name__}: {reason})") from error


@contextlib.contextmanager
def ray_tasks(address: str, plan: Plan) -> Iterator[Callable[[Server, Job, Callable[[], bool]], Finding]]:
    """`examine` with this plan, as a task. Raises as `running_ray`."""
    with running_ray(address) as ray:
        task, shared = ray.remote(max_retries=TRIES_AGAIN, num_cpus=SHARE)(examine), ray.put(plan)

        def run(server: Server, job: Job, stopped: Callable[[], bool]) -> Finding:
            return outcome(ray, task.remote(server.url, job, shared), f"the task at {server.url}", stopped)

        yield run
