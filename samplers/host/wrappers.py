"""The places of the host where a patch may wrap a run or a call of the model; None in a ComfyUI that has none."""

try:
    from comfy.patcher_extension import WrappersMP
except ImportError:  # ComfyUI before December 2024
    WrappersMP = None

__all__ = ["WrappersMP"]
