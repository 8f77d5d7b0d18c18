"""The training loop: the phases of a strategy in turn, from any step on."""

import contextlib
import math

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from tlkit.backbones.freezing.freeze import thaw
from tlkit.cpu.memory import freed_memory_kept
from tlkit.features.extract import extract_features
from tlkit.heads import fit_head
from tlkit.strategies.augmentation import split_policies
from tlkit.training.early_stopping import Best, copy_tensors, put_back, take_tensors, validate
from tlkit.training.frozen_prefix import PLAIN, FrontPictures, find_front, list_views
from tlkit.training.optimizer import (
    make_optimizer,
    order_pictures,
    order_target,
    pays_in_bfloat16,
    schedule,
    weigh_classes,
)
from tlkit.training.step import (
    TrainingError,
    check_batches,
    check_weights,
    list_learning,
    make_step,
    memory_error_explained,
    read_batch,
    split_batch,
)
from tlkit.training.trainable import apply_phase


class StoppedError(Exception):
    """A callback asked to stop."""


class Training:
    """A strategy in training; callbacks are given it after each step, and `finish` at the end.

    Arguments
    ---------
    backbone, head: torch.nn.Module
        Trained in place.
    strategy: Strategy
        With the phases for this backbone and these pictures.
    pictures: TrainingPictures
    held: TrainingPictures or None
        Pictures held out of training, on which the best epoch is found.
    target: TrainingPictures or None
        Those of a target domain; their labels say nothing.
    original: Backbone
        As it was pretrained, before anything was prepared.
    auxiliary: AuxiliaryLoss or None
        Trained along, and added to the loss, in phases that train "all".
    keep: callable or None
        `keep(training)` is called where a checkpoint may be written: after each step, and after each phase.
    other settings
        As in `transfer`.

    Attributes
    ----------
    history: list of dict
        A row an epoch: epoch, loss, accuracy (both over the epoch's batches; of mixed pictures the one that makes up
        more counts), learning_rate (the largest, at its last step), n_steps; front, the last stage that was computed
        once, or None; autocast, whether in bfloat16; with pictures held out validation_loss and validation_accuracy;
        objective_loss, the part of the loss that the phase's objective made, where it has one.
    phase_index, epoch_index, batch_index, step: int
        How many phases, epochs of this phase, batches of this epoch, and steps of this phase are done.
    critic: torch.nn.Module or None
        What the objective of the present phase trains along.
    parent: dict of str to tensor
        Backbone and head before the first phase that trains more than the head; kept for `finish` where there is one.
    adapters: dict of str to tensor
        What `finish` merged into the weights.
    n_trained: int
        The most parameters, of backbone and head, that a phase has trained so far.
    computing: bool
        Whether frozen stages are just being computed once; else a step was taken.
    """

    def __init__(
        self,
        backbone,
        head,
        strategy,
        pictures,
        held,
        target,
        original,
        *,
        auxiliary,
        seed,
        batch_size,
        micro_batch_size,
        optimizer,
        weight_decay,
        label_smoothing,
        balance,
        max_grad_norm,
        precision,
        patience,
        frozen_prefix_mib,
        callbacks,
        keep,
        progress,
    ):
        self.backbone, self.head, self.strategy, self.original = backbone, head, strategy, original
        self.pictures, self.held, self.target, self.auxiliary = pictures, held, target, auxiliary
        self.seed, self.batch_size, self.micro_batch_size = seed, batch_size, micro_batch_size
        self.optimizer_name, self.weight_decay, self.label_smoothing = optimizer, weight_decay, label_smoothing
        self.balance, self.max_grad_norm, self.precision = balance, max_grad_norm, precision
        self.patience, self.frozen_prefix_mib = patience, frozen_prefix_mib
        self.callbacks, self.keep, self.progress = callbacks, keep, progress
        self.device = next(head.parameters()).device
        weights = weigh_classes(pictures.images.labels, head.out_features) if balance == "weights" else None
        self.class_weights = weights if weights is None else weights.to(self.device)
        # What `prepare` left as it was, such as adapters of rank 0, is as good as pretrained.
        self.prepared = strategy.prepare is not None and backbone.fingerprint() != original.fingerprint()
        self.history, self.touched, self.n_trained = [], set(), 0
        self.phase_index = self.epoch_index = self.batch_index = self.step = 0
        self.total_loss = self.total_objective_loss = self.n_right = 0
        self.best, self.autocast, self.critic = None, None, None
        self.start, self.parent, self.adapters = None, None, {}
        self.optimizer, self.network, self.front = None, None, None
        self.loaded_optimizer = self.loaded_critic = None  # from a checkpoint, until its phase is entered
        self.computing = False

    @property
    def phase(self):
        """The phase that is trained now."""
        return self.strategy.phases[self.phase_index]

    @property
    def epoch(self):
        """Number of the present epoch within the run, from 0."""
        return self.history[-1]["epoch"] if self.history else 0

    @property
    def n_batches(self):
        """Batches, and so steps, of an epoch; the pictures are dealt into them evenly."""
        return math.ceil(len(self.pictures) / self.batch_size)

    def run(self):
        """Train what is left to train, and finish. Raises StoppedError where a callback returns True."""
        check_batches(self)
        while self.phase_index < len(self.strategy.phases):
            if self.phase.n_epochs is None:
                self._solve_head()
            else:
                with freed_memory_kept():
                    self._train_phase(self.phase)
            self.phase_index, self.epoch_index, self.step = self.phase_index + 1, 0, 0
            self.start = self.best = self.autocast = self.optimizer = self.critic = None
            if self.keep:
                self.keep(self)
        # As they are in a training that is gone on with here.
        for module in (self.backbone, self.head):
            thaw(module).eval()
        self.source = self.held_source = self.target_source = self.network = self.front = None
        if self.strategy.finish:
            self.strategy.finish(self)

    def _solve_head(self):
        # A network that was prepared or trained is not worth converting for a faster engine, nor its features keeping.
        self.n_trained = max(self.n_trained, sum(value.numel() for value in self.head.parameters()))
        pretrained = not (self.prepared or self.touched)
        network, engine = (self.original, "auto") if pretrained else (self.backbone, "torch")
        settings = {"cache": pretrained, "progress": self.progress, "report": self._report_computed}
        objective = self.phase.objective
        with _unmoved_randomness():
            features = extract_features(network, self.pictures.images, engine, **settings)
            target = extract_features(network, self.target.images, engine, **settings) if objective else None
        if objective:
            labels, n_classes = self.pictures.images.labels, self.head.out_features
            weight, bias = objective.solve(features.values, labels, target.values, n_classes, self.seed)
        else:
            weight, bias = fit_head(features, "logistic").linear()
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight))
            self.head.bias.copy_(torch.from_numpy(bias))

    def _train_phase(self, phase):
        groups = self._enter(phase)
        n_steps = phase.n_epochs * self.n_batches
        bar = tqdm(
            total=phase.n_epochs,
            initial=self.epoch_index,
            desc="+".join(map(str, phase.train)),
            unit="epoch",
            disable=not self.progress,
            leave=False,
        )
        with bar:
            while self.epoch_index < phase.n_epochs:
                self.backbone.train()
                self.head.train()
                labels = self.pictures.images.labels
                batches = np.array_split(order_pictures(labels, self.epoch, self.seed, self.balance), self.n_batches)
                beside = [None] * self.n_batches
                if phase.objective:
                    order = order_target(len(self.target), len(labels), self.epoch, self.seed)
                    beside = np.array_split(order, self.n_batches)
                for batch in list(zip(batches, beside, strict=True))[self.batch_index :]:
                    for group, (rate, _) in zip(self.optimizer.param_groups, groups, strict=True):
                        group["lr"] = rate * schedule(self.step, n_steps)
                    make_step(self, *batch)
                    self.step, self.batch_index = self.step + 1, self.batch_index + 1
                    self._tell()
                self._end_epoch(max(rate for rate, _ in groups) * schedule(self.step - 1, n_steps))
                bar.update()
                bar.set_postfix(loss=f"{self.history[-1]['loss']:.3f}")
                if self.best and self.best.is_over(self.history, self.patience):
                    break
        if self.best:
            put_back(self.best.tensors, self.backbone, self.head)

    def _enter(self, phase):
        """Freeze, find what can be computed once, make the optimiser; returns [(learning_rate, parameters)]."""
        if self.parent is None and self.strategy.finish and set(phase.train) != {"head"}:
            self.parent = copy_tensors(take_tensors(self.backbone, self.head))
        groups = apply_phase(self.backbone, self.head, phase)
        self.n_trained = max(self.n_trained, sum(value.numel() for _, values in groups for value in values))
        if self.auxiliary and "all" in phase.train:
            groups += self.auxiliary.to(self.device, memory_format=torch.channels_last).prepare(phase)
        if phase.objective:
            groups += self._make_critic(phase)
        self._open_front(phase)
        self.optimizer = make_optimizer(self.optimizer_name, groups, self.weight_decay)
        if self.loaded_optimizer is not None:
            self._load_optimizer()
        elif phase.penalty:
            self.start = copy_tensors(dict(self.backbone.named_parameters()))
        if self.held and self.best is None:
            self.best = Best()
        if self.autocast is None:
            self.autocast = self.precision == "fast" and self._pays_in_bfloat16()
        stages = self.backbone.body.items()
        self.touched |= {name for name, stage in stages if any(value.requires_grad for value in stage.parameters())}
        return groups

    def _make_critic(self, phase):
        make = getattr(phase.objective, "make_critic", None)
        self.critic = make(self.backbone.n_features, self.head.out_features, self.seed) if make else None
        if self.critic is None:
            return []
        if self.loaded_critic is not None:
            self.critic.load_state_dict(self.loaded_critic)
            self.loaded_critic = None
        self.critic.to(self.device).train()
        rates = phase.learning_rate
        return [(rates.get("head", max(rates.values())), list(self.critic.parameters()))]

    def _open_front(self, phase):
        stages, first_epoch = self.backbone.stages, self.epoch - self.epoch_index
        views = list_views(self.pictures, phase.augment, range(first_epoch, first_epoch + phase.n_epochs))
        n_pictures = len(self.pictures) + (len(self.target) if phase.objective else 0)
        n_rows = len(views) * n_pictures + (len(self.held) if self.held else 0)
        n_stages = find_front(self.backbone, n_rows, self.frozen_prefix_mib) if views else 0
        front = stages[n_stages - 1] if n_stages else None
        if front is None:
            self.source, self.held_source, self.target_source = self.pictures, self.held, self.target
            self.network, self.front = self.backbone, None
            return
        if front != self.front:  # else it was frozen in the phase before too, and what was computed still holds
            pretrained = not self.prepared and self.touched.isdisjoint(stages[:n_stages])
            network = self.original if pretrained else self.backbone
            self.source, self.held_source, self.target_source = (
                FrontPictures(network, n_stages, pictures, pretrained=pretrained) if pictures else None
                for pictures in (self.pictures, self.held, self.target)
            )
        self.front = front
        self.network = self.backbone.after(front) if n_stages < len(stages) else nn.Identity()
        with _unmoved_randomness():
            self.source.compute(views, progress=self.progress, report=self._report_computed)
            if self.held:
                self.held_source.compute([PLAIN], progress=self.progress, report=self._report_computed)
            if phase.objective:
                self.target_source.compute(views, progress=self.progress, report=self._report_computed)

    def _load_optimizer(self):
        state = self.optimizer.state_dict()
        parameters = list_learning(self.optimizer)
        for number, kept in self.loaded_optimizer.items():
            # In the parameter's own layout in memory, as the optimiser would have made it.
            state["state"][number] = {
                name: torch.empty_like(parameters[number]).copy_(value) if value.ndim else value.clone()
                for name, value in kept.items()
            }
        self.optimizer.load_state_dict(state)
        self.loaded_optimizer = None

    def _pays_in_bfloat16(self):
        indices = np.arange(min(self.batch_size, len(self.pictures)))
        indices = split_batch(indices, self.micro_batch_size)[0]
        with memory_error_explained(len(indices)), _unmoved_randomness():
            batch, labels = read_batch(self, self.source, indices, split_policies(self.phase.augment)[0])
            return pays_in_bfloat16(nn.Sequential(self.network, self.head), batch, labels)

    def _end_epoch(self, learning_rate):
        check_weights(self)
        n_pictures = len(self.pictures)
        row = {
            "epoch": self.epoch + 1,
            "loss": self.total_loss / n_pictures,
            "accuracy": self.n_right / n_pictures,
            "learning_rate": learning_rate,
            "n_steps": self.n_batches,
            "front": self.front,
            "autocast": self.autocast,
        }
        if self.phase.objective:
            row["objective_loss"] = self.total_objective_loss / n_pictures
        if self.held:
            row |= validate(self.network, self.head, self.held_source, self.device)
            if not math.isfinite(row["validation_loss"]):
                raise TrainingError(
                    f"the validation loss is {row['validation_loss']} after epoch {row['epoch']}: take a learning_rate "
                    f"below {max(self.phase.learning_rate.values())}, or look for NaN in the pictures held out"
                )
            self.best.note(row, self.backbone, self.head)
        self.history.append(row)
        self.epoch_index, self.batch_index = self.epoch_index + 1, 0
        self.total_loss = self.total_objective_loss = self.n_right = 0

    def _tell(self):
        self._ask_callbacks()
        if self.keep:
            self.keep(self)

    def _report_computed(self, n_pictures):
        self.computing = True
        self._ask_callbacks()
        self.computing = False

    def _ask_callbacks(self):
        answers = [callback(self) for callback in self.callbacks]  # all are told, whatever one of them says
        if any(isinstance(answer, (bool, np.bool_)) and answer for answer in answers):
            raise StoppedError


@contextlib.contextmanager
def _unmoved_randomness():
    # Whether features are found on the disk or computed must not change what dropout draws afterwards.
    with torch.random.fork_rng(devices=[]):
        yield
