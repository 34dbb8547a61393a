"""The same jobs as tasks of Ray, on this machine or on a cluster: `--ray`, with `pip install ray`.

A task asks a server, fetches and describes the pictures. Where a worker dies, Ray runs its task anew in another one.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from .examine import Finding, Job, Plan, examine
from .server import Stopped
from .web import ServerFailed

TRIES_AGAIN = 3  # after the death of a worker
SHARE = 0.1  # of a processor: a task waits most of its time


@contextlib.contextmanager
def ray_tasks(address: str, plan: Plan) -> Iterator[Callable[[str, Job, Callable[[], bool]], Finding]]:
    """`examine` with this plan, as a task. address: of a running cluster; "local": a Ray of its own.

    Raises ValueError where Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ValueError("--ray needs the package ray: python -m pip install ray.") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    package = {"py_modules": [str(Path(__file__).parent)]}
    ray.init(address=address, runtime_env=package, log_to_driver=False, include_dashboard=False)
    task, shared = ray.remote(max_retries=TRIES_AGAIN, num_cpus=SHARE)(examine), ray.put(plan)

    def run(url: str, job: Job, stopped: Callable[[], bool]) -> Finding:
        reference = task.remote(url, job, shared)
        while not ray.wait([reference], timeout=0.5)[0]:
            if stopped():
                ray.cancel(reference)
                raise Stopped
        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError as error:  # what `examine` raised
            raise error.cause from error
        except ray.exceptions.RayError as error:
            raise ServerFailed(f"{url}: its task of Ray was lost ({type(error).__name__})") from error

    try:
        yield run
    finally:
        ray.shutdown()
