"""The numbers of a table, against what is computed by hand; what networks are given, against torchvision's."""

import numpy as np
import pytest
import torch
from basin_escape.audit.reproduce.book import ROUND, Book, Start
from basin_escape.audit.reproduce.measures import Network, cropped, measures_of, skewed
from basin_escape.audit.reproduce.methods import METHODS, PLAIN, Method
from basin_escape.audit.reproduce.options import parse
from basin_escape.audit.reproduce.progress import pending, time_left
from basin_escape.audit.reproduce.prompt_lists import ORDINARY, TEMPLATE, VERBATIM, Listed
from basin_escape.audit.reproduce.report import in_words
from basin_escape.audit.reproduce.table import figures, rows
from PIL import Image
from torchvision import transforms

KINDS = (VERBATIM, VERBATIM, TEMPLATE, ORDINARY)
CLIP = "clip"


def unit(values):
    return np.array(values, np.float32) / np.linalg.norm(values)


@pytest.fixture
def book(tmp_path):
    found = Book(tmp_path)
    found.begin({"a": "b"}, [Listed(f"caption {i}", kind) for i, kind in enumerate(KINDS)])
    yield found
    found.close()


def test_the_numbers_of_similarities_are_those_of_numpy():
    values = [0.1, 0.5, 0.6, 0.9]
    found = figures(values)
    assert found.n == 4 and found.mean == pytest.approx(0.525) and found.copied == 0.5
    assert found.high == pytest.approx(0.6 + 0.85 * 0.3)  # between the third and the fourth, at 0.95 * 3 = 2.85
    assert found.std == pytest.approx((sum((value - 0.525) ** 2 for value in values) / 3) ** 0.5)
    assert figures([]) is None and figures([0.3]).std == 0


def test_a_row_compares_with_the_nearest_training_image_and_with_the_models_own_picture(book, tmp_path):
    random = np.random.default_rng(0)
    vectors = {}
    for method in ("none", "other"):
        for prompt in range(1, 5):
            file = f"{method}-{prompt}"
            book.add(Start(prompt, 0, method, ""), file, prompt * 1.0, None, "s")
            vectors[file] = unit(random.normal(size=3))
    training = {1: ["1a", "1b"], 2: ["2a"]}
    book.set_training((prompt, tmp_path / name) for prompt, names in training.items() for name in names)
    for names in training.values():
        for name in names:
            vectors[str((tmp_path / name).resolve())] = unit(random.normal(size=3))
    for source, vector in vectors.items():
        book.keep(source, "m", "", vector)
        book.keep(source, CLIP, "", vector)
    texts = {prompt: unit(random.normal(size=3)) for prompt in range(1, 5)}
    for prompt, vector in texts.items():
        book.keep(f"prompt {prompt}", CLIP, "", vector)

    plain, other = rows(book, ["none", "other", "absent"], (VERBATIM, TEMPLATE), "m", CLIP)
    nearest = [
        max(float(vectors[f"other-{prompt}"] @ vectors[str((tmp_path / name).resolve())]) for name in names)
        for prompt, names in training.items()
    ]
    own = [float(vectors[f"other-{prompt}"] @ vectors[f"none-{prompt}"]) for prompt in (1, 2, 3)]
    fit = [float(vectors[f"other-{prompt}"] @ texts[prompt]) for prompt in (1, 2, 3)]
    assert other.pictures == 3
    assert tuple(other.training) == pytest.approx(tuple(figures(nearest)))
    assert tuple(other.own) == pytest.approx(tuple(figures(own)))
    assert other.clip == pytest.approx(np.mean(fit)) and other.seconds == 2.0
    assert plain.own is None and plain.training.n == 2
    (ordinary,) = rows(book, ["other"], (ORDINARY,), "m", None)
    assert ordinary.pictures == 1 and ordinary.training is None and ordinary.clip is None


def test_all_kinds_come_first_and_methods_take_turns_by_rounds(tmp_path):
    book = Book(tmp_path)
    kinds = [VERBATIM] * 40 + [ORDINARY] * 30
    book.begin({"a": "b"}, [Listed(str(i), kind) for i, kind in enumerate(kinds)])
    starts = book.starts([PLAIN, Method("other")], 10**6, 1, {})
    assert len(starts) == len(set(starts)) == 140
    first = starts[:ROUND]
    assert [start.prompt for start in first[:4]] == [1, 41, 2, 42] and {start.method for start in first} == {"none"}
    assert [start[:2] for start in starts[ROUND : 2 * ROUND]] == [start[:2] for start in first]
    assert len(book.starts([PLAIN], 5, 3, {})) == 2 * 5 * 3
    assert len({start.noise_seed for start in book.starts([PLAIN], 40, 3, {})}) == 70 * 3
    book.close()


