"""Which parameters a phase trains, and how fast; everything else is frozen."""

from tlkit.backbones.freezing.freeze import NORM_LAYERS, freeze, hold_norm_statistics, thaw
from tlkit.strategies.strategy import resolve_keys

# In the paths of what `insert_lora` adds.
ADAPTER = "lora_"


def apply_phase(backbone, head, phase):
    """Freeze everything that a phase doesn't train, and return its parameters as [(learning_rate, parameters)]."""
    thaw(backbone)
    thaw(head)
    rates = {}
    for key, rate in sorted(phase.learning_rate.items(), key=lambda item: _breadth(item[0])):
        for name in resolve_keys([key], backbone):
            for parameter in _parameters(name, backbone, head):
                rates[parameter] = rate
    for part in (backbone, *backbone.body.values()):  # the whole with what belongs to no stage
        if not any(parameter in rates for parameter in part.parameters()):
            freeze(part)
    if phase.norm_statistics == "frozen":
        hold_norm_statistics(backbone)
    groups = {}
    for parameter in (*backbone.parameters(), *head.parameters()):
        parameter.requires_grad_(parameter in rates)
        if parameter in rates:
            groups.setdefault(rates[parameter], []).append(parameter)
    return list(groups.items())


def count_frozen_stages(backbone):
    """Return how many stages, from the first, have nothing that a phase trains once it was applied."""
    stages = list(backbone.body.values())
    learning = [place for place, stage in enumerate(stages) if any(value.requires_grad for value in stage.parameters())]
    return learning[0] if learning else len(stages)


def _breadth(key):
    # Wide keys come first, so that the narrower ones overwrite their learning rate.
    return {"all": 0, "norm": 2, "bias": 2, "adapter": 3}.get(key, 1)


def _parameters(name, backbone, head):
    if name == "head":
        return list(head.parameters())
    if name == "norm":
        layers = [module for module in backbone.modules() if isinstance(module, NORM_LAYERS)]
        return [parameter for layer in layers for parameter in layer.parameters(recurse=False)]
    if name == "bias":
        return [value for path, value in backbone.named_parameters() if path.endswith("bias")]
    if name == "adapter":
        return [value for path, value in backbone.named_parameters() if ADAPTER in path]
    return list(backbone.body[name].parameters())
