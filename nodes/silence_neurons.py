from ..samplers.host.attention import cross_attentions, edit_attention
from ..samplers.neurons import check, parse, silence


class SilenceNeurons:
    @classmethod
    def INPUT_TYPES(cls):
        neurons = {
            "multiline": True,
            "default": "",
            "tooltip": 'One line for each layer, "layer: channel, channel". Layers are counted from 0 through the '
            "network; in SD1.x 0 to 5 are the down layers and 6 the middle one, as in the paper. Its released "
            "list of lists is understood too. Empty: nothing is silenced.",
        }
        model = "The model in which the neurons were found: SD1.x, SD2.x or SDXL."
        return {"required": {"model": ("MODEL", {"tooltip": model}), "neurons": ("STRING", neurons)}}

    RETURN_TYPES = ("MODEL",)
    RETURN_NAMES = ("model",)
    OUTPUT_TOOLTIPS = ("The model with these neurons silent, for any sampler node and guider.",)
    FUNCTION = "silence"
    CATEGORY = "basin escape/attention"
    DESCRIPTION = (
        "Switches off the value channels of the cross-attention that fire for a memorized prompt (NeMo, NeurIPS 2024), "
        "from a list of them: it does not search. For SD1.x, SD2.x and SDXL; no further model calls."
    )
    SEARCH_ALIASES = ["NeMo", "neurons", "prune", "ablate", "block neurons", "Hintersdorf", "memorization"]

    def silence(self, model, neurons):
        found = parse(neurons)
        check(found, [layer.to_v.weight.shape[0] for layer in cross_attentions(model).values()])
        if not any(found.values()):
            return (model,)

        def silenced(call):
            channels = found.get(call.number)
            return call.k, silence(call.v, channels) if channels else call.v

        return (edit_attention(model, silenced),)


NODES = {"SilenceNeurons": ("Silence Neurons", SilenceNeurons)}
