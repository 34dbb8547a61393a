"""What a reproduction begins with: the lists, the training images, the sampling, and what of it may not change."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..run import blocks, digest
from .prompt_lists import Listed, as_typed, read_list, training_images
from .wiring import Sampling


def lists(options: Namespace) -> tuple[list[Listed], list[Listed], str]:
    """The memorized prompts, the ordinary ones that are measured, and those that norms are calibrated with."""
    ordinary = read_list(options.ordinary, ordinary=True)
    return read_list(options.prompts), ordinary[::2], "\n".join(as_typed(each.caption) for each in ordinary[1::2])


def training(folder: Path | None, memorized: Sequence[Listed]) -> Iterator[tuple[int, Path]]:
    """The training images by prompt, which are numbered from 1 on. Raises ValueError for a folder without any."""
    if folder is not None and not folder.is_dir():
        raise ValueError(f"--training-images {folder} is no folder.")
    found = 0
    for place, prompt in enumerate(memorized):
        for path in training_images(folder, prompt.index, place) if folder else ():
            found += 1
            yield place + 1, path
    if folder is not None and not found:
        raise ValueError(f"--training-images {folder} holds none for any prompt of the list (see docs/reproduce.md).")


def sampling_of(options: Namespace, calibration: str) -> Sampling:
    testbed, checkpoint = {"variant": options.testbed}, {"ckpt_name": options.checkpoint}
    loader = ("LoadMemorizationTestbed", testbed) if options.testbed else ("CheckpointLoaderSimple", checkpoint)
    how = options.steps, options.cfg, options.sampler, options.scheduler, options.size
    return Sampling(loader, *how, calibration)


def settings(options: Namespace, sampling: Sampling) -> dict[str, str]:
    """What a folder is begun with, and goes on with."""
    told = {"steps": sampling.steps, "cfg": sampling.cfg, "sampler": sampling.sampler, "scheduler": sampling.scheduler}
    return {
        "prompts": f"{options.prompts.name} {digest(blocks(options.prompts))}",
        "ordinary prompts": f"{options.ordinary.name} {digest(blocks(options.ordinary))}",
        "model": " ".join(str(value) for value in sampling.loader[1].values()),
        **{name: str(value) for name, value in told.items()},
        "size": str(sampling.size),
    }
