"""What makes the evidence: the harness, the demo, the paper's tables and figures, and what all of it costs."""
