"""Which servers an audit asks, and whether they can do what it wants."""

import contextlib
import logging
import os
from argparse import Namespace
from collections.abc import Iterator, Sequence

from .actors import ray_actors
from .database import Database
from .examine import Plan, examine
from .on_ray import ray_tasks
from .own_server import THREADS, Checkout
from .server import Server
from .spread import Asked, Examine
from .web import PromptFailed, ServerFailed


@contextlib.contextmanager
def servers_of(options: Namespace, plan: Plan) -> Iterator[tuple[Sequence[Asked], Examine]]:
    """All that are asked for, and how one does a job."""
    if options.ray is None:
        yield [*map(Server, options.server)], lambda server, job, stopped: examine(server.url, job, plan, stopped)
    elif options.comfyui is None:
        with ray_tasks(options.ray, plan) as run:
            yield [*map(Server, options.server)], run
    else:
        threads = os.environ.get(THREADS)
        checkout = Checkout(options.comfyui, options.python, tuple(options.comfyui_args), threads)
        with ray_actors(options.ray, options.actors, checkout, plan) as actors:
            yield actors, lambda actor, job, stopped: actor.examine(job, stopped)


def fit(server: Asked, classes: set[str], store: Database) -> bool:
    """Whether a server is there and has all nodes; what it is goes into the report."""
    try:
        if missing := server.missing(classes):
            logging.warning("%s is left out: it has no node %s. Is this pack installed there?", server.url, missing)
            return False
        store.note(server.url, ", ".join(f"{name} {value}" for name, value in server.versions().items()))
        return True
    except (ServerFailed, PromptFailed) as error:
        logging.warning("%s is left out: %s.", server.url, error)
        return False
