"""An audit from its options to its results."""

import contextlib
import hashlib
import json
import logging
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy
import PIL
from tqdm import tqdm

from .examine import Plan
from .judge import judge
from .measures import measure_of
from .ours import Graphs, Options, build
from .prompts import Prompt, read_prompts
from .references import describe_references
from .report import write_report
from .servers import fit, servers_of
from .spread import AllServersLost, Spread
from .store import Store
from .tables import write_tables
from .workflow import load_workflow

FILE = "audit.sqlite"


def audit(options: Namespace) -> bool:
    """Whether everything that was asked for is done. Raises ValueError, OSError and sqlite3.Error for what is wrong."""
    graphs = build(load_workflow(options.workflow), Options(options.score, not options.no_mitigation, options.box))
    measure_of(options.measure)  # which may need what is not there
    options.out.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(Store(options.out / FILE)) as store:
        prompts = read_prompts(options.prompts, options.seeds)
        store.begin(settings(options, graphs), ordinary(options, graphs), prompts)
        for name, value in told(options).items():
            store.note(name, value)
        with tqdm(desc="references", unit="picture", disable=None, leave=False) as bar:
            describe_references(store, options.measure, bar.update)
        if not options.report_only:
            examine_all(options, store, graphs)
        thresholds = judge(store, options.threshold)
        write_tables(store, options.out)
        write_report(store, options.out / "report", thresholds)
        total, done = store.counts()
    logging.info("%d of %d are done. See %s.", done, total, options.out / "report" / "index.html")
    return done == total


def ordinary(options: Namespace, graphs: Graphs) -> Iterator[Prompt]:
    """The prompts that the thresholds come from, one start of each; none where there is nothing to calibrate."""
    if options.threshold is None and graphs.ordinary:
        yield from (Prompt(prompt.text, 1) for prompt in read_prompts(options.ordinary, 1))


def settings(options: Namespace, graphs: Graphs) -> dict[str, str]:
    """What an audit is begun with, and goes on with."""
    calibrated = options.threshold is None and graphs.ordinary
    return {
        "prompts": digest(blocks(options.prompts)),
        "workflow, mitigation and box": digest([json.dumps([graphs.first, graphs.ordinary], sort_keys=True).encode()]),
        "seeds": str(options.seeds),
        "scores": json.dumps(options.score if graphs.ordinary else []),
        "threshold": f"from {digest(blocks(options.ordinary))}" if calibrated else str(options.threshold),
        "measure": options.measure,
    }


def told(options: Namespace) -> dict[str, str]:
    """What the report tells besides."""
    return {
        "prompts file": options.prompts.name,
        "workflow file": options.workflow.name,
        "version of this pack": version(),
        "compared with": f"numpy {numpy.__version__}, Pillow {PIL.__version__}",
    }


def version() -> str:
    """Of this pack."""
    project = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    return project.split('version = "')[1].split('"')[0]


def digest(blocks: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for block in blocks:
        whole.update(block)
    return whole.hexdigest()[:16]


def blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(1 << 20), b"")


def examine_all(options: Namespace, store: Store, graphs: Graphs) -> None:
    """Raises ValueError where no server can begin. Where all are lost on the way, the rest stays undone."""
    total, done = store.counts()
    if done == total:
        return
    plan = Plan(graphs, tuple(options.score), options.measure, options.timeout)
    with servers_of(options, plan) as (servers, examiner):
        able = [server for server in servers if fit(server, graphs.classes(), store)]
        if not able:
            raise ValueError("No server can begin.")
        spread = Spread(able, examiner, options.patience)
        bar = tqdm(total=total, initial=done, unit="picture", disable=None)
        with bar, contextlib.closing(spread.over(store.pending())) as findings:
            try:
                for finding in findings:
                    store.add(finding)
                    if finding.error is not None:
                        job = finding.job
                        logging.warning("Prompt %d, seed %d: %s", job.prompt, job.seed, finding.error)
                    bar.update(1)
            except AllServersLost:
                logging.error("No server is left. Start them, and call the same command again.")
