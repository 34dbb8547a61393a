"""The formats in which the public lists of memorized prompts come, and where their training images lie."""

import json

import pytest
from basin_escape.audit.reproduce.options import parse
from basin_escape.audit.reproduce.prompt_lists import Listed, as_typed, read_alternatives, read_list, training_images
from basin_escape.tests.support.fake_comfyui import picture_bytes

TABLE = ''';Caption;URL;type;mean_sscd;max_sscd;Index
0;A red house;http://x/1.jpg;VM;0.83;0.84;11
1;"""Watch: A, ""New"" Video""";http://x/2.png?1;TM;;;12
2;A lake;http://x/3.jpg;N/A;;;13
'''


def test_the_table_of_labels_is_read_as_it_is(tmp_path):
    path = tmp_path / "memorized.csv"
    path.write_text(TABLE)
    assert read_list(path) == [
        Listed("A red house", "verbatim", "11"),
        Listed('"Watch: A, "New" Video"', "template", "12"),
        Listed("A lake", "not labelled", "13"),
    ]
    assert {row.kind for row in read_list(path, ordinary=True)} == {"ordinary"}


def test_lines_of_json_are_read_with_and_without_labels(tmp_path):
    path = tmp_path / "memorized.jsonl"
    rows = [{"caption": "Caf\u00e9", "index": 7, "url": "x"}, {"caption": "b", "index": 8, "type": "VM"}]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    assert read_list(path) == [Listed("Caf\u00e9", "not labelled", "7"), Listed("b", "verbatim", "8")]


def test_a_text_has_a_prompt_on_each_line(tmp_path):
    path = tmp_path / "ordinary.txt"
    path.write_text("a lake; at night\n\n  a hill \n")
    assert read_list(path, ordinary=True) == [Listed("a lake; at night", "ordinary"), Listed("a hill", "ordinary")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "prompt,type\na,VM\n", "no column Caption"),
        ("a.jsonl", '{"prompt": "a"}\n', "without a caption"),
        ("a.jsonl", "{\n", "cannot be read as a list"),
        ("a.txt", "\n \n", "has no prompt"),
    ],
)
def test_what_is_no_list_is_refused_by_name(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_list(tmp_path / name)
    assert name in str(error.value)


def test_training_images_are_found_in_all_three_places(tmp_path):
    for name in ("11/b.png", "11/a.png", "11/notes.txt", "12.jpg", "0002_first_image.png", "120.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture_bytes(name))
    found = [
        [path.name for path in training_images(tmp_path, index, place)]
        for place, index in enumerate(("11", "12", "13"))
    ]
    assert found == [["a.png", "b.png"], ["12.jpg"], ["0002_first_image.png"]]
    assert not training_images(tmp_path, "", 3)


def test_a_page_in_the_place_of_a_dead_picture_is_named(tmp_path):
    (tmp_path / "11.jpg").write_text("<html>404</html>")
    with pytest.raises(ValueError, match=r"training image .*11\.jpg is no picture"):
        training_images(tmp_path, "11", 0)


def test_brackets_are_words_and_no_weights():
    assert as_typed("Buzzkill(er) (2020)") == r"Buzzkill\(er\) \(2020\)"


def test_alternatives_are_lists_by_caption(tmp_path):
    path = tmp_path / "other.json"
    path.write_text('{"a": ["b", "c"]}')
    assert read_alternatives(path) == {"a": ["b", "c"]} and read_alternatives(None) == {}
    path.write_text("[1]")
    with pytest.raises(ValueError, match="no JSON object"):
        read_alternatives(path)


@pytest.mark.parametrize("wrong", [["--limit", "0"], ["--seeds", "0"], ["--testbed", "learned"]])
def test_what_cannot_be_is_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        parse(["list.csv", "--checkpoint", "x", *wrong])
    assert "error:" in capsys.readouterr().err