def test_who_needs_alternatives_gets_only_prompts_that_have_them(book):
    needy = [method for method in METHODS if method.needs_alternatives]
    assert needy and not book.starts(needy, 9, 1, {})
    assert [start.caption for start in book.starts(needy, 9, 1, {"caption 2": ["x"]})] == ["caption 2"]


def test_the_time_that_is_left_is_that_of_the_methods_that_are_left(book):
    starts = book.starts([PLAIN, Method("slow"), Method("new")], 9, 1, {})
    assert time_left(book, starts, 1) is None
    for start, seconds in (starts[0], 1.0), (starts[1], 3.0), (starts[4], 8.0):
        book.add(start, "x", seconds, None, "s")
    book.add(starts[2], None, None, "failed", "s")
    missing = pending(book, starts)
    assert len(missing) == 9
    assert time_left(book, missing, 2) == pytest.approx((2 * 2.0 + 3 * 8.0 + 4 * 5.0) / 2)
    assert [in_words(value) for value in (None, 20, 600, 7500)] == [
        "not known yet",
        "less than a minute",
        "10 min",
        "2 h 05 min",
    ]


def test_a_method_that_has_become_another_is_refused(book):
    book.set_method("a", "{}")
    book.set_method("a", "{}")
    with pytest.raises(ValueError, match="pictures of a by other nodes or settings"):
        book.set_method("a", "{1}")


@pytest.mark.parametrize("size", [(512, 512), (640, 400), (300, 777)])
def test_networks_see_what_the_published_scripts_show_them(size):
    random = np.random.default_rng(0)
    picture = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    normal = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    skew = transforms.Compose([transforms.Resize([320, 320]), transforms.ToTensor(), normal])
    half = transforms.Normalize([0.5], [0.5])
    crop = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), half])
    for ours, theirs in (skewed, skew), (cropped, crop):
        np.testing.assert_allclose(ours(picture), theirs(picture)[None].numpy(), atol=1e-5)


class Means(torch.nn.Module):
    """The mean of each colour."""

    def forward(self, x):
        return x.mean((2, 3)) * 7


def test_a_network_of_torchscript_gives_vectors_of_length_one(tmp_path):
    torch.jit.script(Means()).save(str(tmp_path / "means.pt"))
    network = Network("sscd", tmp_path / "means.pt", cropped)
    vector = network.describe(Image.new("RGB", (300, 300), (255, 0, 255)))
    np.testing.assert_allclose(vector, np.array([1, -1, 1]) / 3**0.5, atol=1e-6)
    assert network.label == "sscd (means.pt)"
    (tmp_path / "none.pt").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"none\.pt is no network in TorchScript"):
        Network("sscd", tmp_path / "none.pt", cropped)


def test_what_is_missing_is_said_with_how_to_get_it():
    similarity, clip, missing = measures_of(parse(["list.csv", "--checkpoint", "x"]))
    assert clip is None and similarity[-1].label == "pixels"
    said = " ".join(missing)
    assert "--sscd-large" in said and "--clip ViT-g-14" in said
    assert ("onnxruntime" in said) == (len(similarity) == 1)


def test_clip_is_compared_by_open_clip():
    """With random weights: the similarity of a picture and a text is that of the vectors open_clip gives."""
    open_clip = pytest.importorskip("open_clip")
    from basin_escape.audit.reproduce.measures import CLIP as Clip

    found = Clip("ViT-B-32:")
    picture = Image.new("RGB", (300, 200), (10, 200, 30))
    with torch.inference_mode():
        image = found.model.encode_image(found.prepare(picture)[None])[0]
        text = found.model.encode_text(open_clip.get_tokenizer("ViT-B-32")(["a lake"]))[0]
    expected = torch.nn.functional.cosine_similarity(image, text, dim=0)
    assert found.describe(picture) @ found.describe_text("a lake") == pytest.approx(expected.item(), abs=1e-5)
