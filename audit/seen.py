"""What was seen of a prompt, seed by seed, and how similar it is to the prompt's references."""

import json
from dataclasses import dataclass

import numpy as np

from .measures import nearest
from .store import Store, vector_of

FINDINGS = "SELECT seed, error, scores, plain, mitigated FROM findings WHERE prompt = ? ORDER BY seed"
REFERENCES = "SELECT path, vector FROM prompt_references JOIN described USING (path) WHERE prompt = ? ORDER BY number"


@dataclass(frozen=True)
class Seen:
    """vectors: of the pictures, by "plain" and "mitigated"; similarity: to the reference that is nearest to each."""

    seed: int
    error: str | None
    scores: dict[str, float]
    vectors: dict[str, np.ndarray]
    similarity: dict[str, float]
    nearest: str | None = None  # the path of the reference to the plain picture


def seen(store: Store, prompt: int) -> list[Seen]:
    """In the order of the seeds; those that failed too."""
    references = store.connection.execute(REFERENCES, (prompt,)).fetchall()
    vectors = np.array([vector_of(vector) for _, vector in references])
    found = []
    for seed, error, scores, *blobs in store.connection.execute(FINDINGS, (prompt,)).fetchall():
        pairs = zip(("plain", "mitigated"), blobs, strict=True)
        mine = {name: vector_of(blob) for name, blob in pairs if blob is not None}
        best = {name: nearest(vector, vectors) for name, vector in mine.items()} if references else {}
        similarity = {name: value for name, (value, _) in best.items()}
        path = references[best["plain"][1]][0] if "plain" in best else None
        found.append(Seen(seed, error, json.loads(scores), mine, similarity, path))
    return found
