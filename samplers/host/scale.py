"""Settings that cannot do without the guidance scale, where a hook is not told of it."""

from ..settings import ESCAPE, ORTHOGONAL, Settings


def check_known_scale(settings: Settings) -> None:
    """Raise ValueError for settings that need the guidance scale, where a hook is not told of it."""
    needs = {ESCAPE: settings.transition, ORTHOGONAL: settings.before_transition}
    for choice, chosen in needs.items():
        if choice == chosen and settings.mitigates:
            raise ValueError(
                f"{choice} needs the guidance scale, but this ComfyUI, with this guider, does not tell it to a model "
                "patch. Use Basin Escape Guider or KSampler (Basin Escape), or choose zero guidance and dynamic."
            )
