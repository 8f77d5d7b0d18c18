"""Which parameters a phase trains, and how fast; everything else is frozen."""

from tlkit.backbones.freezing.freeze import NORM_LAYERS, freeze, hold_norm_statistics, thaw
from tlkit.strategies.strategy import resolve_keys

# Part of the paths of the parameters that `insert_lora` adds.
ADAPTER = "lora_"
# Wide keys come first, so that narrower ones overwrite their learning rate; stages have rank 1.
_RANKS = {"all": 0, "norm": 2, "bias": 2, "adapter": 3}


def apply_phase(backbone, head, phase):
    """Freeze everything that a phase doesn't train, and return its parameters as [(learning_rate, parameters)]."""
    thaw(backbone)
    thaw(head)
    rates = {}
    for key, rate in sorted(phase.learning_rate.items(), key=lambda item: _RANKS.get(item[0], 1)):
        for name in resolve_keys([key], backbone):
            for parameter in _list_parameters(name, backbone, head):
                rates[parameter] = rate
    for part in (backbone, *backbone.body.values()):  # the whole, because some parameters belong to no stage
        if not any(parameter in rates for parameter in part.parameters()):
            freeze(part)
    if phase.norm_statistics == "frozen":
        hold_norm_statistics(backbone)
    parameters = [*backbone.parameters(), *head.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(parameter in rates)
    if restrict := getattr(phase.objective, "restrict", None):
        restrict(backbone)
    groups = {}
    for parameter in parameters:
        if parameter.requires_grad:
            groups.setdefault(rates[parameter], []).append(parameter)
    return list(groups.items())


def is_source_free(phase):
    """Return whether a phase is trained on the target alone, with its objective as the whole loss."""
    return getattr(phase.objective, "source_free", False)


def count_frozen_stages(backbone):
    """Return the number of stages before the first that the phase trains; all if it trains none."""
    stages = list(backbone.body.values())
    trained = [index for index, stage in enumerate(stages) if any(value.requires_grad for value in stage.parameters())]
    return trained[0] if trained else len(stages)


def _list_parameters(name, backbone, head):
    """Return the parameters of a stage or of a keyword other than "all"."""
    if name == "head":
        return list(head.parameters())
    if name == "norm":
        layers = [module for module in backbone.modules() if isinstance(module, NORM_LAYERS)]
        return [parameter for layer in layers for parameter in layer.parameters(recurse=False)]
    if name == "bias":
        return [value for path, value in backbone.named_parameters() if path.endswith("bias")]
    if name == "adapter":
        return [value for path, value in backbone.named_parameters() if ADAPTER in path]
    return list(backbone.body[backbone.stages[backbone.find_stage(name)]].parameters())
