"""Adaptation without the source: AdaBN, TENT and SHOT, and the networks that the first two may not change."""

import dataclasses
import functools
import math
import typing

import torch
from torch import nn

from tlkit.adaptation.losses import entropy_loss, information_maximisation_loss
from tlkit.backbones.freezing.freeze import freeze, thaw
from tlkit.strategies.strategy import Phase, Strategy
from tlkit.training.changed_weights import list_changed
from tlkit.training.precise_batch_norm import find_norm_layers, reestimate_norm_statistics

LAST_STAGES = (-2, -1)
_N_ROUNDS = 2


def finish_on_target(training):
    """End a training with the norm statistics of the target instead of the source's: AdaBN."""
    # Li et al. 2018 (Adaptive batch normalization for practical domain adaptation). Only layers whose statistics moved
    # in training get new ones: the weights around the others were trained for the statistics that these layers have.
    changed = list_changed(training.backbone.state_dict(), training.original.state_dict())
    reestimate_on_target(training, list_moved_layers(training.backbone, changed, "adabn"))


finish_on_target.needs_target = True


def reestimate_on_target(training, layers):
    """Replace the running statistics of some norm layers, given by path, by those of the target."""
    reestimate_norm_statistics(training.backbone, training.target, training.settings.seed, layers)


def list_moved_layers(backbone, changed, method):
    """Return the paths of the norm layers whose running statistics are among the changed tensors; else ValueError."""
    n_layers = len(find_norm_layers(backbone.state_dict()))
    if not n_layers:
        found = f"{backbone.name} has no norm layer that keeps them"
        raise ValueError(f"method: {method!r} changes running statistics, and {found}: take 'shot'")
    if moved := find_norm_layers(changed):
        return moved
    raise ValueError(
        f"method: {method!r} changes running statistics, but none of the {n_layers} norm layers' moved in training, "
        "so the weights fit only the present ones: train with norm_statistics='moving', or take 'shot'"
    )


@dataclasses.dataclass(frozen=True)
class EntropyMinimization:
    """TENT's objective: scale and offset of norm layers, given by path, are trained towards certain predictions."""

    # Wang et al. 2021 (Tent). The entropy is lowest if all are predicted as one class, where many steps may lead.
    layers: tuple
    source_free: typing.ClassVar = True
    constant_rate: typing.ClassVar = True

    def restrict(self, backbone):
        """Freeze all but these layers, which standardise by the batch in training."""
        freeze(backbone)
        for path in self.layers:
            thaw(backbone.get_submodule(path))

    def __call__(self, source, target, critic, progress):
        return entropy_loss(target.scores)


def plan_adabn(layers):
    """Return the strategy of AdaBN at test time, which takes no steps, and its training settings."""
    return Strategy((), finish=functools.partial(reestimate_on_target, layers=layers)), {}


def plan_tent(layers, *, n_epochs=1, learning_rate=1e-3, batch_size=32):
    """Return the strategy of TENT for norm layers given by path, and its training settings."""
    objective = EntropyMinimization(tuple(layers))
    phase = Phase(["norm"], n_epochs, learning_rate, objective=objective, norm_statistics="moving")
    finish = functools.partial(reestimate_on_target, layers=layers)
    return Strategy([phase], finish=finish), {"batch_size": batch_size, "weight_decay": 0.0, "frozen_prefix_mib": 0}


def label_by_centroids(features, probabilities):
    """Return pseudo-labels (n,) int64 for (n, n_features) and (n, n_classes): the nearest class centre by cosine."""
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

    label_target = staticmethod(label_by_centroids)  # at the beginning of each epoch

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
