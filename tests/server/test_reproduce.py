"""The paper's tables from a running ComfyUI: of the testbed, whose copies are known, and of a random checkpoint."""

import csv
import json

import pytest
from basin_escape.audit.reproduce.methods import METHODS
from basin_escape.nodes.preview import to_picture
from basin_escape.testbed.captions import MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS
from basin_escape.testbed.learned_variants import LEARNED
from basin_escape.testbed.loader import TestbedVAE
from basin_escape.tests.support.checkpoint import save_sd15
from basin_escape.tests.support.reproductions import Reproduction

EVERY = [method.name for method in METHODS]
ATTENTION = ["cross-attention (Ren)", "GUARD (Zhao)", "reinforced content (Joo)"]


def reproduction(folder, url, *options, images=None):
    """Of two verbatim prompts and a template one, and three ordinary ones; another way to say the first."""
    captions = dict(zip(MEMORIZED_CAPTIONS, ("VM", "VM", "TM"), strict=False))
    found = Reproduction(folder, url, captions=captions)
    for place, image in enumerate(images or ()):
        image.save(folder / "images" / f"{100 + place}.png")
    (folder / "ordinary.txt").write_text("\n".join(ORDINARY_CAPTIONS[:6]))  # norms are calibrated with three or more
    (folder / "other.json").write_text(json.dumps({MEMORIZED_CAPTIONS[0]: ["red circle", "circle red"]}))
    found.arguments += ["--alternatives", str(folder / "other.json"), *options]
    return found


def on_testbed(found, variant):
    place = found.arguments.index("--checkpoint")
    found.arguments[place : place + 2] = ["--testbed", variant, "--size", "128"]
    return found


@pytest.fixture(scope="module")
def learned(server, tmp_path_factory):
    """With the settings of the paper but for the steps: its whole page, of every method."""
    pictures = [
        to_picture(image) for image in TestbedVAE().decode(LEARNED["learned"].memorized_pictures()[:3])[:, None]
    ]
    found = reproduction(tmp_path_factory.mktemp("learned") / "one", server.url, "--steps", "25", images=pictures)
    found.before = server.get("/history")  # of other tests
    found.complete = on_testbed(found, "learned").run()
    return found


def test_every_method_has_its_row_on_the_testbed(learned):
    assert learned.complete and learned.state()["left_out"] == {}
    assert list(learned.rows()) == list(learned.rows("verbatim")) == EVERY
    assert [learned.rows()[name]["pictures"] for name in ("none", "re-anchored (PRSS)")] == [3, 1]
    assert len(learned.rows("ordinary prompts")) == len(EVERY) - 1
    page = learned.page()
    assert all(name.replace("&", "&amp;") in page for name in EVERY) and "comfyui_version" in page


def test_the_testbed_copies_without_mitigation_and_less_with_it(learned):
    rows = learned.rows()
    assert rows["none"]["training"]["mean"] > 0.8
    for name in ("orthogonal", "zero, dynamic", "opposite 2, dynamic"):
        assert rows[name]["training"]["mean"] < 0.7 and rows[name]["own"]["mean"] < 0.7
    assert learned.rows("ordinary prompts")["none"]["training"] is None


def test_it_is_a_table_for_people_and_programs(learned):
    with (learned.out / "table.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["group"] == "all memorized prompts"]
    table = {row["method"]: row for row in rows if row["measure"] == "pixels"}
    assert float(table["zero, dynamic"]["paper 95pc"]) == 0.8722
    assert float(table["none"]["training mean"]) == learned.rows()["none"]["training"]["mean"]


def test_a_second_call_samples_nothing(learned, server):
    pictures = {path: path.stat().st_mtime_ns for path in (learned.out / "pictures").rglob("*.png")}
    assert learned.run()
    assert {path: path.stat().st_mtime_ns for path in (learned.out / "pictures").rglob("*.png")} == pictures
    assert server.get("/history") == learned.before and not any(server.get("/queue").values())


def test_methods_of_the_attention_say_why_the_closed_form_has_none_of_them(server, tmp_path):
    chosen = [part for name in ATTENTION for part in ("--method", name)]
    found = on_testbed(reproduction(tmp_path / "eps", server.url, "--steps", "4", *chosen), "eps")
    assert not found.run()
    reasons = found.state()["left_out"]
    assert list(found.rows()) == ["none"] and set(ATTENTION) <= set(reasons)
    assert all("attention" in reasons[name] for name in ATTENTION)


def test_every_method_has_its_row_on_a_checkpoint(server, tmp_path):
    folder = server.base / "models" / "checkpoints"
    folder.mkdir(exist_ok=True)
    save_sd15(folder / "random.safetensors")
    options = "--steps", "3", "--size", "64", "--limit", "1", "--table", "3"
    found = reproduction(tmp_path / "sd15", server.url, *options)
    found.arguments[found.arguments.index("--checkpoint") + 1] = "random.safetensors"
    complete = found.run()
    (folder / "random.safetensors").unlink()
    assert complete and found.state()["left_out"] == {}
    assert list(found.rows("verbatim")) == EVERY
    assert found.rows()["none"]["paper"]["mean"] == 0.5513
