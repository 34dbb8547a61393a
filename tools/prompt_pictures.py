"""What Token Significance and Probe Memorization show on a trained testbed, for their help pages. `make pictures`."""

import comfy.utils
import torch

from ..benchmarks.field.probe import ORDINARY, TRAINED, prompted
from ..benchmarks.harness import evaluate
from ..benchmarks.methods import PLAIN
from ..benchmarks.testbeds import testbed
from ..nodes import NODE_CLASS_MAPPINGS as NODES
from ..nodes.preview import to_picture
from .method_pictures import DOCS, SAMPLING, STARTS, beside

BED = "learned noise"


def bars() -> torch.Tensor:
    """Of the first memorized caption, four start noises."""
    bed = testbed(BED)
    latent = {"samples": torch.zeros(4, *bed.latent_shape)}
    node = NODES["TokenSignificance"]()
    return node.measure(bed.model, bed.clip, bed.tuning.memorized[0], bed.encode(""), latent, 0)["result"][0]


def main() -> None:
    comfy.utils.set_progress_bar_enabled(False)
    to_picture(bars()).save(DOCS / "token-significance.png", optimize=True)
    bed = testbed(BED)
    captions = tuple(bed.tuning.memorized[:2])
    columns = {"training image": torch.stack([bed.image(caption) for caption in captions])[:, None]}
    for title, prompt in (("without the title", ORDINARY), ("embedding that was found", TRAINED)):
        method = prompted(BED, prompt, PLAIN)
        columns[title] = evaluate(method, BED, captions, STARTS, SAMPLING).samples
    beside(captions, columns).savefig(DOCS / "probed-memorization.png")
