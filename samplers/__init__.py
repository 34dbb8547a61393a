"""The methods: pure rules that import torch alone, and their adapters to ComfyUI (guider, model_patch)."""
