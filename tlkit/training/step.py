"""One training step: the gradients of a batch, summed over micro-batches and clipped, then the update."""

import contextlib
import math
import typing

import numpy as np
import torch
from torch import nn

from tlkit.backbones.freezing.freeze import has_moving_statistics
from tlkit.cpu.convolutions import QuickConvolutions
from tlkit.cpu.threads import convolutions
from tlkit.strategies.augmentation import split_policies
from tlkit.training.batches import mix_batch
from tlkit.training.optimizer import apply_phase, is_source_free, list_trained, number_views

_OUT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory")


class TrainingError(RuntimeError):
    """Report that a training cannot continue, for example because the loss is not a number.

    Examples
    --------
    >>> issubclass(TrainingError, RuntimeError)
    True
    """


class DomainBatch(typing.NamedTuple):
    """Pictures of one domain in a step, as an objective sees them."""

    features: torch.Tensor  # (n, n_features) float32
    scores: torch.Tensor  # (n, n_classes) float32, the head's outputs before softmax
    labels: torch.Tensor | None  # (n,) int64; for a target the pseudo-labels of its objective, or None


class MicroBatch(typing.NamedTuple):
    """Pictures of a step that are computed at once: n of the source, then m of the target."""

    inputs: torch.Tensor  # (n + m, …) float32; (2 m, …) if the phase is self-supervised
    labels: torch.Tensor  # (n,) int64, or (n, n_classes) float32 if the phase mixes pictures
    step_labels: torch.Tensor  # those of all source pictures of the step
    target_labels: torch.Tensor | None  # (m,) int64 pseudo-labels
    n_step_pictures: int
    share: float  # of these, the share that is in this micro-batch


def take_step(training, indices, target_indices):
    """Take one step with source pictures (n,) int, None if the phase is source-free, and target pictures or None."""
    step_pictures = target_indices if indices is None else indices
    n_pictures = len(split_batch(step_pictures, training.settings.micro_batch_size)[0])
    with memory_error_explained(n_pictures), convolutions.together():
        loss = compute_gradients(training, indices, target_indices)
        if training.settings.max_grad_norm is not None:
            clip_gradients(training)
        training.optimizer.step()
    training.total_loss += loss * len(step_pictures)


def compute_gradients(training, indices, target_indices):
    """Sum the gradients of a step over its micro-batches (gradient accumulation) and return the loss of the step."""
    training.optimizer.zero_grad()
    step_loss = 0.0
    for number, micro_batch in enumerate(_read_micro_batches(training, indices, target_indices)):
        loss, scores = compute_loss(training, micro_batch, is_first=number == 0)
        step_loss += loss.item()
        if not math.isfinite(step_loss):
            raise TrainingError(f"the loss is {step_loss} at {_explain(training)}")
        loss.backward()
        labels = micro_batch.labels
        # The label of a mixed picture is the class with the larger share.
        classes = labels.argmax(1) if labels.ndim == 2 else labels
        training.n_correct += (scores.argmax(1) == classes).sum().item()
    return step_loss


def compute_loss(training, micro_batch, *, is_first):
    """Return the part of a micro-batch in the loss of its step, and its source's scores (n, n_classes)."""
    phase, labels = training.phase, micro_batch.labels
    loss = 0.0
    autocast = torch.autocast(training.device.type, torch.bfloat16, enabled=training.mixed_precision)
    with autocast, QuickConvolutions(), training.draws:
        features = training.network(micro_batch.inputs)
        all_scores = training.head(features)
        scores = all_scores[: len(labels)]
        if not is_source_free(phase):
            weights, smoothing = training.class_weights, training.settings.label_smoothing
            loss = nn.functional.cross_entropy(scores, labels, weights, label_smoothing=smoothing)
            loss = loss * _find_loss_share(training, micro_batch)
    with training.draws:
        if phase.objective:
            loss = loss + _apply_objective(training, micro_batch, features.float(), all_scores.float())
        if phase.penalty and is_first:
            loss = loss + phase.penalty(training.backbone, training.start)
    return loss, scores


def clip_gradients(training):
    """Scale the gradients of all trained parameters down to the largest norm allowed (gradient clipping)."""
    norm = nn.utils.clip_grad_norm_(list_trained(training.optimizer), training.settings.max_grad_norm)
    if not norm.isfinite():
        raise TrainingError(f"the gradient is {norm:.0f} at {_explain(training)}")


def read_batch(training, inputs, indices, policy, view=0):
    """Return (n, …) float32 and (n,) labels of some inputs, on the device and in the layout that the network uses."""
    return _move_to_device(training, *inputs.batch(indices, policy, number_views(training.phase, training.epoch)[view]))


def split_batch(indices, micro_batch_size):
    """Return the micro-batches of a batch, of nearly equal size; the whole batch if their size is None."""
    return np.array_split(indices, math.ceil(len(indices) / (micro_batch_size or len(indices))))


