"""One step of a training: the gradient of a batch, summed up over its parts and shortened, and the update."""

import contextlib
import math
import typing

import numpy as np
import torch
from torch import nn

from tlkit.backbones.freezing.freeze import has_moving_statistics
from tlkit.cpu.convolutions import QuickConvolutions
from tlkit.strategies.augmentation import split_policies
from tlkit.training.augment import mix_batch
from tlkit.training.trainable import apply_phase

_OUT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory")


class TrainingError(RuntimeError):
    """Training that can't go on, such as after a loss that is not a number."""


class Seen(typing.NamedTuple):
    """What an objective sees of some pictures of a domain.

    Arguments
    ---------
    features: (n, n_features) float32
    scores: (n, n_classes) float32
        The head's, before softmax.
    labels: (n,) int64, or None
        Those of a target domain are never seen.
    """

    features: torch.Tensor
    scores: torch.Tensor
    labels: torch.Tensor | None


def make_step(training, indices, target_indices=None):
    """Take one step on some pictures: the gradients of its parts in turn, then one update.

    Arguments
    ---------
    training: Training
        Its network is changed in place; its sums over the epoch grow.
    indices: (n,) int
        The pictures of the step.
    target_indices: (n,) int, optional
        As many of the target domain, where the phase has an objective.

    Raises TrainingError where the loss or a gradient to be shortened is not finite, or memory runs out.
    """
    phase = training.phase
    training.optimizer.zero_grad()
    loss_of_step = 0.0
    parts = split_batch(indices, training.micro_batch_size)
    beside = split_batch(target_indices, training.micro_batch_size) if phase.objective else [None] * len(parts)
    with memory_error_explained(len(parts[0])):
        read = _read_parts(training, parts)
        for place, ((batch, labels, all_labels), target_part) in enumerate(zip(read, beside, strict=True)):
            if phase.objective:
                # One pass for both domains: norm layers whose statistics move then see both, as in the papers' code.
                target_batch, _ = read_batch(training, training.target_source, target_part, phase.augment)
                batch = torch.cat([batch, target_batch])
            loss, scores = _measure_loss(training, batch, labels, all_labels, is_first=place == 0)
            loss_of_step += loss.item()
            if not math.isfinite(loss_of_step):
                raise TrainingError(
                    f"the loss is {loss_of_step} at {_name_step(training, training.step + 1)}: {_advise(training)}"
                )
            loss.backward()
            # Of mixed pictures the one that makes up more counts.
            wanted = labels.argmax(1) if labels.ndim == 2 else labels
            training.n_right += (scores.argmax(1) == wanted).sum().item()
        if training.max_grad_norm is not None:
            norm = nn.utils.clip_grad_norm_(list_learning(training.optimizer), training.max_grad_norm)
            if not norm.isfinite():
                raise TrainingError(
                    f"the gradient is {norm:.0f} at {_name_step(training, training.step + 1)}: {_advise(training)}"
                )
        training.optimizer.step()
    training.total_loss += loss_of_step * len(indices)


def read_batch(training, source, indices, policy):
    """Return (n, …) float32 and (n,) labels of some pictures of a source, where and as the network wants them."""
    return _place(training, *source.batch(indices, policy, training.epoch))


def _place(training, batch, labels):
    batch, labels = batch.to(training.device), labels.to(training.device)
    return (batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch), labels


def _read_parts(training, parts):
    """Yield of each part of a step its pictures, their labels, and all labels of the step.

    Labels are (n,) int64, or (n, n_classes) float32 shares where the phase mixes pictures.
    """
    indices = np.concatenate(parts)
    policy, mixing = split_policies(training.phase.augment)
    if not mixing:
        all_labels = torch.from_numpy(training.pictures.images.labels[indices])
        for part in parts:
            yield *read_batch(training, training.source, part, policy), all_labels
        return
    # The whole step at once, so that how it is divided doesn't decide who is mixed with whom.
    batch, labels = training.source.batch(indices, policy, training.epoch)
    draw = (training.seed, training.epoch, training.batch_index)
    batch, all_shares = mix_batch(batch, labels, mixing, training.head.out_features, draw=draw)
    for some, shares in zip(batch.tensor_split(len(parts)), all_shares.tensor_split(len(parts)), strict=True):
        yield *_place(training, some, shares), all_shares


def split_batch(indices, micro_batch_size):
    """Return the parts of a batch that are computed one at a time, of nearly equal size; without a size, the whole.

    >>> [len(part) for part in split_batch(np.arange(9), 4)]
    [3, 3, 3]
    """
    return np.array_split(indices, math.ceil(len(indices) / (micro_batch_size or len(indices))))


