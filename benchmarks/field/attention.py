"""Methods of the field that work on the cross-attention, as rows of the tables. The closed-form testbed has none: they
raise there, by name.
"""

from dataclasses import replace
from typing import Any

from ...nodes import NODE_CLASS_MAPPINGS as NODES
from ..methods import Method, Setup


def mitigated_attention(scale: float, mask: bool = True, end_token: bool = True) -> Method:
    """Ren et al.: Mitigate Cross-Attention."""
    return Method(
        f"attention x{scale:g}{', masked' * mask}{', no end token' * (not end_token)}",
        lambda setup: _mitigated(setup, scale, mask, end_token),
        ("ren", scale, mask, end_token),
    )


def _mitigated(setup: Setup, scale: float, mask: bool, end_token: bool) -> Setup:
    node = NODES["MitigateCrossAttention"]()
    model, positive = node.mitigate(setup.model, setup.clip, setup.caption, scale, mask, end_token)
    return replace(setup, model=model, positive=positive)


def guard(repulsion: float = 2.0, attenuation: float = 0.3, threshold: float = 0.1) -> Method:
    """Zhao et al.: GUARD Guider."""

    def build(setup: Setup) -> Any:
        prompts = setup.positive, setup.negative
        return NODES["GUARDGuider"]().get_guider(setup.model, *prompts, setup.cfg, repulsion, attenuation, threshold)[0]

    name = f"GUARD {repulsion:g}, attention x{attenuation:g} above {threshold:g}"
    return Method(name, lambda setup: replace(setup, guider=build), ("guard", repulsion, attenuation, threshold))


REN = [mitigated_attention(1.25), mitigated_attention(1.25, end_token=False), mitigated_attention(2.0)]
GUARDS = [guard(0.0, threshold=0.01), *(guard(repulsion) for repulsion in (2.0, 4.0, 6.0, 8.0))]
