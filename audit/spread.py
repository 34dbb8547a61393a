"""The jobs over several servers: each works on one at a time, and what a server fails to do another one does.

A server is one that runs (server.py), or an actor with one of its own (actors.py).

A server is out when three prompts in a row failed there, or when it stays away for longer than `patience`. A job that
failed goes to a server where it has not yet failed; after three failures it is given up, and that is its finding.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from .examine import Finding
from .web import ServerFailed

FAILURES = 3


class Asked(Protocol):
    url: str  # its address, or its name

    def missing(self, classes: set[str]) -> list[str]: ...

    def versions(self) -> dict[str, str]: ...

    def answers(self) -> bool: ...


Examine = Callable[[Any, Any, Callable[[], bool]], Finding]  # server, job, whether it is to stop


@dataclass(eq=False)
class Worker:
    server: Asked
    failed: set[int] = field(default_factory=set)  # the prompts in a row


@dataclass(eq=False)
class Task:
    job: Any  # has a prompt and a seed
    failed_on: list[Worker] = field(default_factory=list)


class AllServersLost(Exception):
    """Nobody is left to work; what is not done yet stays so."""


class Spread:
    """Spread(servers, examine, patience).over(jobs) yields findings as they come; closing it stops them."""

    def __init__(self, servers: Sequence[Asked], examine: Examine, patience: float):
        self.examine, self.patience, self.stop = examine, patience, threading.Event()
        self.idle = [Worker(server) for server in servers]
        self.workers = list(self.idle)
        self.running: dict[Future, tuple[Worker, Task | None]] = {}  # no task: waiting for the server to come back
        self.returned: list[Task] = []

    def over(self, jobs: Iterator) -> Generator[Finding, None, None]:
        """Raises AllServersLost; the jobs that no finding tells of were not done."""
        with ThreadPoolExecutor(len(self.workers)) as pool:
            try:
                self._hand_out(pool, jobs)
                while self.running:
                    for future in wait(self.running, return_when=FIRST_COMPLETED).done:
                        finding = self._take_in(pool, future, *self.running.pop(future))
                        if finding is not None:
                            yield finding
                    self._hand_out(pool, jobs)
            finally:
                self.stop.set()  # whatever ends it, nobody waits for jobs that nobody wants
        if not self.workers:
            raise AllServersLost

    def _hand_out(self, pool: ThreadPoolExecutor, jobs: Iterator) -> None:
        for worker in list(self.idle):
            task = next((task for task in self.returned if self._may(worker, task)), None)
            if task is not None:
                self.returned.remove(task)
            elif (job := next(jobs, None)) is not None:
                task = Task(job)
            if task is not None:
                self.idle.remove(worker)
                self.running[pool.submit(self.examine, worker.server, task.job, self.stop.is_set)] = worker, task

    def _may(self, worker: Worker, task: Task) -> bool:
        """Not where it failed before, as long as it has not failed everywhere."""
        return worker not in task.failed_on or set(self.workers) <= set(task.failed_on)

    def _take_in(self, pool: ThreadPoolExecutor, future: Future, worker: Worker, task: Task | None) -> Finding | None:
        if task is None:
            if future.result():
                self.idle.append(worker)
            else:
                self._lost(worker, "it did not come back")
            return None
        try:
            finding = future.result()
        except ServerFailed as error:
            return self._failed(pool, worker, task, str(error))
        worker.failed.clear()
        self.idle.append(worker)
        return finding

    def _failed(self, pool: ThreadPoolExecutor, worker: Worker, task: Task, error: str) -> Finding | None:
        logging.warning("Prompt %d, seed %d: %s.", task.job.prompt, task.job.seed, error)
        task.failed_on.append(worker)
        worker.failed.add(task.job.prompt)
        if len(worker.failed) >= FAILURES:
            self._lost(worker, f"{FAILURES} prompts in a row failed there")
        else:
            self.running[pool.submit(self._comes_back, worker.server)] = worker, None
        if len(task.failed_on) < FAILURES:
            self.returned.append(task)
            return None
        return Finding(task.job, worker.server.url, error=f"given up after {FAILURES} failures of servers: {error}")

    def _lost(self, worker: Worker, why: str) -> None:
        self.workers.remove(worker)
        logging.warning("%s is left out: %s. Its prompts go to the others.", worker.server.url, why)

    def _comes_back(self, server: Asked) -> bool:
        deadline = time.monotonic() + self.patience
        while not self.stop.is_set():
            if server.answers():
                return True
            if time.monotonic() > deadline:
                break
            time.sleep(1)
        return False
