"""The optimizer, the learning-rate schedule, and the trial of mixed precision."""

import copy
import itertools
import math
import time

import torch
from torch import nn

from tlkit.cpu.convolutions import QuickConvolutions

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