def check_batches(training):
    """Raise TrainingError where a phase to come would take statistics of a single picture."""
    n_pictures, n_batches, micro_batch_size = len(training.pictures), training.n_batches, training.micro_batch_size
    sizes = {n_pictures // n_batches, math.ceil(n_pictures / n_batches)}
    alone = [size for size in sizes if len(split_batch(np.arange(size), micro_batch_size)[-1]) == 1]
    if not alone:
        return
    for phase in training.strategy.phases[training.phase_index :]:
        if phase.n_epochs is None:
            continue
        apply_phase(training.backbone, training.head, phase)
        if has_moving_statistics(training.backbone) or phase.objective:
            cause = (
                f"batch_size: {training.batch_size} with {n_pictures} pictures makes a batch of one"
                if 1 in sizes
                else f"micro_batch_size: {micro_batch_size} leaves one picture of a batch of {max(alone)} alone"
            )
            if phase.objective:
                raise TrainingError(
                    f"{cause}, which can't say how a domain's features spread: take another size, or more pictures"
                )
            raise TrainingError(
                f"{cause}, of which norm layers can't take statistics: take another size, more pictures, or "
                "norm_statistics='frozen'"
            )


def check_weights(training):
    """Raise TrainingError where what was trained, or a running statistic, is no longer finite.

    The loss can't tell of the last update; nor, while they move, of statistics, since only evaluation uses them.
    """
    if not all(value.isfinite().all() for value in (*list_learning(training.optimizer), *training.backbone.buffers())):
        raise TrainingError(
            f"the weights are not finite after {_name_step(training, training.step)}: {_advise(training)}"
        )


def list_learning(optimizer):
    """Return the parameters that an optimiser updates."""
    return [value for group in optimizer.param_groups for value in group["params"]]


def _measure_loss(training, batch, labels, all_labels, *, is_first):
    """Return the share that some pictures of a step have in its loss, and their scores."""
    phase, weights, n_source = training.phase, training.class_weights, len(labels)
    autocast = torch.autocast(training.device.type, torch.bfloat16, enabled=training.autocast)
    with autocast, QuickConvolutions():
        trained_along = training.auxiliary and "all" in phase.train
        features, extra = training.auxiliary(training.backbone, batch, labels) if trained_along else (None, 0.0)
        features = training.network(batch) if features is None else features
        all_scores = training.head(features)
        scores = all_scores[:n_source]
        loss = nn.functional.cross_entropy(scores, labels, weights, label_smoothing=training.label_smoothing)
    share = n_source / len(all_labels)
    weighted_share = share
    if weights is not None:
        all_labels = all_labels.to(training.device)
        if labels.ndim == 2:  # of these torch takes the mean by number, not by weight
            weighted_share = n_source / (all_labels @ weights).sum()
        else:
            weighted_share = weights[labels].sum() / weights[all_labels].sum()
    loss = loss * weighted_share + extra * share
    if phase.objective:
        features, all_scores = features.float(), all_scores.float()
        source = Seen(features[:n_source], all_scores[:n_source], labels)
        target = Seen(features[n_source:], all_scores[n_source:], None)
        progress = training.step / (phase.n_epochs * training.n_batches)
        objective_loss = phase.objective(source, target, training.critic, progress) * share
        training.total_objective_loss += objective_loss.item() * len(all_labels)
        loss = loss + objective_loss
    if phase.penalty and is_first:
        loss = loss + phase.penalty(training.backbone, training.start)
    return loss, scores


def _name_step(training, step):
    return f"step {step} of {training.phase.n_epochs * training.n_batches} (epoch {training.epoch + 1})"


def _advise(training):
    if training.step == 0 and training.phase_index == 0:
        return "nothing was learned yet, so look for NaN or too large values in the pictures, weights or penalty"
    rate = max(training.phase.learning_rate.values())
    return f"take a learning_rate below {rate}, or look for NaN in the pictures"


@contextlib.contextmanager
def memory_error_explained(n_pictures):
    """Turn an error of any library that memory ran out, with so many pictures at once, into one that says what helps.

    Raises TrainingError; other errors pass as they are.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not (known or any(words in str(error) for words in _OUT_OF_MEMORY)):
            raise
        smaller = f"micro_batch_size={n_pictures // 2}, which gives the same steps in less memory, "
        raise TrainingError(
            f"memory ran out with {n_pictures} picture{'s' * (n_pictures > 1)} at once: take "
            f"{smaller * (n_pictures > 1)}smaller pictures, or a strategy that trains fewer stages"
        ) from error
