"""Prompts that a node encodes itself."""

CLIP = {"clip": ("CLIP", {"tooltip": "The text encoder."})}
CLIP_AND_TEXT = {
    **CLIP,
    "text": ("STRING", {"multiline": True, "dynamicPrompts": True, "tooltip": "The prompt."}),
}


def encode(clip, prompt: str) -> list:
    """The conditioning of a prompt, as CLIP Text Encode makes it."""
    return clip.encode_from_tokens_scheduled(clip.tokenize(prompt))


def lines_of(text: str) -> list[str]:
    """The prompts of a text box, one per line; empty lines are none."""
    return [line.strip() for line in text.splitlines() if line.strip()]
