"""The paper's tables and figures on the pack's own memorizing models, beside the paper's numbers."""

from pack import load_pack

load_pack()  # the host is on the CPU, and the pack has its name, before any part of this package asks for them
