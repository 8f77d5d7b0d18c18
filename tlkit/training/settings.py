"""The settings of a training, checked on construction, and checks of the pictures. Without torch."""

import collections.abc
import dataclasses
from pathlib import Path

from tlkit.arguments import check_count, check_flag, check_known, check_number
from tlkit.images.imageset import check_images
from tlkit.strategies.augmentation import split_policies
from tlkit.strategies.strategy import is_self_supervised, needs_target

OPTIMIZERS = ("adamw", "sgd")
BALANCES = ("weights", "sampling")
_OF_STEPS = ("batch_size", "micro_batch_size", "optimizer", "weight_decay", "max_grad_norm", "mixed_precision")
_OF_STEPS += ("validation", "patience", "n_loader_workers")
LARGEST_SEED = 2**32 - 1  # the largest that scikit-learn, which draws the folds, accepts


def _setting(default, check, *settings, optional=False, recorded=True, **bounds):
    """Return a field with its check, `check(name, value, *settings, **bounds)`; `optional` fields may be None."""

    def run_check(name, value):
        return None if optional and value is None else check(name, value, *settings, **bounds)

    return dataclasses.field(default=default, metadata={"check": run_check, "recorded": recorded})


def _check_name(name, value, known):
    """Return a text that is one of the known ones."""
    return check_known(name, [value], known)[0]


def _check_callbacks(name, callbacks):
    """Return callbacks as a tuple."""
    if callable(callbacks) or not isinstance(callbacks, (list, tuple)):
        raise TypeError(f"{name}: {callbacks!r}, expected a list of functions, as in [function]")
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(f"{name}: {callback!r} in the list, expected functions that take the Training")
    return tuple(callbacks)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The settings of one training; `transfer` documents them and has the same defaults."""

    seed: int = _setting(0, check_count, 0, LARGEST_SEED, recorded=False)
    batch_size: int = _setting(8, check_count, 1)
    micro_batch_size: int | None = _setting(None, check_count, 1, optional=True)
    optimizer: str = _setting("adamw", _check_name, OPTIMIZERS)
    weight_decay: float = _setting(0.01, check_number, at_least=0)
    label_smoothing: float = _setting(0.0, check_number, at_least=0, below=1)
    balance: str | None = _setting(None, _check_name, BALANCES, optional=True)
    max_grad_norm: float | None = _setting(None, check_number, above=0, optional=True)
    mixed_precision: bool = _setting(False, check_flag)
    device: str = dataclasses.field(default="cpu", metadata={"recorded": "if set"})
    n_loader_workers: int = _setting(0, check_count, 0, recorded="if set")
    validation: float = _setting(0.0, check_number, at_least=0, at_most=0.5)
    patience: int | None = _setting(None, check_count, 1, optional=True)
    n_views: int | None = _setting(None, check_count, 1, optional=True)
    frozen_prefix_mib: float = _setting(1024.0, check_number, at_least=0)
    convert_prefix: bool = _setting(False, check_flag)
    checkpoint: str | Path | None = dataclasses.field(default=None, metadata={"recorded": False})
    checkpoint_every_s: float = _setting(60.0, check_number, at_least=0, recorded=False)
    callbacks: collections.abc.Sequence = _setting((), _check_callbacks, recorded=False)
    progress: bool = dataclasses.field(default=True, metadata={"recorded": False})

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if check := field.metadata.get("check"):
                # The checks return plain values for JSON, also if NumPy's were given.
                object.__setattr__(self, field.name, check(field.name, getattr(self, field.name)))
        if self.patience is not None and not self.validation:
            raise ValueError(f"patience: {self.patience}, but no pictures are held out; take validation=0.2")

    def check_use(self, strategy):
        """Raise ValueError for a setting that no phase of a strategy applies, so that none is recorded in vain."""
        trained = [phase for phase in strategy.phases if phase.n_epochs is not None]
        unused = {} if trained else dict.fromkeys(_OF_STEPS, "takes no steps")
        if not any(split_policies(phase.augment)[0] for phase in trained):
            unused["n_views"] = "changes no pictures by augmentation"
        elif self.n_views == 1 and any(map(is_self_supervised, trained)):
            unused["n_views"] = "compares two views of each picture"
        own = [phase for phase in strategy.phases if phase.objective is not None]
        blind = [one for one in own if one.n_epochs is None or getattr(one.objective, "source_free", False)]
        if len(blind) == len(strategy.phases):  # then `transfer` itself learns from no labels
            unused |= dict.fromkeys(("label_smoothing", "balance"), "leaves the labels to its objective")
        for field in dataclasses.fields(self):
            if field.name in unused and (value := getattr(self, field.name)) != field.default:
                reason = f"but strategy {strategy.name!r} {unused[field.name]}"
                raise ValueError(f"{field.name}: {value!r}, {reason}: leave it out, or take another strategy")

    @classmethod
    def pick(cls, arguments):
        """Return the settings among the arguments of a function, {name: value}."""
        return cls(**{field.name: arguments[field.name] for field in dataclasses.fields(cls)})

    def describe(self):
        """Return the settings that change the result, as plain values that JSON can hold."""
        # A run on a CPU without loader workers is described as it was before these settings existed.
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (recorded := field.metadata["recorded"])
            and ((value := getattr(self, field.name)) != field.default or recorded != "if set")
        }


def check_training_pictures(images):
    """Raise TypeError or ValueError if training pictures are no ImageSet, or of fewer than two classes."""
    check_images("images", images)
    n_present = len({images.classes[label] for label in images.labels})
    if n_present < 2:
        raise ValueError(f"images: pictures of {n_present} class, expected two classes or more")


def check_target(strategy, target):
    """Raise ValueError or TypeError if a strategy and the pictures of a target domain don't fit each other."""
    if target is None:
        if needs_target(strategy):
            adapts = f"strategy {strategy.name!r} adapts to a target domain"
            raise ValueError(f"target: None, but {adapts}: give its pictures, target=…")
        return
    check_target_pictures(target)
    if not (needs_target(strategy) or any(map(is_self_supervised, strategy.phases))):
        raise ValueError(f"target: given, but strategy {strategy.name!r} has no objective that uses it: leave it out")


def check_target_pictures(target):
    """Raise TypeError or ValueError if the pictures of a target domain are no ImageSet, or fewer than two."""
    check_images("target", target)
    if len(target) < 2:
        raise ValueError(f"target: {len(target)} pictures, expected two or more of the target domain")
