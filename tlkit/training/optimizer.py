"""The parameters that a phase trains, their optimizer, the learning-rate schedule, and the trial of mixed precision."""

import copy
import itertools
import math
import time

import torch
from torch import nn

from tlkit.backbones.freezing.freeze import NORM_LAYERS, freeze, hold_norm_statistics, thaw
from tlkit.cpu.convolutions import QuickConvolutions
from tlkit.strategies.strategy import is_self_supervised, resolve_keys

# Part of the paths of the parameters that `insert_lora` adds.
ADAPTER = "lora_"
# Wide keys come first, so that narrower ones overwrite their learning rate; stages have rank 1.
_RANKS = {"all": 0, "norm": 2, "bias": 2, "adapter": 3}


def apply_phase(backbone, head, phase):
    """Freeze everything that a phase doesn't train, and return its parameters as [(learning_rate, parameters)]."""
    if set(phase.train) != {"head"} and backbone.made and backbone.made.get("frozen"):
        found = f"{backbone.name} is a frozen ONNX network"
        raise ValueError(f"strategy: trains {list(phase.train)}, but {found}: train only 'head'")
    thaw(backbone)
    thaw(head)
    rates = {}
    for key, rate in sorted(phase.learning_rate.items(), key=lambda item: _RANKS.get(item[0], 1)):
        for name in resolve_keys([key], backbone):
            rates |= dict.fromkeys(_list_parameters(name, backbone, head), rate)
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


def number_views(phase, epoch):
    """Return the numbers of the views of each picture that a phase draws in an epoch of the run."""
    return (2 * epoch, 2 * epoch + 1) if is_self_supervised(phase) else (epoch,)


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


MOMENTUM = 0.9
_N_TRIAL_STEPS = 3


def make_optimizer(name, groups, weight_decay):
    """Return the optimizer of [(learning_rate, parameters)]; SGD has Nesterov momentum of 0.9."""
    groups = [{"params": parameters, "lr": rate, "initial_lr": rate} for rate, parameters in groups]
    if name == "adamw":
        return torch.optim.AdamW(groups, weight_decay=weight_decay, fused=True)
    return torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True, weight_decay=weight_decay, fused=True)


def list_trained(optimizer):
    """Return the parameters that an optimizer updates."""
    return [value for group in optimizer.param_groups for value in group["params"]]


def restore_optimizer(optimizer, loaded):
    """Put back the optimizer's state from a checkpoint, {number of the parameter: {name: tensor}}."""
    state, parameters = optimizer.state_dict(), list_trained(optimizer)
    for number, values in loaded.items():
        # In the parameter's own memory layout, as the optimizer itself would create it.
        state["state"][number] = {
            name: torch.empty_like(parameters[number]).copy_(value) if value.ndim else value.clone()
            for name, value in values.items()
        }
    optimizer.load_state_dict(state)


def schedule(step, n_steps):
    """Return the share of the learning rate at a step: linear warm-up over the first tenth, then half a cosine to 0."""
    n_warm = max(1, n_steps // 10)
    if step < n_warm:
        return (step + 1) / n_warm
    return 0.5 * (1 + math.cos(math.pi * (step - n_warm) / max(1, n_steps - n_warm)))


def is_bfloat16_faster(network, batch, labels):
    """Return whether trial steps of a copy of a network, batch (n, …) to scores, are faster under autocast."""
    network = copy.deepcopy(network).train()
    durations_s = {False: [], True: []}
    for _, enabled in itertools.product(range(_N_TRIAL_STEPS), durations_s):
        start = time.perf_counter()
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=enabled), QuickConvolutions():
            loss = nn.functional.cross_entropy(network(batch), labels)
        loss.backward()
        loss.item()
        durations_s[enabled].append(time.perf_counter() - start)
        network.zero_grad()
    return min(durations_s[True]) < min(durations_s[False])
