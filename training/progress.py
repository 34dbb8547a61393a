"""An interrupted training goes on where it was."""

from dataclasses import astuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..tools.pack import ROOT
from .training_set import Recipe


class Progress:
    """All that a training needs to go on, in a file of output/ that is named after the recipe."""

    def __init__(self, recipe: Recipe, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer):
        name = "-".join(str(value) for value in astuple(recipe))
        self.path = ROOT / "output" / f"train-testbed-{name}.safetensors"
        self.modules, self.optimizer = {"model": model, "average": average}, optimizer

    def save(self, step: int) -> None:
        tensors = {f"{key}.{name}": v for key, m in self.modules.items() for name, v in m.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        self.path.parent.mkdir(exist_ok=True)
        save_file(
            {name: value.contiguous() for name, value in tensors.items()} | {"step": torch.tensor(step)}, self.path
        )

    def load(self) -> int:
        """The number of steps that are done; 0 where there is no file."""
        if not self.path.exists():
            return 0
        tensors = load_file(self.path)
        for key, module in self.modules.items():
            own = {name: value for name, value in tensors.items() if name.startswith(f"{key}.")}
            module.load_state_dict({name.removeprefix(f"{key}."): value for name, value in own.items()})
        state: dict[int, dict[str, Tensor]] = {}
        parameters = list(self.modules["model"].parameters())
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, kind = name.split(".")
                if kind != "step":  # the fused optimizer needs the memory layout of the parameter
                    value = torch.empty_like(parameters[int(index)]).copy_(value)
                state.setdefault(int(index), {})[kind] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        return int(tensors["step"])
