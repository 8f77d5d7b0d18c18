"""Whether the settings of a training can be used, said before anything is computed. Without torch."""

import math
import numbers

from tlkit.arguments import check_count, check_known, check_number
from tlkit.features.arithmetic import PRECISIONS
from tlkit.images.imageset import ImageSet

OPTIMIZERS = ("adamw", "sgd")
BALANCES = ("weights", "sampling")

_COUNTS = ("batch_size", "micro_batch_size", "patience", "n_views")
_OPTIONAL = ("micro_batch_size", "patience", "n_views", "max_grad_norm", "balance")
_LARGEST_SEED = 2**32 - 1  # what scikit-learn, which draws the folds, can take
# The largest value of each number, of which none may be below 0, and how the error says so.
_RANGES = {
    "weight_decay": (math.inf, "a number of at least 0"),
    "label_smoothing": (math.nextafter(1, 0), "a number from 0 to below 1"),
    "validation": (0.5, "a number from 0 to 0.5"),
    "frozen_prefix_mib": (math.inf, "a number of at least 0"),
    "checkpoint_every_s": (math.inf, "a number of at least 0"),
}


def check_settings(images, settings):
    """Return the settings of `transfer` as plain values that JSON can hold, once all of them can be used.

    Arguments
    ---------
    images: ImageSet
    settings: dict
        By name, as in `transfer`; numbers may be NumPy's.

    Raises ValueError or TypeError for a setting that can't be used, or too few classes.
    """
    if not isinstance(images, ImageSet):
        raise TypeError(f"images: a {type(images).__name__}, expected an ImageSet, as load_images makes it")
    present = {images.classes[label] for label in images.labels}
    if len(present) < 2:
        raise ValueError(f"images: pictures of {len(present)} class, expected two classes or more")
    given = {name: value for name, value in settings.items() if not (value is None and name in _OPTIONAL)}
    checked = {name: check_count(name, given[name], 1) for name in _COUNTS if name in given}
    checked["seed"] = check_count("seed", given["seed"], 0, _LARGEST_SEED)
    checked |= {name: _check_number(name, given[name], *limit) for name, limit in _RANGES.items()}
    if "max_grad_norm" in given:
        checked["max_grad_norm"] = check_number("max_grad_norm", given["max_grad_norm"], above=0)
    for name, known in {"optimizer": OPTIMIZERS, "precision": PRECISIONS, "balance": BALANCES}.items():
        if name in given:
            check_known(name, [given[name]], known)
    if "patience" in given and not given["validation"]:
        raise ValueError(
            f"patience: {given['patience']}, but no pictures are held out to judge the epochs by; take validation=0.2"
        )
    return settings | checked


def check_target(strategy, target, backbone):
    """Raise ValueError or TypeError where a strategy and the pictures of a target domain don't fit each other.

    Arguments
    ---------
    strategy: Strategy
    target: ImageSet or None
    backbone: Backbone
    """
    if target is None:
        if strategy.needs_target():
            raise ValueError(
                f"target: None, but strategy {strategy.name!r} adapts to a target domain: give its pictures, target=…"
            )
        return
    check_target_pictures(target)
    if not strategy.needs_target():
        raise ValueError(
            f"target: given, but strategy {strategy.name!r} has no objective that would use it: leave it out, or take "
            "a strategy of tlkit.adaptation"
        )
    if backbone.auxiliary and any(phase.objective and "all" in phase.train for phase in strategy.phases):
        raise ValueError(
            "objective: in a phase that trains the auxiliary classifiers, which know no target domain: load the "
            "backbone with auxiliary=False"
        )


def check_target_pictures(target):
    """Raise TypeError or ValueError for what are no pictures to adapt to."""
    if not isinstance(target, ImageSet):
        raise TypeError(f"target: a {type(target).__name__}, expected an ImageSet, as load_images makes it")
    if len(target) < 2:
        raise ValueError(f"target: {len(target)} pictures, expected two or more of the target domain")


def check_callbacks(callbacks):
    """Return callbacks as a tuple; TypeError where they aren't several, or one of them can't be called."""
    if callable(callbacks) or not isinstance(callbacks, (list, tuple)):
        raise TypeError(f"callbacks: {callbacks!r}, expected a list of functions, as in [function]")
    for callback in callbacks:
        if not callable(callback):
            raise TypeError(f"callbacks: {callback!r} in the list, expected functions that take the Training")
    return tuple(callbacks)


def _check_number(name, value, largest, expected):
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: {value!r}, expected {expected}")
    if not 0 <= value <= largest or math.isinf(value):
        raise ValueError(f"{name}: {value!r}, expected {expected}")
    return float(value)
