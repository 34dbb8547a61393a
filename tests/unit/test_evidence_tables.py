"""The short tables of docs/choosing.md, against the files that they come from."""

import pytest
from basin_escape.tools import evidence


@pytest.mark.parametrize(
    ("number", "text"),
    [("0.0512", ".05"), ("0", ".00"), ("1.0", "1"), ("0.998", "1"), ("-0.3", "-.30"), ("0.99", ".99"), ("0.10", ".10")],
)
def test_numbers_are_short(number, text):
    assert evidence.short(number) == text


def test_a_cost_tells_its_backward_passes_where_there_are_some():
    assert evidence.calls({"calls": "1.5", "backward": "0.0"}) == "1.50"
    assert evidence.calls({"calls": "2.0613", "backward": "1.061"}) == "2.06, 1.06 backward"


def test_the_table_has_every_method_and_says_where_there_are_no_cells(monkeypatch):
    def read(path):
        exact = "closed" in path
        measured = {"copied": "0.25", "similarity 95pc": "0.9", "alignment": "0.5", "ordinary": "0.75", "calls": "1"}
        ours = {"method": "ours", **measured, "backward": "0", "unbeaten": "yes" if exact else "at its price"}
        none = dict.fromkeys((*measured, "backward", "unbeaten"), "") if exact else {**measured, "backward": "0.5"}
        return [ours, {"method": "of the attention", "unbeaten": "", **none}]

    monkeypatch.setattr(evidence, "read", read)
    assert evidence.field().splitlines() == [
        "| Method | closed form | learned | learned noise | ordinary | calls | unbeaten on |",
        "|---|---|---|---|---|---|---|",
        "| ours | .25 / .90 / .50 | .25 / .90 / .50 | .25 / .90 / .50 | .75 / .75 | 1.00 "
        "| closed form, learned (at its price), learned noise (at its price) |",
        "| of the attention | - | .25 / .90 / .50 | .25 / .90 / .50 | .75 / .75 | 1.00, 0.50 backward |  |",
    ]


def test_the_probe_has_a_column_for_each_way_of_asking(monkeypatch):
    rows = [
        {"testbed": bed, "mitigation": mitigation, "prompt": prompt, "copied": copied}
        for bed, mitigation in (("a", "none"), ("b", "none"))
        for prompt, copied in (("caption", "1.0"), ("found", "0.5"))
    ]
    monkeypatch.setattr(evidence, "read", lambda path: rows)
    assert evidence.probe().splitlines() == [
        "| Testbed | Mitigation | caption | found |",
        "|---|---|---|---|",
        "| a | none | 1 | .50 |",
        "| b | none | 1 | .50 |",
    ]
