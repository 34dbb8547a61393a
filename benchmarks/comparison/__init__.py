"""Orthogonal guidance beside the paper's rules, each method sampled by itself."""
