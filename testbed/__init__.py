"""A small diffusion model that memorizes and is known exactly: no weights, no training, one seed."""
