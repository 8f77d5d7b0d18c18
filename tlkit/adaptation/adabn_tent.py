"""Norm layers on another domain: AdaBN, TENT, and the networks that neither may touch."""

import math

import numpy as np
import torch

from tlkit.adaptation.losses import entropy_loss
from tlkit.backbones.freezing.freeze import freeze, thaw
from tlkit.training.changed_weights import list_changed
from tlkit.training.norm_statistics import find_norm_layers, reestimate_norm_statistics
from tlkit.training.optimizer import make_optimizer


def finish_on_target(training):
    """End a training with norm statistics of the target in the place of those of the source: AdaBN.

    Li et al. 2018 (Adaptive batch normalization for practical domain adaptation). Only layers whose statistics moved
    in the training get new ones: around the others' the weights were neither trained nor, by this, may they be left.

    Arguments
    ---------
    training: Training
        Its backbone is changed in place.

    Raises ValueError where no norm layer's statistics moved.
    """
    changed = list_changed(training.backbone.state_dict(), training.original.state_dict())
    moved = list_moved(training.backbone, changed, "adabn")
    reestimate_norm_statistics(training.backbone, training.target, training.settings.seed, moved)


finish_on_target.needs_target = True


def list_moved(backbone, changed, method):
    """Return the paths of the norm layers whose running statistics moved in a training.

    Arguments
    ---------
    backbone: Backbone
    changed: list of str
        Names of the tensors that the training changed.
    method: str
        What wants to change them, for the error.

    Raises ValueError where there are none.
    """
    n_layers = len(find_norm_layers(backbone.state_dict()))
    if not n_layers:
        raise ValueError(
            f"method: {method!r} changes running statistics, and {backbone.name} has no norm layer that keeps them: "
            "take 'shot'"
        )
    if moved := find_norm_layers(changed):
        return moved
    raise ValueError(
        f"method: {method!r} changes running statistics, but none of the {n_layers} norm layers' moved in training, "
        "so the weights fit only the ones they have, and others were seen to destroy such a network: train with "
        "norm_statistics='moving', or take 'shot'"
    )


def replace_statistics(backbone, head, pictures, moved, seed):
    """Give norm layers the statistics of a target: AdaBN at test time.

    Arguments
    ---------
    backbone, head: torch.nn.Module
        The backbone is changed in place.
    pictures: TrainingPictures
    moved: list of str
        Paths of the layers.
    seed: int
        Of the batches.

    Returns the losses, of which there are none, and the number of steps, 0.
    """
    reestimate_norm_statistics(backbone, pictures, seed, moved)
    return [], 0


def minimise_entropy(backbone, head, pictures, moved, seed, *, n_epochs=1, learning_rate=1e-3, batch_size=32):
    """Train scale and offset of norm layers to make the predictions on a target sure: TENT.

    Wang et al. 2021 (Tent: fully test-time adaptation by entropy minimization). Layers standardise by the batch
    meanwhile. The paper predicts each batch as it comes and goes on standardising by batches; so that a prediction
    depends on its picture alone, ours gives the layers the statistics of the whole target at the end.

    Arguments
    ---------
    backbone, head: torch.nn.Module
        The backbone is changed in place.
    pictures: TrainingPictures
    moved: list of str
        Paths of the layers.
    seed: int
        Of the batches.
    n_epochs: int
        Entropy is lowest where all pictures are one class: more steps may lead there.
    learning_rate: float
    batch_size: int
        The most pictures of a step.

    Returns the mean loss of each epoch, and the number of steps.
    """
    freeze(backbone)
    freeze(head)
    layers = [thaw(backbone.get_submodule(path)).train() for path in moved]
    learning = [value for layer in layers for value in layer.parameters()]
    optimizer = make_optimizer("adamw", [(learning_rate, learning)], 0.0)
    device = next(head.parameters()).device
    losses, n_steps = [], 0
    for epoch in range(n_epochs):
        order = np.random.default_rng((seed, epoch)).permutation(len(pictures))
        batches = np.array_split(order, math.ceil(len(order) / batch_size))
        total = 0.0
        for indices in batches:
            batch, _labels = pictures.batch(indices, None, epoch)
            loss = entropy_loss(head(backbone(batch.to(device, memory_format=torch.channels_last))))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(indices)
        losses.append(total / len(order))
        n_steps += len(batches)
    reestimate_norm_statistics(backbone, pictures, seed, moved)
    return losses, n_steps
