"""What is said on a node that another pack or ComfyUI made, without a server."""

from types import SimpleNamespace

import pytest
from basin_escape.nodes import node_text
from basin_escape.nodes.node_text import Remark


@pytest.fixture
def page(monkeypatch):
    """A server with a page that listens, what it was sent, and the node that is executed."""
    sent = []
    server = SimpleNamespace(
        client_id="page", sockets={"page": None}, send_progress_text=lambda *what: sent.append(what)
    )
    context = SimpleNamespace(node_id="6", prompt_id="first")
    monkeypatch.setattr(node_text, "PromptServer", SimpleNamespace(instance=server))
    monkeypatch.setattr(node_text, "get_executing_context", lambda: context)
    return SimpleNamespace(server=server, context=context, sent=sent)


def test_the_node_that_is_executed_gets_the_text(page):
    Remark("fine")("dog?")
    assert page.sent == [("dog?", "6", "page")]


def test_nothing_is_put_on_a_node_that_has_no_text(page):
    say = Remark("fine")
    say("")
    page.context.prompt_id = "second"
    say("")
    assert page.sent == []


def test_a_text_of_an_earlier_run_is_replaced_once(page):
    say = Remark("fine")
    say("dog?")
    say("")  # another prompt of the same node and run
    page.context.node_id = "7"
    say("")
    page.context.node_id, page.context.prompt_id = "6", "second"
    say("")
    say("")
    assert [text for text, *_ in page.sent] == ["dog?", "fine"]


def test_nobody_is_told_where_no_page_listens_and_outside_of_a_node(page, monkeypatch):
    say = Remark("fine")
    page.server.sockets = {}
    say("dog?")
    monkeypatch.setattr(node_text, "get_executing_context", lambda: None)
    page.server.sockets = {"page": None}
    say("dog?")
    assert page.sent == []
