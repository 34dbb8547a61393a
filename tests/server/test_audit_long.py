"""Two hundred prompts of the testbed, two seeds each: the table of one server, whatever dies on the way."""

import itertools
import json
import os
import shlex
import threading
import time
from pathlib import Path

import psutil
import pytest
from basin_escape.audit.options import parse
from basin_escape.audit.run import audit
from basin_escape.testbed.captions import MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS, TITLES
from basin_escape.tests.support.audits import Audit, ended, with_in_command, workers_of
from basin_escape.tests.support.fake_comfyui import WORKFLOW
from basin_escape.tests.support.server import ComfyUIServer, fill

from .test_audit import MODEL, SIZE

pytestmark = pytest.mark.nightly
SURROGATES = [f"{title} {ordinary}" for title, ordinary in itertools.product(TITLES, ORDINARY_CAPTIONS)]
HOUR = 3600
PROMPTS = list(dict.fromkeys([*MEMORIZED_CAPTIONS, *ORDINARY_CAPTIONS, *SURROGATES]))[:200]
OPTIONS = ("--seeds", "2", "--box", "3")


def audit_of_all(folder, *servers, options=()):
    folder.mkdir()
    found = Audit(folder, *servers, prompts=PROMPTS, options=OPTIONS + options)
    (folder / "ordinary.txt").write_text("\n".join(ORDINARY_CAPTIONS))
    sampler = {**WORKFLOW["3"], "inputs": {**WORKFLOW["3"]["inputs"], "steps": 8}}
    (folder / "workflow.json").write_text(json.dumps({**WORKFLOW, "3": sampler, "4": MODEL, "5": SIZE}))
    return found


def once_begun(read_log, kill):
    """Call `kill` once the server of this log has done about a quarter of its share."""

    def wait():
        while read_log().count("Prompt executed") < len(PROMPTS) // 4:
            time.sleep(0.2)
        kill()

    killer = threading.Thread(target=wait, daemon=True)
    killer.start()
    return killer


@pytest.fixture(scope="module")
def expected(server, tmp_path_factory):
    found = audit_of_all(tmp_path_factory.mktemp("audit") / "one", server.url)
    assert len(PROMPTS) == 200 and audit(parse(found.arguments))
    return found.tables()


@pytest.fixture
def second(tmp_path):
    (tmp_path / "second").mkdir()
    server = ComfyUIServer(tmp_path / "second")
    yield server
    server.stop()


def test_one_of_two_servers_is_killed(expected, server, second, tmp_path):
    found = audit_of_all(tmp_path / "two", second.url, server.url)
    killer = once_begun(second.read_log, second.process.kill)
    assert audit(parse(found.arguments))
    killer.join()
    assert found.tables() == expected


def test_by_ray_one_of_two_workers_is_killed(expected, server, second, tmp_path):
    found = audit_of_all(tmp_path / "ray", second.url, server.url, options=("--ray",))
    with ended(found.start()) as process:
        whole = psutil.Process(process.pid)
        killer = once_begun(second.read_log, lambda: workers_of(whole)[0].kill())
        said = process.communicate(timeout=HOUR)[1]
        killer.join()
    assert process.returncode == 0, said
    assert found.tables() == expected


def test_one_of_two_actors_is_killed(expected, tmp_path):
    fill(tmp_path)
    more = shlex.join(["--cpu", "--base-directory", str(tmp_path), "--disable-api-nodes"])
    checkout = ("--comfyui", os.environ["COMFYUI_PATH"], "--python", os.environ["COMFYUI_PYTHON"])
    options = ("--ray", *checkout, f"--comfyui-args={more}", "--patience", "300")
    found = audit_of_all(tmp_path / "actors", options=options)
    with ended(found.start()) as process:
        whole = psutil.Process(process.pid)
        begun = []

        def first_log():
            begun[:] = begun or own_servers_of(whole)
            return Path(begun[0].cmdline()[2], "comfyui.log").read_text(errors="replace") if begun else ""

        killer = once_begun(first_log, lambda: begun[0].parent().kill())
        said = process.communicate(timeout=HOUR)[1]
        killer.join()
    assert process.returncode == 0, said
    assert found.tables() == expected
    assert not begun[0].is_running()


def own_servers_of(process):
    return with_in_command(process, lambda part: part == "main.py")