def check_batches(training):
    """Raise TrainingError if a phase to come would take statistics of a single picture."""
    batch_size, micro_batch_size = training.settings.batch_size, training.settings.micro_batch_size
    for phase in training.strategy.phases[training.phase_index :]:
        if phase.n_epochs is None:
            continue
        n_pictures = len(training.choose_pictures(phase))
        n_batches = math.ceil(n_pictures / batch_size)
        sizes = {n_pictures // n_batches, math.ceil(n_pictures / n_batches)}
        alone = [size for size in sizes if len(split_batch(np.arange(size), micro_batch_size)[-1]) == 1]
        apply_phase(training.backbone, training.head, phase)
        needs_several = phase.objective and not (is_source_free(phase) and len(number_views(phase, 0)) == 1)
        if not alone or not (needs_several or has_moving_statistics(training.backbone)):
            continue
        cause = (
            f"batch_size: {batch_size} with {n_pictures} pictures makes a batch of one"
            if 1 in sizes
            else f"micro_batch_size: {micro_batch_size} leaves one picture of a batch of {max(alone)} alone"
        )
        consequence = "can't show how the features of a domain spread: take another size or more pictures"
        if not needs_several:
            consequence = "has no statistics for norm layers: take another size or norm_statistics='frozen'"
        raise TrainingError(f"{cause}, which {consequence}")


def check_weights(training):
    """Raise TrainingError if a trained weight or a running statistic is not finite."""
    # The loss shows neither the last update nor running statistics, which are only used in evaluation.
    if not all(value.isfinite().all() for value in (*list_trained(training.optimizer), *training.backbone.buffers())):
        raise TrainingError(f"the weights are not finite after {_explain(training, 0)}")


@contextlib.contextmanager
def memory_error_explained(n_pictures):
    """Turn a library's error that memory ran out into a TrainingError with a remedy; other errors pass."""
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


def _read_micro_batches(training, indices, target_indices):
    """Yield the `MicroBatch`es of a step one by one."""
    step_pictures = target_indices if indices is None else indices
    parts = split_batch(step_pictures, training.settings.micro_batch_size)
    target_parts = [None] * len(parts) if target_indices is None else np.array_split(target_indices, len(parts))
    nothing = torch.empty(0, dtype=torch.int64, device=training.device)
    source = [(None, nothing, nothing)] * len(parts) if indices is None else _read_source(training, parts)
    for part, (inputs, labels, step_labels), target_part in zip(parts, source, target_parts, strict=True):
        target_labels = None
        if target_part is not None:
            # One pass for both domains: norm layers whose statistics move then see both, as in the papers' code.
            for view in range(len(number_views(training.phase, 0))):
                drawn, _ = read_batch(training, training.target_inputs, target_part, training.phase.augment, view)
                inputs = drawn if inputs is None else torch.cat([inputs, drawn])
            if training.pseudo_labels is not None:
                target_labels = training.pseudo_labels[torch.from_numpy(target_part)]
        share = len(part) / len(step_pictures)
        yield MicroBatch(inputs, labels, step_labels, target_labels, len(step_pictures), share)


def _read_source(training, parts):
    """Yield for each micro-batch its inputs (n, …), its labels, and the labels of the whole step."""
    indices = np.concatenate(parts)
    policy, mixing = split_policies(training.phase.augment)
    if not mixing:
        step_labels = torch.from_numpy(training.pictures.images.labels[indices])
        for part in parts:
            yield *read_batch(training, training.inputs, part, policy), step_labels
        return
    # The whole step is mixed at once, so that the size of micro-batches doesn't decide which pictures are mixed.
    batch, labels = training.inputs.batch(indices, policy, training.epoch)
    draw = (training.settings.seed, training.epoch, training.batch_index)
    batch, step_shares = mix_batch(batch, labels, mixing, training.head.out_features, draw=draw)
    for inputs, shares in zip(batch.tensor_split(len(parts)), step_shares.tensor_split(len(parts)), strict=True):
        yield *_move_to_device(training, inputs, shares), step_shares


def _move_to_device(training, batch, labels):
    """Return a batch (n, …) and its labels on the device, pictures and maps with channels last."""
    on_gpu = training.device.type == "cuda"  # from pinned memory, the copy then runs beside the computation
    batch, labels = (value.to(training.device, non_blocking=on_gpu) for value in (batch, labels))
    return (batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch), labels


def _find_loss_share(training, micro_batch):
    """Return the share of a micro-batch's mean cross-entropy in the loss of its step."""
    weights, labels = training.class_weights, micro_batch.labels
    if weights is None:
        return micro_batch.share
    step_labels = micro_batch.step_labels.to(training.device)
    if labels.ndim == 2:  # of mixed pictures torch takes the mean by their number, not by their weights
        return len(labels) / (step_labels @ weights).sum()
    return weights[labels].sum() / weights[step_labels].sum()


def _apply_objective(training, micro_batch, features, scores):
    """Return the objective's part in the loss of a step, for features and scores of a micro-batch."""
    n_source = len(micro_batch.labels)
    source = DomainBatch(features[:n_source], scores[:n_source], micro_batch.labels)
    target = DomainBatch(features[n_source:], scores[n_source:], micro_batch.target_labels)
    source = None if is_source_free(training.phase) else source
    progress = training.step / training.n_steps
    loss = training.phase.objective(source, target, training.critic, progress) * micro_batch.share
    training.total_objective_loss += loss.item() * micro_batch.n_step_pictures
    return loss


def _explain(training, n_ahead=1):
    """Return the step that is so many ahead of the last, and advice if values there are not finite."""
    advice = f"take a learning_rate below {max(training.phase.learning_rate.values())}, or look for NaN in the pictures"
    if training.step == 0 and training.phase_index == 0:
        advice = "nothing was learned yet, so look for NaN or very large values in the pictures, weights or penalty"
    return f"step {training.step + n_ahead} of {training.n_steps} (epoch {training.epoch + 1}): {advice}"
