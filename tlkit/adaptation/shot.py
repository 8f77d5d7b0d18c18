"""SHOT: a finished network goes on with a target alone, towards sure and even predictions and labels of its own."""

import math

import numpy as np
import torch
from torch import nn

from tlkit.adaptation.losses import information_maximisation_loss
from tlkit.strategies.strategy import Phase
from tlkit.training.frozen_prefix import PLAIN, PrefixOutputs, find_frozen_prefix
from tlkit.training.optimizer import make_optimizer, schedule
from tlkit.training.trainable import apply_phase

LAST_STAGES = (-2, -1)
_N_ROUNDS = 2
_BATCH_SIZE = 64  # of what is only predicted


def label_by_centroids(features, probabilities):
    """Return (n,) int64 labels: the class whose centre lies nearest, by cosine.

    Liang et al. 2020 (Do we really need to access the source data?). The centres are first the means weighted by the
    probabilities, then the plain means of the pictures labelled so. A class that no picture was nearest to has no
    centre in the second round, and gets no picture.

    Arguments
    ---------
    features: (n, n_features) tensor
    probabilities: (n, n_classes) tensor

    >>> features = torch.tensor([[1.0, 0.1], [1.0, 0.2], [0.1, 1.0]])
    >>> label_by_centroids(features, torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])).tolist()
    [0, 0, 1]
    """
    directions = nn.functional.normalize(features, dim=1)
    shares = probabilities
    for _ in range(_N_ROUNDS):
        totals = shares.sum(dim=0)
        centres = (shares.T @ directions) / totals.clamp_min(torch.finfo(shares.dtype).tiny)[:, None]
        cosines = directions @ nn.functional.normalize(centres, dim=1).T
        labels = cosines.masked_fill(totals == 0, -math.inf).argmax(dim=1)
        shares = nn.functional.one_hot(labels, probabilities.shape[1]).to(probabilities.dtype)
    return labels


def adapt_source_free(
    backbone,
    head,
    pictures,
    seed,
    *,
    train=LAST_STAGES,
    n_epochs=10,
    learning_rate=2e-4,
    batch_size=32,
    pseudo_label_weight=0.3,
    weight_decay=0.01,
    frozen_prefix_mib=1024,
):
    """Train stages on a target alone, under a head that stays: SHOT.

    Liang et al. 2020 (Do we really need to access the source data? Source hypothesis transfer for unsupervised domain
    adaptation): `information_maximisation_loss` + strength × the cross-entropy to labels by centroids, which are given
    anew before each epoch. They train all stages by SGD and let norm statistics move; ours trains the last stages, so
    that the others are computed once, by AdamW along half a cosine, and statistics stay as they are.

    Arguments
    ---------
    backbone, head: torch.nn.Module
        The backbone is changed in place.
    pictures: TrainingPictures
    seed: int
        Of the batches.
    train: sequence of str or int
        As in `Phase`.
    n_epochs: int
    learning_rate: float
    batch_size: int
        The most pictures of a step.
    pseudo_label_weight: float
        At least 0.
    weight_decay: float
    frozen_prefix_mib: float
        As in `transfer`.

    Returns the mean loss of each epoch, and the number of steps.
    """
    groups = apply_phase(backbone, head, Phase(train, n_epochs, learning_rate))
    source, network = pictures, backbone
    if n_stages := find_frozen_prefix(backbone, len(pictures), frozen_prefix_mib):
        source = PrefixOutputs(backbone, n_stages, pictures, pretrained=False)
        source.compute([PLAIN])
        network = backbone.after(backbone.stages[n_stages - 1])
    device = next(head.parameters()).device

    def read(indices):
        batch, _labels = source.batch(indices, None, 0)
        return batch.to(device, memory_format=torch.channels_last if batch.ndim == 4 else torch.contiguous_format)

    optimizer = make_optimizer("adamw", groups, weight_decay)
    n_batches = math.ceil(len(pictures) / batch_size)
    losses, step = [], 0
    for epoch in range(n_epochs):
        labels = _label(network, head, read, len(pictures))
        backbone.train()
        total = 0.0
        order = np.random.default_rng((seed, epoch)).permutation(len(pictures))
        for indices in np.array_split(order, n_batches):
            for group, (rate, _) in zip(optimizer.param_groups, groups, strict=True):
                group["lr"] = rate * schedule(step, n_epochs * n_batches)
            scores = head(network(read(indices)))
            loss = information_maximisation_loss(scores)
            loss = loss + pseudo_label_weight * nn.functional.cross_entropy(scores, labels[torch.from_numpy(indices)])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(indices)
            step += 1
        losses.append(total / len(pictures))
    return losses, step


@torch.no_grad()
def _label(network, head, read, n_pictures):
    network.eval()
    features = torch.cat([network(read(part)) for part in np.array_split(np.arange(n_pictures), _count(n_pictures))])
    return label_by_centroids(features, head(features).softmax(dim=1))


def _count(n_pictures):
    return math.ceil(n_pictures / _BATCH_SIZE)
