"""The training loop: one phase of a strategy on labelled pictures."""

import math

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from tlkit.backbones.freezing import NORM_LAYERS, freeze, has_moving_statistics, hold_norm_statistics, thaw
from tlkit.strategies.augmentation import augment
from tlkit.strategies.strategy import resolve_keys

# Pictures are kept in memory, resized, up to this number; beyond it they are read again in each epoch.
KEPT_PICTURES = 5000


class TrainingError(RuntimeError):
    """Training that can't go on, such as after a loss that is not a number."""


class TrainingPictures:
    """The pictures of a training set as arrays, resized once, augmented anew in each epoch."""

    def __init__(self, images, recipe, seed):
        self.images, self.recipe, self.seed = images, recipe, seed
        self.resized = {}

    def batch(self, indices, policy, epoch):
        """Return (n, 3, height, width) float32 and (n,) labels of some pictures."""
        pictures = torch.from_numpy(np.stack([self._array(int(i), policy, epoch) for i in indices]))
        return pictures, torch.from_numpy(self.images.labels[indices])

    def _array(self, index, policy, epoch):
        picture = self.resized.get(index)
        if picture is None:
            picture = self.recipe.resize(self.images.read(index))
            if len(self.resized) < KEPT_PICTURES:
                self.resized[index] = picture
        if policy is None:
            return self.recipe.to_array(self.recipe.crop(picture))
        return augment(picture, policy, self.recipe, draw=(self.seed, epoch, index))


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


def _breadth(key):
    # Wide keys come first, so that the narrower ones overwrite their learning rate.
    return {"all": 0, "norm": 2, "bias": 2}.get(key, 1)


def _parameters(name, backbone, head):
    if name == "head":
        return list(head.parameters())
    if name == "norm":
        layers = [module for module in backbone.modules() if isinstance(module, NORM_LAYERS)]
        return [parameter for layer in layers for parameter in layer.parameters(recurse=False)]
    if name == "bias":
        return [value for path, value in backbone.named_parameters() if path.endswith("bias")]
    return list(backbone.body[name].parameters())


def run_phase(
    backbone, head, phase, pictures, *, batch_size, weight_decay, seed, first_epoch, history, progress, auxiliary=None
):
    """Train one phase in place, with AdamW, a linear warm-up over a tenth of the steps and a cosine to zero.

    Arguments
    ---------
    backbone, head: torch.nn.Module
    phase: Phase
        One with a number of epochs.
    pictures: TrainingPictures
    batch_size: int
        The pictures of an epoch are dealt into batches of nearly equal size, none larger.
    weight_decay: float
    seed: int
    first_epoch: int
        Number of the phase's first epoch within the run.
    history: list
        A dict an epoch is appended: epoch, loss, accuracy (both over the epoch's batches), learning_rate, n_steps.
    progress: bool
    auxiliary: AuxiliaryLoss, optional
        Trained along and added to the loss; only where the phase trains "all".

    Raises TrainingError at the first step whose loss is not a number.
    """
    groups = apply_phase(backbone, head, phase)
    device = next(head.parameters()).device
    if auxiliary:
        groups += auxiliary.to(device, memory_format=torch.channels_last).prepare(phase)
    optimizer = torch.optim.AdamW(
        [{"params": parameters, "lr": rate} for rate, parameters in groups], weight_decay=weight_decay, fused=True
    )
    start = {name: value.detach().clone() for name, value in backbone.named_parameters()} if phase.penalty else None
    n_pictures = len(pictures.images)
    n_batches = math.ceil(n_pictures / batch_size)
    if has_moving_statistics(backbone) and n_pictures // n_batches < 2:
        raise TrainingError(
            f"batch_size: {batch_size} with {n_pictures} pictures makes a batch of one, of which norm layers can't "
            "take statistics: use more pictures or norm_statistics='frozen'"
        )
    n_steps, step = phase.n_epochs * n_batches, 0
    epochs = range(first_epoch, first_epoch + phase.n_epochs)
    with tqdm(epochs, desc="+".join(map(str, phase.train)), unit="epoch", disable=not progress, leave=False) as bar:
        for epoch in bar:
            backbone.train()
            head.train()
            order = np.random.default_rng((seed, epoch)).permutation(n_pictures)
            total_loss = n_right = 0.0
            for indices in np.array_split(order, n_batches):
                share = schedule(step, n_steps)
                for group, (rate, _) in zip(optimizer.param_groups, groups, strict=True):
                    group["lr"] = rate * share
                batch, labels = (tensor.to(device) for tensor in pictures.batch(indices, phase.augment, epoch))
                batch = batch.contiguous(memory_format=torch.channels_last)
                features, extra = auxiliary(backbone, batch, labels) if auxiliary else (backbone(batch), 0.0)
                scores = head(features)
                loss = nn.functional.cross_entropy(scores, labels) + extra
                if phase.penalty:
                    loss = loss + phase.penalty(backbone, start)
                if not torch.isfinite(loss):
                    raise TrainingError(
                        f"the loss is {loss.item()} at step {step + 1} of {n_steps} (epoch {epoch + 1}): take a "
                        f"learning_rate below {max(rate for rate, _ in groups)}, or look for NaN in the pictures"
                    )
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                step += 1
                total_loss += loss.item() * len(indices)
                n_right += (scores.argmax(1) == labels).sum().item()
            row = {"epoch": epoch + 1, "loss": total_loss / n_pictures, "accuracy": n_right / n_pictures}
            history.append(row | {"learning_rate": max(rate for rate, _ in groups) * share, "n_steps": n_batches})
            bar.set_postfix(loss=f"{row['loss']:.3f}")


def schedule(step, n_steps):
    """Return the share of the learning rate at a step: linear over the first tenth, then half a cosine to zero.

    >>> [round(schedule(step, 20), 2) for step in (0, 1, 2, 11, 19)]
    [0.5, 1.0, 1.0, 0.5, 0.01]
    """
    n_warm = max(1, n_steps // 10)
    if step < n_warm:
        return (step + 1) / n_warm
    return 0.5 * (1 + math.cos(math.pi * (step - n_warm) / max(1, n_steps - n_warm)))
