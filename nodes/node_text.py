"""A text on the node that is being executed, whosever node that is: ComfyUI shows it below the node's widgets."""

try:
    from comfy_execution.utils import get_executing_context
    from server import PromptServer
except ImportError:  # the sampling library alone, without the ComfyUI server
    PromptServer = get_executing_context = None


def show_text(text: str) -> None:
    """Show a text where a page listens."""
    if PromptServer is None or get_executing_context is None or (context := get_executing_context()) is None:
        return
    server = PromptServer.instance
    if server.client_id in server.sockets:
        server.send_progress_text(text, context.node_id, server.client_id)


class Remark:
    """Shows a text; where an earlier run left one and now there is none, `otherwise`."""

    def __init__(self, otherwise: str):
        self.otherwise = otherwise
        self.shown: dict[str, str] = {}  # the run that left a text, by node

    def __call__(self, text: str) -> None:
        if get_executing_context is None or (context := get_executing_context()) is None:
            return
        node, run = context.node_id, context.prompt_id
        if text:
            self.shown[node] = run
            show_text(text)
        elif self.shown.get(node, run) != run:
            del self.shown[node]
            show_text(self.otherwise)


def norm_in_words(norm: float, elements: int) -> str:
    """A guidance norm per square root of the `elements` of a sample, in both of its units."""
    return f"{norm:.4f} RMS ({norm * elements**0.5:.2f} L2)"
