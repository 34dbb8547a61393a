"""What a ComfyUI text encoder makes of a prompt, before it encodes it."""

from typing import Any


def real_tokens(clip: Any, text: str) -> list[int]:
    """How many tokens of each block of a prompt are real: begin, words and the first end token; the rest is padding.

    An encoder of two parts (SDXL) splits a prompt alike in both, and only pads in another way. ValueError for a CLIP
    whose tokens do not come in blocks.
    """
    parts, ends = clip.tokenize(text), clip.tokenize("")
    if not isinstance(parts, dict):
        raise ValueError(
            f"clip is a {type(clip).__name__}, which does not tell words from padding: connect the text encoder of an "
            "SD1.x, SD2.x or SDXL checkpoint, or of the testbed's learned variants."
        )
    counts = [[_length(block, ends[name][0][1][0]) for block in blocks] for name, blocks in parts.items()]
    return [max(lengths) for lengths in zip(*counts, strict=False)]


def _length(block: list[tuple], end: int) -> int:
    """Up to and with the first end token; entries are (token, weight, ...), where embeddings are tensors."""
    tokens = [entry[0] if isinstance(entry[0], int) else None for entry in block]
    return tokens.index(end) + 1 if end in tokens else len(block)
