"""The start of a phase: freezing, the frozen prefix, the optimizer, and mixed precision."""

import numpy as np
from torch import nn

from tlkit.cpu.draws import Draws
from tlkit.strategies.augmentation import split_policies
from tlkit.strategies.strategy import is_self_supervised
from tlkit.training.early_stopping import Best, copy_tensors, take_tensors
from tlkit.training.frozen_prefix import connect_inputs
from tlkit.training.optimizer import apply_phase, is_bfloat16_faster, is_source_free, make_optimizer, restore_optimizer
from tlkit.training.step import memory_error_explained, read_batch, split_batch


def start_phase(training):
    """Freeze all that the present phase doesn't train, connect its inputs and make its optimizer."""
    phase, backbone, settings = training.phase, training.backbone, training.settings
    if training.parent is None and training.strategy.finish and set(phase.train) != {"head"}:
        training.parent = copy_tensors(take_tensors(backbone, training.head))
    groups = apply_phase(backbone, training.head, phase)
    if not groups:
        raise ValueError(f"train: {list(phase.train)}, but {backbone.name} has no such parameters: name its stages")
    training.n_trained = max(training.n_trained, sum(value.numel() for _, values in groups for value in values))
    groups += _make_critic(training)
    connect_inputs(training)
    training.optimizer = make_optimizer(settings.optimizer, groups, settings.weight_decay)
    if training.loaded_optimizer is not None:
        restore_optimizer(training.optimizer, training.loaded_optimizer)
        training.loaded_optimizer = None
    elif phase.penalty:
        training.start = copy_tensors(dict(backbone.named_parameters()))
    if training.validation_pictures and training.best is None and not is_self_supervised(phase):
        training.best = Best()
    if training.mixed_precision is None:
        training.mixed_precision = settings.mixed_precision and _try_bfloat16(training)
    for name, stage in backbone.body.items():
        if any(value.requires_grad for value in stage.parameters()):
            training.tuned_stages.add(name)


def _make_critic(training):
    """Make the critic of the phase's objective if it has one; return [(learning_rate, parameters)] of the critic."""
    make = getattr(training.phase.objective, "make_critic", None)
    n_classes = training.head.out_features
    training.critic = make(training.backbone.n_features, n_classes, training.settings.seed) if make else None
    if training.critic is None:
        return []
    if training.loaded_critic is not None:
        training.critic.load_state_dict(training.loaded_critic)
        training.loaded_critic = None
    training.critic.to(training.device).train()
    rates = training.phase.learning_rate
    return [(rates.get("head", max(rates.values())), list(training.critic.parameters()))]


def _try_bfloat16(training):
    """Return whether steps on the first pictures are faster in bfloat16 than in float32."""
    n_pictures = len(training.choose_pictures(training.phase))
    indices = np.arange(min(training.settings.batch_size, n_pictures))
    indices = split_batch(indices, training.settings.micro_batch_size)[0]
    inputs = training.target_inputs if is_source_free(training.phase) else training.inputs
    with memory_error_explained(len(indices)), Draws(training.settings.seed):
        batch, labels = read_batch(training, inputs, indices, split_policies(training.phase.augment)[0])
        return is_bfloat16_faster(nn.Sequential(training.network, training.head), batch, labels)
