"""How a step is made: optimiser, learning rate over the steps, losses weighted by class, arithmetic."""

import copy
import itertools
import math
import time

import numpy as np
import torch
from torch import nn

from tlkit.cpu.convolutions import QuickConvolutions

MOMENTUM = 0.9
_N_TRIAL_STEPS = 3


def make_optimizer(name, groups, weight_decay):
    """Return the optimiser of [(learning_rate, parameters)]; SGD has Nesterov momentum of 0.9."""
    groups = [{"params": parameters, "lr": rate} for rate, parameters in groups]
    if name == "adamw":
        return torch.optim.AdamW(groups, weight_decay=weight_decay, fused=True)
    return torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True, weight_decay=weight_decay, fused=True)


def schedule(step, n_steps):
    """Return the share of the learning rate at a step: linear over the first tenth, then half a cosine to zero.

    >>> [round(schedule(step, 20), 2) for step in (0, 1, 2, 11, 19)]
    [0.5, 1.0, 1.0, 0.5, 0.01]
    """
    n_warm = max(1, n_steps // 10)
    if step < n_warm:
        return (step + 1) / n_warm
    return 0.5 * (1 + math.cos(math.pi * (step - n_warm) / max(1, n_steps - n_warm)))


def weigh_classes(labels, n_classes):
    """Return (n_classes,) float32 weights, inverse to how often a class occurs; their mean over the pictures is 1.

    A class without pictures has a weight of 0.

    >>> weigh_classes(np.array([0, 0, 0, 2]), 3).tolist()
    [0.6666666865348816, 0.0, 2.0]
    """
    counts = np.bincount(labels, minlength=n_classes)
    weights = np.divide(len(labels) / np.count_nonzero(counts), counts, where=counts > 0, out=np.zeros(n_classes))
    return torch.tensor(weights, dtype=torch.float32)


def order_pictures(labels, epoch, seed, balance):
    """Return the order in which an epoch sees its pictures, (n,) int.

    With `balance` "sampling" each place is drawn on its own, every class with the same chance, so that pictures of rare
    classes come several times and some others not at all.
    """
    random = np.random.default_rng((seed, epoch))
    if balance != "sampling":
        return random.permutation(len(labels))
    chances = 1 / np.bincount(labels)[labels]
    return random.choice(len(labels), len(labels), p=chances / chances.sum())


def order_target(n_target, n_source, epoch, seed):
    """Return which target picture stands beside each source picture of an epoch, (n_source,) int.

    The target is gone through in one order after another, each a permutation, on from where the epoch before ended.

    >>> [order_target(4, 3, epoch, seed=0).tolist() for epoch in range(4)]
    [[3, 1, 2], [0, 0, 3], [1, 2, 1], [3, 0, 2]]
    """
    places = epoch * n_source + np.arange(n_source)
    passes = range(places[0] // n_target, places[-1] // n_target + 1)
    # The last number makes it another order than the source's of that epoch.
    orders = [np.random.default_rng((seed, number, 1)).permutation(n_target) for number in passes]
    return np.concatenate(orders)[places - passes[0] * n_target]


def pays_in_bfloat16(network, batch, labels):
    """Say whether training steps are faster under `torch.autocast` in bfloat16 here: some are tried of either kind.

    Arguments
    ---------
    network: torch.nn.Module
        From a batch to scores; a copy of it is tried, which draws from torch's random state where it has dropout.
    batch: (n, …) float32
    labels: (n,) int64
    """
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
