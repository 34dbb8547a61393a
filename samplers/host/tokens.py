"""What a ComfyUI text encoder makes of a prompt, before it encodes it."""

from typing import Any

UNKNOWN = "?"  # a token whose text the encoder does not tell


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


def token_words(clip: Any, text: str, tokens: int) -> list[str]:
    """The piece of text that each of the `tokens` of a prompt's embedding stands for: "" for begin, end and padding.

    ValueError for a CLIP whose embedding has not one place for each of its tokens.
    """
    found, empty = clip.tokenize(text), clip.tokenize("")
    if not isinstance(found, dict):  # words themselves: the testbed's exact variants
        parts = {"": [str(word) for word in found] or [""]}
    else:
        parts = {
            name: [word for block in blocks for word in _words(block, empty[name][0], _vocabulary(clip, name))]
            for name, blocks in found.items()
        }
    for words in parts.values():
        if len(words) == tokens:
            return words
    raise ValueError(
        f"clip has not one place in its embedding for each token ({tokens} places; tokens: "
        f"{', '.join(str(len(words)) for words in parts.values())}): connect the text encoder of an SD1.x, SD2.x or "
        "SDXL checkpoint, or the testbed's."
    )


def _words(block: list[tuple], empty: list[tuple], vocabulary: dict[int, str]) -> list[str]:
    """Of the tokens of a block; the first two of an empty prompt's are begin and end, or end and padding."""
    special, words, ended = {entry[0] for entry in empty[:2]}, [], False
    for place, entry in enumerate(block):
        if not isinstance(entry[0], int):
            words.append("" if ended else "(embedding)")
            continue
        ended = ended or (place > 0 and entry[0] in special)
        words.append("" if ended or entry[0] in special else _readable(vocabulary.get(entry[0], UNKNOWN)))
    return words


def _vocabulary(clip: Any, part: str) -> dict[int, str]:
    """The tokens of a part of a text encoder, as text."""
    tokenizers = (getattr(clip.tokenizer, name, None) for name in (f"clip_{part}", part))
    found = (getattr(tokenizer, "inv_vocab", None) for tokenizer in tokenizers)
    return next((vocabulary for vocabulary in found if vocabulary is not None), {})


def _readable(token: str) -> str:
    """Without the marks of where a word ends or begins."""
    return token.removesuffix("</w>").removeprefix("\u2581")
