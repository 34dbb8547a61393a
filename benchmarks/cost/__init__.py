"""What the nodes cost: time, memory, waits, import, and the drawing of the curve."""
