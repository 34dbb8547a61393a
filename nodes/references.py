from collections.abc import Iterator

import comfy.model_management
import comfy.utils
from torch import Tensor

from .files import FORBIDDEN
from .input_pictures import NONE, caption, input_folder, picture_files, pictures_in


class References:
    """The pictures of a batch and those of a folder, read one at a time, each time they are gone through.

    batch   [n, height, width, 3] or None
    folder  below ComfyUI's input folder, or NONE
    least   with fewer that can be read, going through them ends in a ValueError
    found   names of those that could be read, in order, and `unread`: why the others could not; both once gone through
    """

    def __init__(self, batch: Tensor | None, folder: str, least: int = 1):
        self.batch = [] if batch is None else list(batch[..., :3].cpu())
        self.folder, self.least = folder, least
        self.path = None if folder == NONE else input_folder(folder)
        self.files = picture_files(self.path) if self.path else []
        if self.path and not self.files:
            raise ValueError(f"folder {folder!r} has no pictures (png, jpg, webp, bmp, tiff, gif): put some there.")
        if not self.path and not self.batch:
            raise ValueError("There are no references: choose a folder, or connect pictures to references.")

    def __iter__(self) -> Iterator[Tensor]:
        self.found: list[str] = []
        self.unread: list[str] = []
        bar = comfy.utils.ProgressBar(len(self.batch) + len(self.files))
        for name, picture, why in self._each():
            comfy.model_management.throw_exception_if_processing_interrupted()
            if picture is None:
                self.unread.append(f"{shown(name)} {why}")
            else:
                self.found.append(name)
                yield picture
            bar.update(1)
        if len(self.found) < self.least:
            unread = "".join(f"\n{line}" for line in self.unread[:10])
            raise ValueError(f"{len(self.found)} reference(s), but at least {self.least} needed: add more.{unread}")

    def _each(self) -> Iterator[tuple[str, Tensor | None, str]]:
        for number, picture in enumerate(self.batch, 1):
            yield f"reference {number}", picture, ""
        if self.path:
            yield from pictures_in(self.path, self.files)

    @property
    def names(self) -> list[str]:
        """Of those that were found, as they may be shown."""
        return [shown(name) for name in self.found]

    def again(self, place: int) -> Tensor:
        """The picture of that place in `found`. ValueError where its file has gone since."""
        if place < len(self.batch):
            return self.batch[place]
        (_, picture, why), *_ = pictures_in(self.path or "", [self.found[place]])
        if picture is None:
            raise ValueError(f"{shown(self.found[place])} in folder {self.folder!r} {why}, but could be read before.")
        return picture

    def captions(self) -> list[str]:
        """Of each in `found`, "" where none lies beside its file."""
        return [caption(self.path or "", name) if k >= len(self.batch) else "" for k, name in enumerate(self.found)]


def shown(name: str) -> str:
    """A file's name without what a page could take for markup."""
    return FORBIDDEN.sub("_", name)
