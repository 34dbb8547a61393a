"""Pictures below ComfyUI's input folder: nothing outside of it is read, and what is no picture is named."""

import os
from types import SimpleNamespace

import pytest
import torch
from basin_escape.nodes import input_pictures
from basin_escape.nodes.input_pictures import (
    NONE,
    caption,
    changes_of,
    input_folder,
    input_folders,
    picture_files,
    pictures_in,
)
from PIL import Image


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An input folder with pictures, and pictures beside it."""
    folder = tmp_path / "input"
    (folder / "cats" / "black").mkdir(parents=True)
    (folder / "empty").mkdir()
    (tmp_path / "secret").mkdir()
    (tmp_path / "input2").mkdir()
    save(tmp_path / "secret" / "private.png")
    save(folder / "cats" / "b.png", (10, 20, 30))
    save(folder / "cats" / "A.JPG")
    (folder / "cats" / "b.txt").write_text("a caption")
    host = SimpleNamespace(get_input_directory=lambda: str(folder))
    monkeypatch.setattr(input_pictures, "folder_paths", host)
    return folder


def save(path, colour=(200, 100, 0), size=(12, 8)):
    Image.new("RGB", size, colour).save(path)


def test_folders_are_listed_and_found(root):
    assert input_folders() == [NONE, "cats", "cats/black", "empty"]
    assert input_folder("cats/black") == os.path.join(os.path.realpath(root), "cats", "black")


@pytest.mark.parametrize(
    "name",
    ["..", "../secret", "cats/../../secret", "cats/..", ".", "", "/", "cats/", "./cats", "cats/.", "cats//black"]
    + ["../input2", "..\\secret", "cats\\..\\..\\secret", "C:\\Windows", "C:/Windows", "//server/share", "\\\\?\\C:"]
    + ["con", "NUL", "cats/aux.png", "com1", "cats\x00", "cats\n", "~", "none", "nowhere", "cats/b.png", ".. ", "..."]
    + ["{secret}", "{root}"],
)
def test_nothing_but_a_folder_inside_is_taken(root, name):
    name = name.format(secret=root.parent / "secret", root=root)
    with pytest.raises(ValueError, match=r"^folder is "):
        input_folder(name)


def test_links_that_lead_out_are_not_followed(root):
    (root / "way out").symlink_to(root.parent / "secret", target_is_directory=True)
    (root / "cats" / "linked.png").symlink_to(root.parent / "secret" / "private.png")
    (root / "cats" / "own.png").symlink_to(root / "cats" / "b.png")
    assert "way out" not in input_folders()
    with pytest.raises(ValueError, match="leads out of ComfyUI's input folder"):
        input_folder("way out")
    found = {name: (picture, why) for name, picture, why in read("cats")}
    assert found["linked.png"] == (None, "leads out of ComfyUI's input folder")
    assert torch.equal(found["own.png"][0], found["b.png"][0])


def read(name):
    path = input_folder(name)
    return list(pictures_in(path, picture_files(path)))


def test_pictures_are_read_in_order_as_they_are(root):
    found = read("cats")
    assert [(name, why) for name, _, why in found] == [("A.JPG", ""), ("b.png", "")]
    assert found[1][1].shape == (8, 12, 3)
    torch.testing.assert_close(found[1][1][0, 0], torch.tensor([10, 20, 30]) / 255)


def test_a_picture_is_turned_as_its_camera_says(root):
    exif = Image.Exif()
    exif[0x0112] = 6  # by a quarter
    Image.new("RGB", (12, 8)).save(root / "empty" / "turned.jpg", exif=exif)
    ((_, picture, _),) = read("empty")
    assert picture.shape == (12, 8, 3)


def test_what_cannot_be_read_is_named_and_nothing_else_is_lost(root, monkeypatch):
    folder = root / "empty"
    save(folder / "good.png")
    (folder / "no picture.png").write_text("<script>")
    (folder / "nothing.png").write_bytes(b"")
    whole = (root / "cats" / "A.JPG").read_bytes()
    (folder / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "a folder.png").mkdir()
    (folder / "program.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    save(folder / "narrow.png", size=(400, 2))
    save(folder / "huge.bmp", size=(300, 300))
    os.mkfifo(folder / "pipe.png")
    monkeypatch.setattr(input_pictures, "MOST_PIXELS", 80_000)
    why = {name: why for name, picture, why in read("empty") if picture is None}
    assert {name for name, picture, _ in read("empty") if picture is not None} == {"good.png"}
    unread = ("half.jpg", "no picture.png", "nothing.png", "program.png")
    assert all(why.pop(name).startswith("is no picture that can be read") for name in unread)
    assert why.pop("huge.bmp").startswith("has 300 x 300 pixels") and "too narrow" in why.pop("narrow.png")
    assert why == {"a folder.png": "is no file", "pipe.png": "is no file"}
    monkeypatch.setattr(input_pictures, "MOST_BYTES", 10)
    assert {why for name, _, why in read("cats")} == {"has more than 0 MB"}


def test_a_bomb_is_not_decoded(root):
    """65,000 x 65,000 pixels of one colour, as their header says."""
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 65000, 65000, 8, 2, 0, 0, 0)
    png = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )
    (root / "empty" / "bomb.png").write_bytes(png)
    ((_, picture, why),) = read("empty")
    assert picture is None and "DecompressionBombError" in why


def test_a_caption_lies_beside_its_picture(root):
    path = input_folder("cats")
    assert caption(path, "b.png") == "a caption" and caption(path, "A.JPG") == ""
    (root / "cats" / "A.txt").symlink_to(root.parent / "secret" / "private.png")
    assert caption(path, "A.JPG") == ""
    (root / "cats" / "b.txt").write_text("x" * 20_000)
    with pytest.raises(ValueError, match=r"b\.txt in folder is no caption"):
        caption(path, "b.png")


def test_a_changed_folder_is_seen(root):
    before = changes_of("cats")
    assert changes_of("cats") == before and changes_of(NONE) == ""
    save(root / "cats" / "c.png")
    after = changes_of("cats")
    os.utime(root / "cats" / "c.png", (1, 1))
    assert len({before, after, changes_of("cats")}) == 3


def test_there_are_no_folders_without_a_server(monkeypatch):
    monkeypatch.setattr(input_pictures, "folder_paths", None)
    assert input_folders() == [NONE]
    with pytest.raises(RuntimeError, match="connect references instead"):
        input_folder("cats")
