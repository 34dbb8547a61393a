"""A server that is started here, and ends with whoever started it."""

import subprocess
import sys
import time

import pytest
from basin_escape.audit.options import parse
from basin_escape.audit.own_server import Checkout, OwnServer
from basin_escape.audit.web import ServerFailed
from basin_escape.tests.support.fake_checkout import FakeCheckout
from basin_escape.tools.pack import ROOT

SECONDS = 30
STARTER = """
import sys, time
from pathlib import Path
from audit.own_server import Checkout, OwnServer
server = OwnServer(Checkout(Path(sys.argv[1]), None, (), None))
server.wait(30)
print("up", flush=True)
time.sleep(1000)
"""


@pytest.fixture
def fake(tmp_path):
    return FakeCheckout(tmp_path / "ComfyUI")


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_answers_until_its_end_and_leaves_nothing(fake):
    server = OwnServer(Checkout(fake.path, None, (), None))
    server.wait(SECONDS)
    assert server.versions() == {"comfyui_version": "fake"}
    assert len(fake.left()) == 3  # itself, a process that it started, its folder
    server.end()
    until(lambda: not fake.left())
    assert server.ended() and not server.answers()


def test_it_ends_with_a_starter_that_is_killed(fake):
    with subprocess.Popen([sys.executable, "-c", STARTER, fake.path], cwd=ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout.readline() == b"up\n"
        assert len(fake.left()) == 3
        starter.kill()
    until(lambda: not fake.left())


def test_two_of_one_checkout_are_apart(fake):
    servers = [OwnServer(Checkout(fake.path, None, (), None)) for _ in range(2)]
    for server in servers:
        server.wait(SECONDS)
    servers[0].end()
    assert servers[1].answers()
    servers[1].end()
    assert len({line for told in fake.started().values() for line in told}) == 2


@pytest.mark.parametrize(
    ("threads", "expected"),
    [(None, "None"), ("3", "3")],
)
def test_its_threads_are_those_of_the_caller(tmp_path, monkeypatch, threads, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as Ray does
    (tmp_path / "main.py").write_text("import os; raise SystemExit(str(os.environ.get('OMP_NUM_THREADS')))")
    with pytest.raises(ServerFailed, match=f"did not start: {expected}$"):
        OwnServer(Checkout(tmp_path, sys.executable, (), threads)).wait(SECONDS)


def test_what_does_not_start_says_why(fake, tmp_path):
    with pytest.raises(ServerFailed, match="unrecognized arguments: --nonsense"):
        OwnServer(Checkout(fake.path, None, ("--nonsense",), None)).wait(SECONDS)
    with pytest.raises(ServerFailed, match=r"no ComfyUI can be started on .*: .*nowhere"):
        OwnServer(Checkout(tmp_path / "nowhere", None, (), None))
    with pytest.raises(ServerFailed, match=r"no ComfyUI can be started on .*: .*no-python"):
        OwnServer(Checkout(fake.path, str(tmp_path / "no-python"), (), None))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--comfyui", "x"], "give --ray too"),
        (["--ray", "--actors", "3"], "--actors is for the servers that --comfyui starts"),
        (["--python", "python"], "--python is for the servers that --comfyui starts"),
        (["--ray", "--comfyui", "x", "--server", "http://127.0.0.1:8188"], "give one of the two"),
        (["--ray", "--comfyui", "x", "--comfyui-args=--cpu --port 8188"], "every actor has a port of its own"),
        (["--ray", "--comfyui", "x", "--comfyui-args='"], "--comfyui-args"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, said, capsys):
    with pytest.raises(SystemExit):
        parse(["prompts.txt", "--workflow", "workflow.json", *arguments])
    assert said in capsys.readouterr().err


def test_arguments_of_comfyui_are_split_as_a_shell_does(tmp_path):
    arguments = ["--ray", "--comfyui", str(tmp_path), "--comfyui-args=--cpu --base-directory 'a b'"]
    options = parse(["prompts.txt", "--workflow", "workflow.json", *arguments])
    assert options.comfyui_args == ["--cpu", "--base-directory", "a b"]
    assert (options.ray, options.comfyui, options.actors, options.python) == ("local", tmp_path, 2, None)
