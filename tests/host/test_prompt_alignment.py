"""Prompt Alignment with ComfyUI's own CLIP and CLIP_VISION, against transformers' CLIP with the same weights."""

import json
from types import SimpleNamespace

import comfy.clip_vision
import comfy.sd
import comfy.sd1_clip
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.nodes.prompt_alignment import STRANGERS, text_vector

transformers = pytest.importorskip("transformers")
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "vocab_size": 49408,
}
VISION = {"hidden_size": 48, "intermediate_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
VISION |= {"image_size": 28, "patch_size": 14, "num_channels": 3}


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """CLIP and CLIP_VISION of the host, and transformers' model whose weights they have."""
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    shared = {"projection_dim": 32, "model_type": "clip_vision_model"}
    text = {**TEXT, "hidden_act": "quick_gelu", "max_position_embeddings": 77, "eos_token_id": 49407}
    vision = {**VISION, "hidden_act": "quick_gelu"}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)
    model = transformers.CLIPModel(config).eval()
    for name, values in (("text", text), ("vision", {**vision, **shared})):
        (folder / f"{name}.json").write_text(json.dumps({**values, "num_positions": 77}))

    class Target:
        params = {}
        tokenizer = comfy.sd1_clip.SD1Tokenizer

        @staticmethod
        def clip(device="cpu", dtype=None, model_options={}):
            options = {"textmodel_json_config": str(folder / "text.json"), "device": device, "dtype": torch.float32}
            return comfy.sd1_clip.SD1ClipModel(clip_model=Small, **options)

    class Small(comfy.sd1_clip.SDClipModel):
        def __init__(self, textmodel_json_config=None, **options):
            super().__init__(textmodel_json_config=str(folder / "text.json"), **options)

    clip = comfy.sd.CLIP(Target)
    weights = {key: value for key, value in model.state_dict().items() if key.startswith("text")}
    missing, _ = clip.cond_stage_model.clip_l.transformer.load_state_dict(weights, strict=False)
    seeing = comfy.clip_vision.ClipVisionModel(str(folder / "vision.json"))
    seeing.model.to(torch.float32)  # on the CPU the host has it in half precision
    lost, _ = seeing.load_sd({key: value for key, value in model.state_dict().items() if key.startswith("vis")})
    assert not missing and not lost
    return SimpleNamespace(clip=clip, vision=seeing, model=model)


def align(both, images, text="a red house", **changes):
    return NODES["PromptAlignment"]().align(images, changes.get("clip", both.clip), both.vision, text)["result"]


def pictures(n):
    return torch.rand(n, 28, 28, 3, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255


def test_the_score_is_that_of_transformers(both):
    images, text = pictures(2), "a red house by the sea"
    score, report = align(both, images, text)
    ((tokens,),) = both.clip.tokenize(text).values()
    ids = torch.tensor([[token for token, _ in tokens]])
    mean, deviation = (torch.tensor(v) for v in (both.vision.image_mean, both.vision.image_std))
    with torch.no_grad():
        made = both.model(input_ids=ids, pixel_values=((images - mean) / deviation).movedim(-1, 1))
    expected = (made.image_embeds @ made.text_embeds.T)[:, 0]
    assert score == pytest.approx(expected.mean().item(), abs=1e-5)
    assert f"picture 1: {expected[0]:.4f}" in report and f"picture 2: {expected[1]:.4f}" in report


def test_a_batch_is_its_pictures_one_by_one(both):
    images = pictures(3)
    singles = [align(both, images[[k]])[0] for k in range(3)]
    assert align(both, images)[0] == pytest.approx(sum(singles) / 3, abs=1e-6)
    assert align(both, images[[2, 0, 1]])[0] == pytest.approx(sum(singles) / 3, abs=1e-6)


def test_pictures_that_are_no_numbers_are_refused(both):
    with pytest.raises(ValueError, match="images holds values that are no numbers"):
        align(both, torch.full_like(pictures(1), torch.nan))


def test_untrained_encoders_are_strangers(both):
    assert STRANGERS in align(both, pictures(1))[1]


@pytest.mark.parametrize("pooled", [None, torch.zeros(1, 32), torch.full((1, 32), torch.nan)])
def test_a_text_encoder_without_a_vector_is_refused(both, pooled):
    clip = SimpleNamespace(tokenize=str, encode_from_tokens=lambda tokens, return_pooled: (None, pooled))
    with pytest.raises(ValueError, match="clip makes no vector of a whole text"):
        text_vector(clip, "a house")


def test_encoders_of_different_widths_are_refused(both):
    wide = torch.ones(1, 48)
    clip = SimpleNamespace(tokenize=str, encode_from_tokens=lambda tokens, return_pooled: (None, wide))
    with pytest.raises(ValueError, match="clip makes vectors of 48 numbers and clip_vision of 32"):
        align(both, pictures(1), clip=clip)


def test_the_testbed_has_no_such_vector(testbed):
    with pytest.raises(ValueError, match="the testbed"):
        text_vector(testbed.clip, "red circle")
