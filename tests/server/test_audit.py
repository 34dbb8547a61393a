"""The audit on a running ComfyUI: memorized and ordinary captions of the testbed, and a server that dies on the way."""

import json
import threading
import time

import pytest
from basin_escape.audit.options import parse
from basin_escape.audit.run import audit
from basin_escape.nodes.preview import to_picture
from basin_escape.testbed.captions import MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS
from basin_escape.testbed.distribution import render_pictures
from basin_escape.testbed.loader import TestbedVAE
from basin_escape.tests.support.audits import Audit
from basin_escape.tests.support.fake_comfyui import WORKFLOW
from basin_escape.tests.support.server import ComfyUIServer

PROMPTS = [*MEMORIZED_CAPTIONS[:2], *ORDINARY_CAPTIONS[:3]]
MODEL = {"class_type": "LoadMemorizationTestbed", "inputs": {"variant": "eps"}}
SIZE = {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 128, "batch_size": 1}}


def audit_of_testbed(folder, *servers):
    """An audit of PROMPTS, the first with a reference."""
    folder.mkdir()
    to_picture(TestbedVAE().decode(render_pictures().means[:1])).save(folder / "aurora.png")
    found = Audit(folder, *servers, options=("--box", "3"))
    rows = "".join(f"{text},{'aurora.png' if text == PROMPTS[0] else ''}\n" for text in PROMPTS)
    (folder / "prompts.csv").write_text(f"prompt,references\n{rows}")
    (folder / "ordinary.txt").write_text("\n".join(ORDINARY_CAPTIONS))
    (folder / "workflow.json").write_text(json.dumps({**WORKFLOW, "4": MODEL, "5": SIZE}))
    found.arguments[0] = str(folder / "prompts.csv")
    return found


@pytest.fixture(scope="module")
def undisturbed(server, tmp_path_factory):
    found = audit_of_testbed(tmp_path_factory.mktemp("audit") / "one", server.url)
    found.before = server.get("/history")
    assert audit(parse(found.arguments))
    return found


def test_what_the_testbed_memorized_is_found_and_nothing_else(undisturbed):
    rows = undisturbed.rows()
    same = "the same picture from every seed"
    assert [row["verdict"] for row in rows] == ["copied a given image", same, "no sign", "no sign", "no sign"]
    assert float(rows[0]["similarity"]) > 0.95 and float(rows[0]["similarity_mitigated"]) < 0.9
    assert [row["alike_mitigated"] for row in rows[:2]] != ["3", "3"]
    scores = [float(row["guidance norm"]) for row in rows]
    assert min(scores[:2]) > 2 * max(scores[2:])


def test_what_the_server_said_is_in_the_report(undisturbed):
    report = undisturbed.out / "report"
    assert "comfyui_version" in (report / "index.html").read_text(encoding="utf-8")
    kinds = {path.stem.split("-", 2)[2] for path in (report / "pictures").glob("0*")}
    assert kinds == {"plain", "mitigated", "map", "curve", "0"}  # the last is the reference's number


def test_nothing_is_left_on_the_server(undisturbed, server):
    assert not any(server.get("/queue").values())
    assert server.get("/history") == undisturbed.before
    assert not list((server.base / "output").glob("ComfyUI*"))


def test_a_server_that_is_killed_on_the_way_changes_nothing(undisturbed, server, tmp_path):
    (tmp_path / "second").mkdir()
    second = ComfyUIServer(tmp_path / "second")
    found = audit_of_testbed(tmp_path / "two", second.url, server.url)

    def kill():
        while not (found.out / "audit.sqlite").exists() or not second.get("/queue")["queue_running"]:
            time.sleep(0.01)
        time.sleep(1)
        second.process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    assert audit(parse(found.arguments))
    killer.join()
    second.stop()
    assert without_paths(found) == without_paths(undisturbed)
    assert found.tables()["seeds.csv"] == undisturbed.tables()["seeds.csv"]


def without_paths(found):
    return [{name: value for name, value in row.items() if name != "nearest"} for row in found.rows()]
