"""The paper's tables and figures on the pack's own memorizing models, beside the paper's numbers."""
