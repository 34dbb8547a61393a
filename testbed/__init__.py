"""Small diffusion models that memorize: some known exactly, without any training, and a network that was trained."""
