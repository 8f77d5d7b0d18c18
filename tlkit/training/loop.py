"""The training loop: `Training.run`, then `_train_phase`, `_train_epoch`, and `take_step` of `step.py`."""

import contextlib
import importlib
import math

import numpy as np
import torch

from tlkit.backbones.freezing.freeze import thaw
from tlkit.cpu.memory import freed_memory_kept
from tlkit.features.extract import extract_features
from tlkit.heads import fit_head
from tlkit.heads.numerics import weigh_classes
from tlkit.notices import show_progress, warn
from tlkit.strategies.strategy import is_self_supervised
from tlkit.training.batches import TrainingPictures, order_pictures, order_target
from tlkit.training.devices import choose_frozen_engine
from tlkit.training.early_stopping import predict_batches, put_back, validate
from tlkit.training.optimizer import is_source_free, schedule
from tlkit.training.phase_start import start_phase
from tlkit.training.step import TrainingError, check_batches, check_weights, take_step


class StoppedError(Exception):
    """A callback stopped the training."""


class Training:
    """A strategy in training; callbacks get it after each step, and the strategy's `finish` gets it at the end."""

    def __init__(
        self,
        backbone,
        head,
        strategy,
        images,
        settings,
        *,
        original,
        draws,
        validation_images=None,
        target=None,
        tuned_stages=(),
        checkpoints=None,
    ):
        self.backbone, self.head, self.strategy, self.settings = backbone, head, strategy, settings
        self.original, self.draws, self.checkpoints = original, draws, checkpoints
        self.device = next(head.parameters()).device
        self.pictures, self.validation_pictures, self.target = (
            None if part is None else TrainingPictures(part, backbone.recipe, settings.seed, settings.n_views)
            for part in (images, validation_images, target)
        )
        if target is None and any(map(is_self_supervised, strategy.phases)):
            self.target = self.pictures
        self.class_weights = None  # (n_classes,)
        if settings.balance == "weights":
            weights = weigh_classes(images.labels, head.out_features)
            self.class_weights = torch.tensor(weights, dtype=torch.float32, device=self.device)
        # If `prepare` changed nothing, as adapters of rank 0 do, the backbone still counts as pretrained.
        self.is_prepared = strategy.prepare is not None and backbone.fingerprint() != original.fingerprint()
        self.tuned_stages = set(tuned_stages)  # names of the stages that may differ from the pretrained ones
        # How many phases, epochs of this phase, batches of this epoch and steps of this phase are done.
        self.phase_index = self.epoch_index = self.batch_index = self.step = 0
        self.history = []  # one row per epoch, as documented in `Run`
        self.n_trained = 0  # parameters: the most that a phase has trained so far
        self.total_loss = self.total_objective_loss = self.n_correct = 0  # of this epoch
        # Of the present phase: the part of the network that is run, and its inputs (see `connect_inputs`).
        self.network = self.inputs = self.validation_inputs = self.target_inputs = self.frozen_prefix = None
        self.optimizer = self.critic = self.pseudo_labels = self.mixed_precision = self.best = None
        self.start = None  # {name: parameter} at the start of the phase, for its penalty
        self.parent = None  # {name: tensor} before the first phase that trains more than the head, for `finish`
        self.adapters = {}  # {name: tensor}, which `finish` merged into the weights
        self.loaded_optimizer = self.loaded_critic = None  # from a checkpoint, until its phase is entered
        self.computing = False  # True while callbacks are called from the computation of frozen stages

    @property
    def phase(self):
        """The phase that is trained now."""
        return self.strategy.phases[self.phase_index]

    @property
    def epoch(self):
        """The number of the present epoch within the run, from 0."""
        return self.history[-1]["epoch"] if self.history else 0

    @property
    def n_batches(self):
        """The number of batches, and so of steps, in an epoch; pictures are divided evenly among them."""
        return math.ceil(len(self.choose_pictures(self.phase)) / self.settings.batch_size)

    @property
    def n_steps(self):
        """The number of steps in the present phase."""
        return self.phase.n_epochs * self.n_batches

    def choose_pictures(self, phase):
        """Return the pictures that a phase divides into batches: those of the target if it is source-free."""
        return self.target if is_source_free(phase) else self.pictures

    def run(self):
        """Train from the newest checkpoint on; return False if a callback or Ctrl-C ended it early."""
        with self.checkpoints or contextlib.nullcontext():
            if self.checkpoints:
                self.checkpoints.restore(self)
            try:
                self._train_phases()
            except StoppedError:
                return False
            except KeyboardInterrupt:
                warn(f"interrupted after {len(self.history)} epochs; the run is kept as far as it got")
                return False
        return True

    def _train_phases(self):
        """Train the phases that are left, and finish."""
        check_batches(self)
        while self.phase_index < len(self.strategy.phases):
            if self.phase.n_epochs is None:
                self._solve_head()
            else:
                with freed_memory_kept():
                    self._train_phase()
                    self.optimizer = self.best = None  # before freed memory is returned
            self.phase_index, self.epoch_index, self.step = self.phase_index + 1, 0, 0
            self.optimizer = self.critic = self.pseudo_labels = self.mixed_precision = self.best = self.start = None
            self._save_checkpoint()
        # The same state as in a training that resumes here.
        for module in (self.backbone, self.head):
            thaw(module).eval()
        self.network = self.inputs = self.validation_inputs = self.target_inputs = self.frozen_prefix = None
        if self.strategy.finish:
            with self.draws:
                self.strategy.finish(self)

    def _solve_head(self):
        """Solve the head to convergence on the features of the backbone as it is now."""
        self.n_trained = max(self.n_trained, sum(value.numel() for value in self.head.parameters()))
        # Only a pretrained network is worth converting for a faster engine, and only its features are used again.
        is_pretrained = not (self.is_prepared or self.tuned_stages)
        pretrained = self.original, choose_frozen_engine(self.device)
        network, engine = pretrained if is_pretrained else (self.backbone, "torch")
        options = {"cache": is_pretrained, "progress": self.settings.progress, "report": self.notify_computing}
        objective = self.phase.objective
        features = extract_features(network, self.pictures.images, engine, **options)
        target = extract_features(network, self.target.images, engine, **options) if objective else None
        if objective:
            labels, n_classes = self.pictures.images.labels, self.head.out_features
            with self.draws:
                weight, bias = objective.solve(features.values, labels, target.values, n_classes, self.settings.seed)
        else:
            # Drawing pictures with equal chances for all classes weighs the loss in the same way, on average.
            balance = "weights" if self.settings.balance else None
            smoothing = self.settings.label_smoothing
            weight, bias = fit_head(features, "logistic", balance=balance, label_smoothing=smoothing).linear()
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight))
            self.head.bias.copy_(torch.from_numpy(bias))

    def _train_phase(self):
        """Train the epochs of the present phase that are left, and keep the best one's weights if there is one."""
        start_phase(self)
        title, shown = "+".join(map(str, self.phase.train)), self.settings.progress
        with show_progress(self.phase.n_epochs, title, "epoch", shown, initial=self.epoch_index) as bar:
            while self.epoch_index < self.phase.n_epochs:
                self._train_epoch()
                self._end_epoch()
                bar.update()
                bar.set_postfix(loss=f"{self.history[-1]['loss']:.3f}")
                if self.best and self.best.is_over(self.history, self.settings.patience):
                    break
        if self.best:
            put_back(self.best.tensors, self.backbone, self.head)

    def _train_epoch(self):
        """Take the steps of the present epoch that are left."""
        if self.batch_index == 0 and hasattr(self.phase.objective, "label_target"):
            with self.draws:
                batches = list(predict_batches(self.network, self.head, self.target_inputs, self.device))
                features, scores = (torch.cat([batch[part] for batch in batches]) for part in (0, 1))
                self.pseudo_labels = self.phase.objective.label_target(features, scores.softmax(dim=1))
        self.backbone.train()
        self.head.train()
        batches = self._divide_into_batches()[self.batch_index :]
        with contextlib.ExitStack() as ahead:
            if self.settings.n_loader_workers:
                ahead.enter_context(importlib.import_module("tlkit.training.read_ahead").reading_ahead(self, batches))
            for indices, target_indices in batches:
                for group in self.optimizer.param_groups:
                    group["lr"] = group["initial_lr"] * self._find_rate_share(self.step)
                take_step(self, indices, target_indices)
                self.step, self.batch_index = self.step + 1, self.batch_index + 1
                self._notify_callbacks()
                self._save_checkpoint()

    def _divide_into_batches(self):
        """Return the (source indices, target indices) of each step of the epoch; None for a domain not used."""
        labels, seed = self.choose_pictures(self.phase).images.labels, self.settings.seed
        not_used, source_free = [None] * self.n_batches, is_source_free(self.phase)
        order = order_pictures(labels, self.epoch, seed, None if source_free else self.settings.balance)
        batches, target_batches = np.array_split(order, self.n_batches), not_used
        if source_free:
            batches, target_batches = not_used, batches
        elif self.phase.objective:
            order = order_target(len(self.target), len(labels), self.epoch, seed)
            target_batches = np.array_split(order, self.n_batches)
        return list(zip(batches, target_batches, strict=True))

    def _find_rate_share(self, step):
        """Return the share of the learning rate that is used at a step of the phase."""
        return 1.0 if getattr(self.phase.objective, "constant_rate", False) else schedule(step, self.n_steps)

    def _end_epoch(self):
        """Add the epoch's row to the history, with scores on the validation pictures if there are any."""
        check_weights(self)
        n_pictures = len(self.choose_pictures(self.phase))
        rates = [group["initial_lr"] for group in self.optimizer.param_groups]
        row = {
            "epoch": self.epoch + 1,
            "loss": self.total_loss / n_pictures,
            "accuracy": math.nan if is_source_free(self.phase) else self.n_correct / n_pictures,
            "learning_rate": max(rates) * self._find_rate_share(self.step - 1),
            "n_steps": self.n_batches,
            "frozen_prefix": self.frozen_prefix,
            "mixed_precision": self.mixed_precision,
        }
        if self.phase.objective:
            row["objective_loss"] = self.total_objective_loss / n_pictures
        if report := getattr(self.phase.objective, "report", None):
            row |= report(self.critic)
        if self.best:
            with self.draws:
                row |= validate(self.network, self.head, self.validation_inputs, self.device)
            if not math.isfinite(row["validation_loss"]):
                loss = f"the validation loss is {row['validation_loss']} after epoch {row['epoch']}"
                least = max(self.phase.learning_rate.values())
                raise TrainingError(f"{loss}: take a learning_rate below {least}, or look for NaN in the pictures")
            self.best.note(row, self.backbone, self.head)
        self.history.append(row)
        self.epoch_index, self.batch_index = self.epoch_index + 1, 0
        self.total_loss = self.total_objective_loss = self.n_correct = 0

    def _save_checkpoint(self):
        """Save a checkpoint if the run keeps any and it is time for one."""
        if self.checkpoints:
            self.checkpoints.save_if_due(self)

    def notify_computing(self, n_pictures):
        """Call the callbacks while frozen stages are computed for a few pictures at a time."""
        self.computing = True
        self._notify_callbacks()
        self.computing = False

    def _notify_callbacks(self):
        """Call all callbacks; raise StoppedError afterwards if one of them returned True."""
        answers = [callback(self) for callback in self.settings.callbacks]
        if any(isinstance(answer, (bool, np.bool_)) and answer for answer in answers):
            raise StoppedError
