"""An audit over servers that do what servers do: refuse, break, hang, answer garbage, and die."""

import threading

import pytest
from basin_escape.audit.examine import Job, Plan, examine
from basin_escape.audit.ours import Options, build
from basin_escape.audit.server import Server, Stopped
from basin_escape.audit.web import ServerFailed
from basin_escape.audit.workflow import fill, load_workflow
from basin_escape.tests.support.audits import ORDINARY, PROMPTS, Audit, undisturbed
from basin_escape.tests.support.fake_comfyui import FakeComfyUI, picture_bytes


@pytest.fixture
def fake():
    """Starts servers, and stops them in the end."""
    servers = []

    def start(*arguments, **options):
        servers.append(FakeComfyUI(*arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def verdicts(audit):
    return {row["text"]: (row["verdict"], row["done"], row["error"]) for row in audit.rows()}


def test_every_prompt_has_a_verdict(tmp_path, fake):
    server = fake()
    audit = Audit(tmp_path, server.url)
    assert not audit.run()  # three prompts fail by themselves
    found = verdicts(audit)
    assert found["a memorized picture"] == ("the same picture from every seed", "3", "")
    assert found["a memorized tree"] == ("the same picture from every seed", "3", "")
    assert found["a red house"] == ("no sign", "3", "")
    assert found["a broken boat"] == ("not examined", "0", "KSampler: out of memory")
    assert found["a refused lake"][2] == "CheckpointLoaderSimple: Value not in list ckpt_name: 'x' not in []"
    assert found["a nan cloud"][2].startswith("map is nan: the model's predictions are no numbers")
    run = [text for text, _ in server.texts]
    assert {text: run.count(text) for text in run} == {
        **dict.fromkeys(ORDINARY, 1),
        **{text: 3 for text in PROMPTS if "refused" not in text},
    }


def test_what_is_done_is_not_done_again_and_what_failed_is(tmp_path, fake):
    server = fake()
    audit = Audit(tmp_path, server.url)
    audit.run()
    tables = audit.tables()
    server.texts.clear()
    audit.run()
    assert sorted(server.texts) == sorted(
        (text, seed) for text in ("a broken boat", "a nan cloud") for seed in range(3)
    )
    assert audit.tables() == tables


def test_a_likely_memorized_prompt_is_told_by_its_score_alone(tmp_path, fake):
    audit = Audit(tmp_path, fake().url, prompts=["a memorized picture", "a red house"], options=("--seeds", "1"))
    assert audit.run()
    assert [row["verdict"] for row in audit.rows()] == ["likely memorized", "no sign"]


def test_a_given_threshold_takes_no_ordinary_prompts(tmp_path, fake):
    server = fake()
    audit = Audit(tmp_path, server.url, prompts=["a red house"], options=("--threshold", "0.001"))
    assert audit.run()
    assert [row["verdict"] for row in audit.rows()] == ["likely memorized"]
    assert {text for text, _ in server.texts} == {"a red house"}


def disturbances():
    def garbage(handler, path):
        if path.startswith("/history/"):
            handler.answer(b"<html>gateway</html>", "text/html")
        return path.startswith("/history/")

    def other_json(handler, path):
        if path == "/queue":
            handler.json({"queue_running": 3})
        return path == "/queue"

    def no_http(handler, path):
        if path == "/prompt":
            handler.wfile.write(b"\x00\xff nothing that is HTTP\r\n")
            handler.close_connection = True
        return path == "/prompt"

    def error_500(handler, path):
        if path == "/view":
            handler.answer(b"oops", "text/plain", 500)
        return path == "/view"

    def half_a_picture(handler, path):
        if path == "/view":
            handler.answer(picture_bytes("x")[:100], "image/png")
        return path == "/view"

    def forgets(handler, path):
        if path.startswith("/history/"):
            handler.server.begun.clear()
        return False

    return [garbage, other_json, no_http, error_500, half_a_picture, forgets]


@pytest.mark.parametrize("fault", disturbances(), ids=lambda fault: fault.__name__)
def test_a_bad_server_is_left_out_and_the_table_is_the_same(tmp_path, fake, fault):
    good = fake()
    expected = undisturbed(tmp_path / "expected", good.url)
    audit = Audit(tmp_path, fake(fault).url, good.url)
    audit.run()
    assert audit.tables() == expected


def test_a_server_that_dies_on_the_way_leaves_its_prompts_to_the_other(tmp_path, fake):
    def dies_after_ten(handler, path):
        if len(handler.server.texts) > 10:
            handler.close_connection = True
            return True
        return False

    good, dying = fake(), fake(dies_after_ten)
    expected = undisturbed(tmp_path / "expected", good.url)
    audit = Audit(tmp_path, dying.url, good.url)
    audit.run()
    assert len(dying.texts) == 11
    assert audit.tables() == expected


def test_when_all_servers_are_lost_the_next_call_goes_on(tmp_path, fake):
    def dies_after_ten(handler, path):
        handler.close_connection = len(handler.server.texts) > 10
        return handler.close_connection

    good, dying = fake(), fake(dies_after_ten)
    expected = undisturbed(tmp_path / "expected", good.url)
    audit = Audit(tmp_path, dying.url)
    assert not audit.run()
    assert [row["verdict"] for row in audit.rows()] == ["not examined"] * len(PROMPTS)
    good.texts.clear()
    audit.arguments[-1] = good.url
    audit.run()
    assert audit.tables() == expected
    assert not set(dying.texts[:10]) & set(good.texts)


def test_a_prompt_at_which_every_server_fails_is_a_row(tmp_path, fake):
    def crashes(handler, path):
        if path == "/view" and "crash" in handler.path:
            handler.close_connection = True
            return True
        return False

    audit = Audit(tmp_path, fake(crashes).url, fake(crashes).url, prompts=["a", "crash", "b", "c"])
    assert not audit.run()
    found = verdicts(audit)
    assert [found[text][0] for text in "abc"] == ["no sign"] * 3
    assert found["crash"][0] == "not examined" and "given up after 3 failures" in found["crash"][2]


def job(text="a red house", first=False):
    return Job(1, 0, text, False, first)


@pytest.fixture
def plan(tmp_path):
    Audit(tmp_path)
    graphs = build(load_workflow(tmp_path / "workflow.json"), Options())
    return Plan(graphs, ("guidance norm",), "pixels", seconds=0.3)


def test_a_server_that_never_ends_is_given_up_and_told(fake, plan):
    server = fake(seconds=1000)
    with pytest.raises(ServerFailed, match=r"was not done after 0\.3 seconds"):
        examine(server.url, job(), plan)
    assert server.cancelled == list(server.begun)


def test_a_server_that_says_nothing_is_given_up(fake):
    silence = threading.Event()
    server = fake(lambda handler, path: silence.wait(20))
    with pytest.raises(ServerFailed, match="does not answer"):
        Server(server.url, answer_seconds=0.2).versions()
    silence.set()


def test_a_slow_server_is_waited_for(fake, plan):
    server = fake(seconds=0.2)
    assert examine(server.url, job(), plan).error is None


def test_who_stops_takes_the_prompt_from_the_queue(fake, plan):
    server = fake(seconds=1000)
    with pytest.raises(Stopped):
        examine(server.url, job(), plan, stopped=lambda: True)
    assert server.cancelled == list(server.begun)


def test_a_batch_is_no_picture_for_one_seed(fake, plan):
    def two(handler, path):
        for _, entry in handler.server.begun.values():
            entry["outputs"]["audit_plain"]["images"] *= 2
        return False

    assert "set batch_size to 1" in examine(fake(two).url, job(), plan).error


def test_a_picture_without_an_end_of_pixels_is_a_row(fake, plan):
    def bomb(handler, path):
        if path == "/view":
            handler.answer(
                picture_bytes("x", 64).replace(b"\0\0\0\x40\0\0\0\x40", b"\0\0\x7f\xff\0\0\x1f\xff", 1), "image/png"
            )
        return path == "/view"

    with pytest.raises(ServerFailed, match="no picture that can be read"):
        examine(fake(bomb).url, job(), plan)


def test_a_prompt_is_filled_in_as_text_only():
    graph = {"1": {"class_type": "A", "inputs": {"text": "x %prompt%", "seed": "%seed%", "name": "%seed%-%prompt%"}}}
    inputs = fill(graph, 'say "%seed%" \\ {}', 7)["1"]["inputs"]
    assert inputs == {"text": 'x say "%seed%" \\ {}', "seed": 7, "name": '7-say "%seed%" \\ {}'}


@pytest.mark.parametrize("url", ["file:///etc/passwd", "localhost:8188", "ftp://x"])
def test_an_address_is_one_of_the_web(url):
    with pytest.raises(ValueError, match="write an address"):
        Server(url)


def test_a_server_without_our_nodes_is_not_begun_with(tmp_path, fake, caplog):
    def without(handler, path):
        if path == "/object_info/DetectMemorization":
            handler.json({})
        return path == "/object_info/DetectMemorization"

    with pytest.raises(ValueError, match="No server can begin"):
        Audit(tmp_path, fake(without).url).run()
    assert "it has no node ['DetectMemorization']" in caplog.text
