"""One step of a training: the gradient of a batch, summed up over its parts and shortened, and the update."""

import contextlib
import math

import numpy as np
import torch
from torch import nn

from tlkit.backbones.freezing import has_moving_statistics
from tlkit.strategies.parameters import apply_phase

_OUT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory")


class TrainingError(RuntimeError):
    """Training that can't go on, such as after a loss that is not a number."""


def make_step(training, indices):
    """Take one step on some pictures: the gradients of its parts in turn, then one update.

    Arguments
    ---------
    training: Training
        Its network is changed in place; its sums over the epoch grow.
    indices: (n,) int
        The pictures of the step.

    Raises TrainingError where the loss or a gradient to be shortened is not finite, or memory runs out.
    """
    phase = training.phase
    training.optimizer.zero_grad()
    loss_of_step = 0.0
    parts = split_batch(indices, training.micro_batch_size)
    with memory_error_explained(len(parts[0])):
        for place, part in enumerate(parts):
            batch, labels = read_batch(training, part, phase.augment)
            loss, scores = _measure_loss(training, batch, labels, indices, is_first=place == 0)
            loss_of_step += loss.item()
            if not math.isfinite(loss_of_step):
                raise TrainingError(
                    f"the loss is {loss_of_step} at {_name_step(training, training.step + 1)}: {_advise(training)}"
                )
            loss.backward()
            training.n_right += (scores.argmax(1) == labels).sum().item()
        if training.largest_gradient is not None:
            norm = nn.utils.clip_grad_norm_(list_learning(training.optimizer), training.largest_gradient)
            if not norm.isfinite():
                raise TrainingError(
                    f"the gradient is {norm:.0f} at {_name_step(training, training.step + 1)}: {_advise(training)}"
                )
        training.optimizer.step()
    training.total_loss += loss_of_step * len(indices)


def read_batch(training, indices, policy):
    """Return (n, …) float32 and (n,) labels of some pictures, where and as the network wants them."""
    batch, labels = (tensor.to(training.device) for tensor in training.source.batch(indices, policy, training.epoch))
    return (batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch), labels


def split_batch(indices, micro_batch_size):
    """Return the parts of a batch that are computed one at a time, of nearly equal size; without a size, the whole.

    >>> [len(part) for part in split_batch(np.arange(9), 4)]
    [3, 3, 3]
    """
    return np.array_split(indices, math.ceil(len(indices) / (micro_batch_size or len(indices))))


def check_batches(training):
    """Raise TrainingError where, in a phase to come, norm layers would take statistics of a single picture."""
    n_pictures, n_batches, micro_batch_size = len(training.pictures), training.n_batches, training.micro_batch_size
    sizes = {n_pictures // n_batches, math.ceil(n_pictures / n_batches)}
    alone = [size for size in sizes if len(split_batch(np.arange(size), micro_batch_size)[-1]) == 1]
    if not alone:
        return
    for phase in training.strategy.phases[training.phase_index :]:
        if phase.n_epochs is None:
            continue
        apply_phase(training.backbone, training.head, phase)
        if has_moving_statistics(training.backbone):
            cause = (
                f"batch_size: {training.batch_size} with {n_pictures} pictures makes a batch of one"
                if 1 in sizes
                else f"micro_batch_size: {micro_batch_size} leaves one picture of a batch of {max(alone)} alone"
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


def _measure_loss(training, batch, labels, indices, *, is_first):
    """Return the share that some pictures of a step have in its loss, and their scores."""
    phase, weights = training.phase, training.class_weights
    with torch.autocast(training.device.type, torch.bfloat16, enabled=training.autocast):
        trained_along = training.auxiliary and "all" in phase.train
        features, extra = training.auxiliary(training.backbone, batch, labels) if trained_along else (None, 0.0)
        scores = training.head(training.network(batch) if features is None else features)
        loss = nn.functional.cross_entropy(scores, labels, weights, label_smoothing=training.label_smoothing)
    share = len(labels) / len(indices)
    weighted_share = share
    if weights is not None:
        all_labels = torch.from_numpy(training.pictures.images.labels[indices]).to(training.device)
        weighted_share = weights[labels].sum() / weights[all_labels].sum()
    loss = loss * weighted_share + extra * share
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
