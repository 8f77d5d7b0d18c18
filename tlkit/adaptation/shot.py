"""SHOT: a finished network is trained on a target alone, towards certain and even predictions and pseudo-labels."""

import dataclasses
import math
import typing

import torch
from torch import nn

from tlkit.adaptation.losses import information_maximisation_loss
from tlkit.strategies.strategy import Phase, Strategy

LAST_STAGES = (-2, -1)
_N_ROUNDS = 2


def label_by_centroids(features, probabilities):
    """Return pseudo-labels (n,) int64 for (n, n_features) and (n, n_classes): the nearest class centre by cosine.

    >>> features = torch.tensor([[1.0, 0.1], [1.0, 0.2], [0.1, 1.0]])
    >>> label_by_centroids(features, torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])).tolist()
    [0, 0, 1]
    """
    # Liang et al. 2020. The centres are first the means weighted by the probabilities, then the plain means of the
    # pictures labelled so. A class that no picture was nearest to has no centre in the second round, and no pictures.
    directions = nn.functional.normalize(features, dim=1)
    shares = probabilities
    for _ in range(_N_ROUNDS):
        totals = shares.sum(dim=0)
        centres = (shares.T @ directions) / totals.clamp_min(torch.finfo(shares.dtype).tiny)[:, None]
        cosines = directions @ nn.functional.normalize(centres, dim=1).T
        labels = cosines.masked_fill(totals == 0, -math.inf).argmax(dim=1)
        shares = nn.functional.one_hot(labels, probabilities.shape[1]).to(probabilities.dtype)
    return labels


@dataclasses.dataclass(frozen=True)
class SourceHypothesisTransfer:
    """SHOT's objective: `information_maximisation_loss` plus a weight × the cross-entropy with pseudo-labels."""

    pseudo_label_weight: float
    source_free: typing.ClassVar = True

    def label_target(self, features, probabilities):
        """Return the pseudo-labels (n,) for an epoch, given (n, n_features) and (n, n_classes) at its beginning."""
        return label_by_centroids(features, probabilities)

    def __call__(self, source, target, critic, progress):
        loss = information_maximisation_loss(target.scores)
        return loss + self.pseudo_label_weight * nn.functional.cross_entropy(target.scores, target.labels)


def plan_shot(
    layers,
    *,
    train=LAST_STAGES,
    n_epochs=10,
    learning_rate=2e-4,
    batch_size=32,
    pseudo_label_weight=0.3,
    weight_decay=0.01,
    frozen_prefix_mib=1024,
):
    """Return the strategy of SHOT, which takes no norm layers, and its training settings."""
    # Liang et al. 2020, with the departures that `adapt_run` lists. The stages before the last are computed once.
    phase = Phase(train, n_epochs, learning_rate, objective=SourceHypothesisTransfer(pseudo_label_weight))
    settings = {"batch_size": batch_size, "weight_decay": weight_decay, "frozen_prefix_mib": frozen_prefix_mib}
    return Strategy([phase]), settings
