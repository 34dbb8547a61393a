"""Progress and costs of the nodes that take gradients with respect to a prompt's embedding."""

import comfy.utils

from .node_text import show_text


class Progress:
    """A bar of so many steps, and below the node what was found last: a text with places for the numbers."""

    def __init__(self, steps: int, text: str):
        self.bar, self.text = comfy.utils.ProgressBar(steps), text

    def __call__(self, *numbers: float) -> None:
        self.bar.update(1)
        show_text(self.text.format(*numbers))


class Costs:
    """What was asked of models, in words."""

    def __init__(self):
        self.calls = self.backward = 0

    def add(self, run) -> None:
        """A run that was differentiated (samplers/host/differentiable_run.py)."""
        self.calls += run.forward
        self.backward += run.backward

    def __str__(self) -> str:
        return f"cost: {self.calls} model calls, {self.backward} of them with a backward pass"
