"""A reproduction from its options to its page."""

import contextlib
import json
import logging
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator

from tqdm import tqdm

from ..graph import Graph
from ..run import version
from ..server import Server
from ..servers import fit
from ..spread import AllServersLost, Spread
from .asked import lists, sampling_of, settings, training
from .book import Book, Start
from .describe import describe_all
from .measures import CLIP, Measure, measures_of
from .methods import METHODS, PLAIN, Method
from .options import ALL
from .progress import pending, reasons, time_left
from .prompt_lists import read_alternatives
from .report import State, in_words, tables, write
from .sample import Plan, sample, save
from .wiring import PICTURE, Sampling, build_all

PAGE_EVERY = 600.0  # seconds
REFUSALS = 3  # of a method that has made no picture, and it is left out


def reproduce(options: Namespace) -> bool:
    """Whether all is done that was asked for. Raises ValueError, OSError and sqlite3.Error for what is wrong."""
    memorized, ordinary, calibration = lists(options)
    alternatives = read_alternatives(options.alternatives)
    methods = [each for each in METHODS if not options.method or each.name in options.method or each is PLAIN]
    images = list(training(options.training_images, memorized))
    similarity, clip, missing = measures_of(options)
    options.out.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(Book(options.out)) as book:
        sampling = sampling_of(options, calibration)
        book.begin(settings(options, sampling), [*memorized, *ordinary])
        book.set_training(images)
        starts, every = (book.starts(methods, limit, options.seeds, alternatives) for limit in (options.limit, ALL))
        made = Reproduction(options, book, starts, every, similarity, clip, missing)
        made.measure()
        if not options.report_only and pending(book, starts):
            made.sample(methods, sampling, alternatives)
        return made.page()


class Reproduction:
    """What is asked for (`starts`, of `every` one that the list has), and how far it is."""

    def __init__(
        self,
        options: Namespace,
        book: Book,
        starts: list[Start],
        every: list[Start],
        similarity: list[Measure],
        clip: CLIP | None,
        missing: list[str],
    ):
        self.options, self.book, self.starts, self.every = options, book, starts, every
        self.similarity, self.clip, self.missing = similarity, clip, missing
        self.left_out: dict[str, str] = {}
        self.able = set(book.seconds())  # the methods that have made a picture
        self.refused: Counter[str] = Counter()
        self.servers = len(options.server)

    def measure(self) -> None:
        with tqdm(desc="measured", unit="picture", disable=None, leave=False) as bar:
            describe_all(self.book, self.similarity, self.clip, bar.update)

    def page(self) -> bool:
        """Write it of what is done. Whether that is all."""
        self.measure()
        labels, clip = [each.label for each in self.similarity], self.clip and self.clip.label
        missing = pending(self.book, self.starts)
        done = len(self.starts) - len(missing)
        left, whole = (time_left(self.book, list(self._wanted(each)), self.servers) for each in (missing, self.every))
        why = reasons(self.book, self.starts) | self.left_out
        state = State(done, done + len(missing), left, len(self.every), whole, why, self.missing)
        write(self.book, tables(self.book, labels, clip, self.options.table), state, self.options.table)
        more = f", time left: {in_words(left)}" if missing else ""
        logging.info(
            "%d of %d pictures are done%s. See %s.", done, done + len(missing), more, self.book.folder / "index.html"
        )
        return not missing

    def sample(self, methods: list[Method], sampling: Sampling, alternatives: dict[str, list[str]]) -> None:
        """Raises ValueError where no server can begin. Where all are lost on the way, the rest stays undone."""
        graphs = self._graphs(methods, sampling)
        plan = Plan(graphs, alternatives, self.options.timeout)
        classes = {node["class_type"] for graph in graphs.values() for node in graph.values()}
        servers = [each for each in map(Server, self.options.server) if fit(each, classes, self.book)]
        if not servers:
            raise ValueError("No server can begin.")
        self.servers = len(servers)
        spread = Spread(servers, lambda at, start, stopped: sample(at.url, start, plan, stopped), self.options.patience)
        written, missing = time.monotonic(), pending(self.book, self.starts)
        bar = tqdm(total=len(self.starts), initial=len(self.starts) - len(missing), unit="picture", disable=None)
        with bar, contextlib.closing(spread.over(self._wanted(missing))) as findings:
            try:
                for finding in findings:
                    self._take(finding)
                    bar.update(1)
                    if time.monotonic() - written > PAGE_EVERY:
                        self.page()
                        written = time.monotonic()
            except AllServersLost:
                logging.error("No server is left. Start them, and call the same command again.")

    def _wanted(self, missing: list[Start]) -> Iterator[Start]:
        """Those of methods that still make pictures."""
        return (start for start in missing if start.method not in self.left_out)

    def _graphs(self, methods: list[Method], sampling: Sampling) -> dict[str, Graph]:
        """By method, as the first server that answers has the nodes. They are the same as in the book."""
        server = next((server for url in self.options.server if (server := Server(url)).answers()), None)
        if server is None:
            raise ValueError(f"No server answers: {', '.join(self.options.server)}.")
        graphs, absent = build_all(methods, sampling, server)
        self.left_out |= absent
        for name, graph in graphs.items():
            self.book.set_method(name, json.dumps(graph, sort_keys=True))
        self.book.note("version of this pack", version())
        return graphs

    def _take(self, finding) -> None:
        start, error = finding.job, finding.error
        if error is None:
            file = save(self.book.folder, start, finding.pictures[PICTURE])
            self.book.add(start, file, finding.scores["seconds"], None, finding.server)
            self.able.add(start.method)
            return
        self.book.add(start, None, None, error, finding.server)
        logging.warning("%s, prompt %d, seed %d: %s", start.method, start.prompt, start.seed, error)
        self.refused[start.method] += 1
        if start.method not in self.able and self.refused[start.method] >= REFUSALS:
            self.left_out[start.method] = f"it makes no picture: {error}"
            logging.warning("%s is left out.", start.method)
