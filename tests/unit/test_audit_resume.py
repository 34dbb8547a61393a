"""An audit that is killed, stopped, called twice or runs out of room, in a process of its own."""

import signal
import sqlite3
import subprocess
import sys
import time

import pytest
from basin_escape.audit.options import parse
from basin_escape.audit.run import FILE
from basin_escape.tests.support.audits import PROMPTS, SLOW, Audit, ended, undisturbed
from basin_escape.tests.support.fake_comfyui import FakeComfyUI
from basin_escape.tools.pack import ROOT

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
JOBS = 20 + 3 * len(PROMPTS)


@pytest.fixture
def server():
    fake = FakeComfyUI()
    yield fake
    fake.stop()


def wait_for(condition):
    deadline = time.monotonic() + SLOW
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("after", [2, 25, 30])
def test_what_was_killed_goes_on_to_the_same_table(tmp_path, server, after):
    expected = undisturbed(tmp_path / "expected", server.url)
    whole = len(server.texts)
    server.texts.clear()
    audit = Audit(tmp_path, server.url)
    with ended(audit.start()) as process:
        wait_for(lambda: len(server.texts) > after)
        process.kill()
    assert after < len(server.texts) < whole
    file = sqlite3.connect(audit.out / FILE)
    done = set(file.execute("SELECT text, seed FROM findings JOIN prompts ON id = prompt WHERE error IS NULL"))
    file.close()
    assert len(done) >= after - 9  # the prompts that fail are tried again
    server.texts.clear()
    audit.run()
    assert audit.tables() == expected
    assert not done & set(server.texts)


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_stopped_says_so_and_leaves_nothing_in_the_queue(tmp_path, server, number):
    server.seconds = 1000
    audit = Audit(tmp_path, server.url)
    with ended(audit.start()) as process:
        wait_for(lambda: server.texts)
        process.send_signal(number)
        said = process.communicate(timeout=SLOW)[1]
    assert process.returncode == 130
    assert "the same command goes on" in said and "Traceback" not in said
    assert server.cancelled == list(server.begun)


def test_the_command_says_how_it_ended(tmp_path, server):
    fine = Audit(tmp_path, server.url, prompts=["a red house"])
    assert subprocess.run(fine.command(), cwd=ROOT, capture_output=True).returncode == 0
    server.fault = lambda handler, path: True  # says nothing from here on
    assert fine.run()  # as all is done
    wrong = subprocess.run(fine.command("--seeds", "2"), cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 1
    assert "was begun with another choice of: seeds." in wrong.stderr and "Traceback" not in wrong.stderr


def test_it_can_be_called_by_its_path(tmp_path):
    command = [sys.executable, "-I", str(ROOT / "audit"), "--help"]
    assert "python -m audit" in subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout


def test_a_file_has_one_audit_at_a_time(tmp_path, server):
    server.seconds = 1000
    audit = Audit(tmp_path, server.url)
    with ended(audit.start()):
        wait_for(lambda: server.texts)
        with pytest.raises(ValueError, match="in use by another audit"):
            audit.run()


def test_a_file_of_something_else_is_not_written_to(tmp_path, server):
    audit = Audit(tmp_path, server.url)
    audit.out.mkdir()
    (audit.out / FILE).write_text("mine" * 1000)
    with pytest.raises(ValueError, match="is no file of an audit"):
        audit.run()
    assert (audit.out / FILE).read_text() == "mine" * 1000


@posix
def test_without_room_on_the_disk_it_ends_with_what_is_wrong_and_goes_on_later(tmp_path, server):
    """The limit of the system on the size of a file stands in for a disk that is full."""
    expected = undisturbed(tmp_path / "expected", server.url)
    audit = Audit(tmp_path, server.url)
    limit = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
    code = f"{limit}runpy.run_module('audit', run_name='__main__')"
    command = [sys.executable, "-c", code, *audit.arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SLOW)
    assert result.returncode == 1
    assert "disk" in result.stderr and "the same command goes on" in result.stderr and "Traceback" not in result.stderr
    server.texts.clear()
    audit.run()
    assert 0 < len(server.texts) < JOBS
    assert audit.tables() == expected


def test_a_report_can_be_had_before_the_end(tmp_path, server):
    audit = Audit(tmp_path, server.url)
    assert not audit.run("--report-only")
    assert not server.texts
    assert [row["verdict"] for row in audit.rows()] == ["not examined"] * len(PROMPTS)
    assert "The audit is not complete" in (audit.out / "report" / "index.html").read_text(encoding="utf-8")


def test_the_help_names_every_option(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = capsys.readouterr().out
    assert "%prompt% and %seed% are its slots" in text and "python -m audit" in text
