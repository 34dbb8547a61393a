"""Load the pack the way ComfyUI does, before any test imports from it."""

from pack import load_pack

load_pack()
