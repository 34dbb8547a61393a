"""The audit by Ray, as tasks and with actors that have servers of their own. Some of them are killed on the way."""

import os
import signal
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
from basin_escape.audit.command import STOPPED
from basin_escape.audit.on_ray import ray_tasks
from basin_escape.tests.support.audits import Audit, ended, undisturbed, workers_of
from basin_escape.tests.support.fake_checkout import FakeCheckout, runs
from basin_escape.tests.support.fake_comfyui import FakeComfyUI

START_SECONDS = 120


@pytest.mark.skipif(sys.platform != "linux", reason="Ray's processes have the names of their tasks on Linux only")
def test_a_worker_that_is_killed_changes_nothing(tmp_path):
    pytest.importorskip("ray")
    servers = [FakeComfyUI(), FakeComfyUI()]
    expected = undisturbed(tmp_path / "expected", servers[0].url)
    for server in servers:
        server.texts.clear()
        server.seconds = 0.3
    audit = Audit(tmp_path, *(server.url for server in servers), options=("--ray",))
    with ended(audit.start()) as process:
        deadline = time.monotonic() + START_SECONDS
        while not (workers := workers_of(psutil.Process(process.pid))) or not any(server.texts for server in servers):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        workers[0].kill()
        said = process.communicate(timeout=START_SECONDS)[1]
    assert process.returncode == 1, said  # as three prompts fail by themselves
    assert all(server.texts for server in servers)
    assert audit.tables() == expected
    for server in servers:
        server.stop()


def test_where_ray_does_not_start_it_says_so(monkeypatch):
    def init(**options):
        raise Exception(f"no cluster at {options['address']}")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    with pytest.raises(ValueError, match="--ray there:1: Ray does not start: no cluster"), ray_tasks("there:1", None):
        pass


def test_without_ray_the_flag_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="pip install ray"), ray_tasks("local", None):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="Ray's processes have the names of their actors on Linux only")
def test_an_actor_and_a_server_that_are_killed_change_nothing(tmp_path):
    pytest.importorskip("ray")
    server, fake = FakeComfyUI(), FakeCheckout(tmp_path / "ComfyUI")
    expected = undisturbed(tmp_path / "expected", server.url)
    options = ("--ray", "--comfyui", str(fake.path), "--comfyui-args=--cpu --seconds 0.3", "--patience", "60")
    audit = Audit(tmp_path, options=options)
    with ended(audit.start()) as process:

        def until(condition):
            deadline = time.monotonic() + START_SECONDS
            while not condition():
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.05)

        until(lambda: len([told for told in fake.started().values() if "prompt" in told]) == 2)
        first, second = fake.started()
        actor = psutil.Process(first).parent()
        assert "AtWork" in actor.cmdline()[0]
        actor.kill()
        until(lambda: not runs(first))
        until(lambda: len(fake.started()) == 3)
        os.killpg(second, signal.SIGKILL)
        said = process.communicate(timeout=START_SECONDS)[1]
    assert process.returncode == 1, said  # as three prompts fail by themselves
    assert len(fake.started()) == 4, said
    assert audit.tables() == expected
    assert fake.left() == []
    server.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal on Windows")
def test_ctrl_c_ends_actors_and_their_servers(tmp_path):
    pytest.importorskip("ray")
    fake = FakeCheckout(tmp_path / "ComfyUI")
    options = ("--ray", "--comfyui", str(fake.path), "--actors", "1", "--comfyui-args=--cpu --seconds 1000")
    with ended(Audit(tmp_path, options=options).start()) as process:
        deadline = time.monotonic() + START_SECONDS
        while not any("prompt" in told for told in fake.started().values()):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=START_SECONDS)[1]
    assert process.returncode == STOPPED, said
    assert len(fake.started()) == 1 and fake.left() == []


def test_actors_that_cannot_start_are_told(tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "main.py").write_text("raise SystemExit('no torch here')")
    audit = Audit(tmp_path, options=("--ray", "--comfyui", str(tmp_path), "--actors", "1"))
    with ended(audit.start()) as process:
        said = process.communicate(timeout=START_SECONDS)[1]
    assert process.returncode == 1 and "No server can begin." in said
    assert f"actor 1 is left out: ComfyUI in {tmp_path} on" in said and "did not start: no torch here" in said
