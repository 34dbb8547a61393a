"""What is written in the end: nothing from outside is taken for markup, a file name or a formula."""

import csv
import html.parser
import json
import re

import pytest
from basin_escape.audit.report import file_name
from basin_escape.tests.support.audits import Audit
from basin_escape.tests.support.fake_comfyui import FakeComfyUI, picture_bytes

EVIL = [
    "<script>alert(1)</script> memorized",
    '"><img src=x onerror=alert(1)>',
    "../../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "{{ 7 * 7 }} %seed% %prompt%",
    "a" * 5000,
    "\u0645\u0631\u062d\u0628\u0627 \u4f60\u597d \U0001f600",
    "con.png:stream\\..\\x",
    "a <broken> boat",
]


class Tags(html.parser.HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    (folder / "a & b.png").write_bytes(picture_bytes(EVIL[0]))
    server = FakeComfyUI()
    audit = Audit(folder, server.url)
    with (folder / "prompts.csv").open("w", encoding="utf-8", newline="") as file:
        rows = [("prompt", "references"), (EVIL[0], "a & b.png"), *((text, "") for text in EVIL[1:])]
        csv.writer(file).writerows(rows)
    audit.arguments[0] = str(folder / "prompts.csv")
    audit.run()
    server.stop()
    return audit


def pages(audit):
    return {path: Tags(path.read_text(encoding="utf-8")) for path in (audit.out / "report").rglob("*.html")}


def test_a_page_for_every_prompt_and_a_list_of_them(audit):
    assert len(pages(audit)) == len(EVIL) + 1
    index = pages(audit)[audit.out / "report" / "index.html"]
    assert all(text in index.text for text in EVIL)


def test_no_page_has_a_tag_or_a_handler_of_a_prompt(audit):
    for page in pages(audit).values():
        assert not page.tags & {"script", "b", "broken", "iframe"}
        assert not [name for name, _ in page.attributes if name.startswith("on")]
        assert ("http-equiv", "Content-Security-Policy") in page.attributes


def test_every_link_and_picture_is_there(audit):
    for path, page in pages(audit).items():
        targets = [value for name, value in page.attributes if name in ("src", "href")]
        assert targets
        assert all((path.parent / target).resolve().is_file() for target in targets)
        assert all((audit.out / "report").resolve() in (path.parent / t).resolve().parents for t in targets)


def test_files_have_harmless_names(audit):
    names = [path.name for path in audit.out.rglob("*") if path.is_file()]
    assert all(re.fullmatch(r"[a-z0-9-]{1,60}\.(html|jpg|csv|sqlite)", name) for name in names)
    assert file_name(7, "../A red: house?") == "00007-a-red-house"
    assert file_name(7, "\u4f60\u597d") == "00007"


def test_no_cell_is_a_formula_and_no_text_is_lost(audit):
    texts = [row["text"] for row in audit.rows()]
    assert [text.removeprefix("'") for text in texts] == EVIL
    assert not [text for text in texts if text.startswith(("=", "+", "-", "@"))]


def test_the_worst_come_first(audit):
    text = (audit.out / "report" / "index.html").read_text(encoding="utf-8")
    found = re.findall(r'class="verdict rank(\d)"', text)
    assert found == sorted(found) and found[0] == "0" and found[-1] == "4"


def test_a_copy_of_a_reference_is_told_with_its_file(audit):
    row = audit.rows()[0]
    assert row["verdict"] == "copied a given image" and row["nearest"].endswith("a & b.png")
    assert float(row["similarity"]) == pytest.approx(1, abs=1e-3)
    assert float(row["similarity_mitigated"]) < 0.5 and row["alike_mitigated"] == "1"


def test_every_seed_has_its_similarity(audit):
    with (audit.out / "seeds.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["similarity"]]
    assert [row["seed"] for row in rows] == ["0", "1", "2"]
    assert max(float(row["similarity_mitigated"]) for row in rows) < 0.5 < min(float(row["similarity"]) for row in rows)


def test_settings_and_versions_are_told(audit):
    index = pages(audit)[audit.out / "report" / "index.html"].text
    assert "comfyui_version fake" in index and "workflow.json" in index and "numpy" in index
    assert json.dumps(["guidance norm"]) in index
