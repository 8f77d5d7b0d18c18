"""The training loop: the phases of a strategy in turn, from any step on."""

import contextlib
import functools
import math

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from tlkit.backbones.freezing import has_moving_statistics
from tlkit.features.extraction import extract_features
from tlkit.heads import fit_head
from tlkit.strategies.early_stopping import Best, copy_tensors, put_back, take_tensors, validate
from tlkit.strategies.front import compute_front, find_front
from tlkit.strategies.optimizing import make_optimizer, order_pictures, pays_in_bfloat16, schedule, weigh_classes
from tlkit.strategies.parameters import apply_phase


class TrainingError(RuntimeError):
    """Training that can't go on, such as after a loss that is not a number."""


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
        A row an epoch: epoch, loss, accuracy (both over the epoch's batches), learning_rate, n_steps; `front`, the last
        stage that was computed once, or None; with pictures held out validation_loss and validation_accuracy.
    phase_index, epoch_index, batch_index, step: int
        How many phases, epochs of this phase, batches of this epoch, and steps of this phase are done.
    parent: dict of str to tensor
        Backbone and head before the first phase that trains more than the head; kept for `finish` where there is one.
    adapters: dict of str to tensor
        What `finish` merged into the weights.
    """

    def __init__(
        self,
        backbone,
        head,
        strategy,
        pictures,
        held,
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
        largest_gradient,
        precision,
        patience,
        front_mib,
        callbacks,
        keep,
        progress,
    ):
        self.backbone, self.head, self.strategy, self.original = backbone, head, strategy, original
        self.pictures, self.held, self.auxiliary = pictures, held, auxiliary
        self.seed, self.batch_size, self.micro_batch_size = seed, batch_size, micro_batch_size
        self.optimizer_name, self.weight_decay, self.label_smoothing = optimizer, weight_decay, label_smoothing
        self.balance, self.largest_gradient, self.precision = balance, largest_gradient, precision
        self.patience, self.front_mib = patience, front_mib
        self.callbacks, self.keep, self.progress = callbacks, keep, progress
        self.device = next(head.parameters()).device
        weights = weigh_classes(pictures.images.labels, head.out_features) if balance == "weights" else None
        self.class_weights = weights if weights is None else weights.to(self.device)
        self.history, self.touched = [], set()
        self.phase_index = self.epoch_index = self.batch_index = self.step = 0
        self.total_loss = self.n_right = 0
        self.best, self.autocast = None, None
        self.start, self.parent, self.adapters = None, None, {}
        self.optimizer, self.network, self.front = None, None, None
        self.loaded_optimizer = None  # from a checkpoint, until its phase is entered

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
        while self.phase_index < len(self.strategy.phases):
            if self.phase.n_epochs is None:
                self._solve_head()
            else:
                self._train_phase(self.phase)
            self.phase_index, self.epoch_index, self.step = self.phase_index + 1, 0, 0
            self.start = self.best = self.autocast = self.optimizer = None
            if self.keep:
                self.keep(self)
        if self.strategy.finish:
            self.strategy.finish(self)

    def _solve_head(self):
        # A network that was prepared or trained is not worth converting for a faster engine, nor its features keeping.
        pretrained = not (self.strategy.prepare or self.touched)
        network, engine = (self.original, "auto") if pretrained else (self.backbone, "torch")
        with _unmoved_randomness():
            features = extract_features(network, self.pictures.images, engine, cache=pretrained, progress=self.progress)
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
                for indices in batches[self.batch_index :]:
                    share = schedule(self.step, n_steps)
                    for group, (rate, _) in zip(self.optimizer.param_groups, groups, strict=True):
                        group["lr"] = rate * share
                    self._make_step(phase, indices, n_steps)
                    self.step, self.batch_index = self.step + 1, self.batch_index + 1
                    self._tell()
                self._end_epoch(max(rate for rate, _ in groups) * share)
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
        if self.auxiliary and "all" in phase.train:
            groups += self.auxiliary.to(self.device, memory_format=torch.channels_last).prepare(phase)
        if has_moving_statistics(self.backbone) and len(self.pictures) // self.n_batches < 2:
            raise TrainingError(
                f"batch_size: {self.batch_size} with {len(self.pictures)} pictures makes a batch of one, of which norm "
                "layers can't take statistics: use more pictures or norm_statistics='frozen'"
            )
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

    def _open_front(self, phase):
        self.source, self.held_source, self.network, self.front = self.pictures, self.held, self.backbone, None
        parts = [part for part in (self.pictures, self.held) if part]
        n_stages = find_front(self.backbone, phase.augment, parts, self.front_mib)
        if not n_stages:
            return
        stages = self.backbone.stages
        pretrained = not self.strategy.prepare and self.touched.isdisjoint(stages[:n_stages])
        network = self.original if pretrained else self.backbone
        compute = functools.partial(compute_front, network, n_stages, kept=pretrained, progress=self.progress)
        with _unmoved_randomness():
            self.source = compute(self.pictures, phase.augment)
            self.held_source = compute(self.held, None) if self.held else None
        self.front = stages[n_stages - 1]
        self.network = self.backbone.after(self.front) if n_stages < len(stages) else nn.Identity()

    def _load_optimizer(self):
        state = self.optimizer.state_dict()
        parameters = [value for group in self.optimizer.param_groups for value in group["params"]]
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
        batch, labels = self._read(indices, None)
        with _unmoved_randomness():
            return pays_in_bfloat16(nn.Sequential(self.network, self.head), batch, labels)

    def _read(self, indices, policy):
        batch, labels = (tensor.to(self.device) for tensor in self.source.batch(indices, policy, self.epoch))
        return (batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch), labels

    def _make_step(self, phase, indices, n_steps):
        self.optimizer.zero_grad()
        loss_of_step = 0.0
        micro_batches = np.array_split(indices, math.ceil(len(indices) / (self.micro_batch_size or len(indices))))
        with _memory_error_explained(len(micro_batches[0])):
            for place, part in enumerate(micro_batches):
                batch, labels = self._read(part, phase.augment)
                loss, scores = self._measure_loss(phase, batch, labels, indices, is_first=place == 0)
                loss_of_step += loss.item()
                if not math.isfinite(loss_of_step):
                    rate = max(phase.learning_rate.values())
                    raise TrainingError(
                        f"the loss is {loss_of_step} at step {self.step + 1} of {n_steps} (epoch {self.epoch + 1}): "
                        f"take a learning_rate below {rate}, or look for NaN in the pictures"
                    )
                loss.backward()
                self.n_right += (scores.argmax(1) == labels).sum().item()
            if self.largest_gradient is not None:
                learning = [value for group in self.optimizer.param_groups for value in group["params"]]
                nn.utils.clip_grad_norm_(learning, self.largest_gradient)
            self.optimizer.step()
        self.total_loss += loss_of_step * len(indices)

    def _measure_loss(self, phase, batch, labels, indices, *, is_first):
        """Return the share that some pictures of a step have in its loss, and their scores."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast):
            trained_along = self.auxiliary and "all" in phase.train
            features, extra = self.auxiliary(self.backbone, batch, labels) if trained_along else (None, 0.0)
            scores = self.head(self.network(batch) if features is None else features)
            loss = nn.functional.cross_entropy(scores, labels, self.class_weights, label_smoothing=self.label_smoothing)
        share = len(labels) / len(indices)
        weighted_share = share
        if self.class_weights is not None:
            all_labels = torch.from_numpy(self.pictures.images.labels[indices]).to(self.device)
            weighted_share = self.class_weights[labels].sum() / self.class_weights[all_labels].sum()
        loss = loss * weighted_share + extra * share
        if phase.penalty and is_first:
            loss = loss + phase.penalty(self.backbone, self.start)
        return loss, scores

    def _end_epoch(self, learning_rate):
        n_pictures = len(self.pictures)
        row = {
            "epoch": self.epoch + 1,
            "loss": self.total_loss / n_pictures,
            "accuracy": self.n_right / n_pictures,
            "learning_rate": learning_rate,
            "n_steps": self.n_batches,
            "front": self.front,
        }
        if self.held:
            row |= validate(self.network, self.head, self.held_source, self.device)
            self.best.note(row, self.backbone, self.head)
        self.history.append(row)
        self.epoch_index, self.batch_index = self.epoch_index + 1, 0
        self.total_loss = self.n_right = 0

    def _tell(self):
        if any([callback(self) is True for callback in self.callbacks]):
            raise StoppedError
        if self.keep:
            self.keep(self)


@contextlib.contextmanager
def _unmoved_randomness():
    # Whether features are found on the disk or computed must not change what dropout draws afterwards.
    with torch.random.fork_rng(devices=[]):
        yield


@contextlib.contextmanager
def _memory_error_explained(n_pictures):
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        words = ("out of memory", "allocate memory", "not enough memory")
        if not (isinstance(error, MemoryError) or any(word in str(error) for word in words)):
            raise
        raise TrainingError(
            f"memory ran out with {n_pictures} pictures at once: take micro_batch_size={max(1, n_pictures // 2)}, "
            "which gives the same steps in less memory, smaller pictures, or a strategy that trains fewer stages"
        ) from error
