"""Critics: small networks that tell source from target, for the losses that work against them."""

import torch
from torch import nn


def make_critic(n_inputs, n_hidden, seed):
    """Return a critic: (n, n_inputs) to one score a row, (n, 1), with one hidden layer.

    As in Ganin et al. 2016 (Domain-adversarial training of neural networks), but for sizes. Later code adds batch norm,
    which undoes what features lose in size: a direction that gives the domain away then has to vanish altogether
    before the critic sees less of it.

    Arguments
    ---------
    n_inputs, n_hidden: int
    seed: int
        Of its weights; torch's own random state stays as it is.

    >>> make_critic(3, 8, seed=0)(torch.zeros(5, 3)).shape
    torch.Size([5, 1])
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(nn.Linear(n_inputs, n_hidden), nn.ReLU(), nn.Linear(n_hidden, 1))
