"""Short runs of the models in families.py, by a guider that keeps what the network said."""

import importlib

import comfy.sample
import comfy.samplers
import torch

from .families import FAMILIES, family_prompt, load_family

SEED, STEPS, CFG = 7, 4, 4.0


class Encoder:
    """The family's text encoder: a prompt for every text."""

    def __init__(self, name):
        self.name = name

    def tokenize(self, text):
        return text

    def encode_from_tokens_scheduled(self, text):
        return family_prompt(self.name, sum(map(ord, text)))


class Told(comfy.samplers.CFGGuider):
    """A guider that keeps of every model call the noise level, what the network said of each prompt (0 the positive
    one, 1 the negative one), and the result."""

    def __init__(self, model):
        told = model.clone()
        told.set_model_unet_function_wrapper(self.network)
        super().__init__(told)
        self.calls = []

    def network(self, apply_model, args):
        said = apply_model(args["input"], args["timestep"], **args["c"])
        places = args["cond_or_uncond"]
        self.calls[-1].update(zip(places, said.double().cpu().chunk(len(places)), strict=True))
        return said

    def predict_noise(self, x, timestep, *args, **kwargs):
        self.calls.append({"sigma": timestep[0].item()})
        result = super().predict_noise(x, timestep, *args, **kwargs)
        self.calls[-1]["result"] = result.double().cpu()
        return result


class Family:
    """A family's model, prompts and empty latents, and a short run of it."""

    def __init__(self, name):
        self.name, self.model, self.kind = name, load_family(name), FAMILIES[name]
        self.positive, self.negative = family_prompt(name, 1), family_prompt(name, 2)
        self.nested = isinstance(self.kind.shape[0], tuple)

    def latent(self, batch=2):
        parts = [torch.zeros(batch, *shape) for shape in (self.kind.shape if self.nested else [self.kind.shape])]
        return importlib.import_module("comfy.nested_tensor").NestedTensor(parts) if self.nested else parts[0]

    def noise(self, batch=2):
        return comfy.sample.prepare_noise(self.latent(batch), SEED)

    def sigmas(self, steps=STEPS):
        return comfy.samplers.KSampler(self.model, steps, torch.device("cpu"), "euler", "normal").sigmas

    def run(self, guider, steps=STEPS, batch=2, noise=None):
        """Sample by a guider as SamplerCustomAdvanced does, with Euler. The parts of what it made."""
        euler = comfy.samplers.sampler_object("euler")
        noise = self.noise(batch) if noise is None else noise
        made = guider.sample(noise, self.latent(batch), euler, self.sigmas(steps), disable_pbar=True, seed=SEED)
        return self.parts(made)

    def under(self, model, guider=comfy.samplers.CFGGuider, cfg=CFG, positive=None, **run):
        """The same by a stock guider of a model; and that guider."""
        built = guider(model)
        built.set_conds(self.positive if positive is None else positive, self.negative)
        built.set_cfg(cfg)
        return self.run(built, **run), built

    def parts(self, samples):
        return samples.unbind() if self.nested else [samples]
