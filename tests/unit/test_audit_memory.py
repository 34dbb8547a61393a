"""A list ten times as long takes no more memory."""

import tracemalloc

import numpy as np
import pytest
from basin_escape.audit.examine import Finding
from basin_escape.audit.judge import judge
from basin_escape.audit.prompts import Prompt
from basin_escape.audit.report import write_report
from basin_escape.audit.store import Store
from basin_escape.audit.tables import write_tables

SETTINGS = {"scores": '["guidance norm"]', "measure": "pixels", "workflow file": "w.json"}
VECTOR = np.ones(3072, dtype=np.float32) / 3072**0.5


def peak(folder, prompts):
    """The most bytes that Python had at a time for an audit of so many prompts, from the list to the report."""
    folder.mkdir()
    store = Store(folder / "audit.sqlite")
    tracemalloc.start()
    store.begin(SETTINGS, (), (Prompt(f"prompt {number} {'x' * 200}", 1) for number in range(prompts)))
    for job in store.pending():
        vectors, pictures = {"plain": VECTOR, "mitigated": VECTOR}, {"plain": bytes(10_000)}
        store.add(Finding(job, "a", {"guidance norm": 0.1, "map": 0.1}, vectors, pictures))
    write_tables_and_report(store, folder)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert store.counts() == (prompts, prompts)
    store.close()
    return found


def write_tables_and_report(store, folder):
    thresholds = judge(store, None)
    write_tables(store, folder)
    write_report(store, folder / "report", thresholds)


def test_memory_does_not_grow_with_the_list(tmp_path):
    peak(tmp_path / "first", 10)  # what is made once for all audits
    few, many = peak(tmp_path / "few", 60), peak(tmp_path / "many", 600)
    assert many < few + 200_000  # ten times the vectors alone would be 13 million more


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_findings_changes_nothing(tmp_path, order):
    store = Store(tmp_path / "audit.sqlite")
    store.begin(SETTINGS, [Prompt("o", 1)] * 30, [Prompt("a", 3), Prompt("b", 2)])
    random = np.random.RandomState(0)
    findings = []
    for job in store.pending():
        vector = random.randn(12).astype(np.float32)
        findings.append(Finding(job, "s", {"guidance norm": random.rand()}, {"plain": vector / np.linalg.norm(vector)}))
    for finding in findings[::order]:
        store.add(finding)
    thresholds = judge(store, None)
    scores = sorted(finding.scores["guidance norm"] for finding in findings if finding.job.ordinary)
    assert thresholds == {"guidance norm": pytest.approx(scores[28] + 0.71 * (scores[29] - scores[28]))}
    rows = store.connection.execute("SELECT text, done, agreement FROM verdicts JOIN prompts ON id = prompt").fetchall()
    vectors = [finding.vectors["plain"] for finding in findings if finding.job.text == "b"]
    assert rows[0][:2] == ("a", 3) and rows[1] == ("b", 2, pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-6))
    store.close()
