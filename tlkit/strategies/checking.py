"""Whether the settings of a training can be used, said before anything is computed. Without torch."""

import math
import numbers

from tlkit.features.engines import PRECISIONS
from tlkit.heads.checking import check_positive
from tlkit.images.imageset import ImageSet
from tlkit.images.splitting import check_count
from tlkit.naming import check_known

OPTIMIZERS = ("adamw", "sgd")
BALANCES = ("weights", "sampling")

_COUNTS = ("batch_size", "micro_batch_size", "patience", "n_views")
_OPTIONAL = ("micro_batch_size", "patience", "n_views", "largest_gradient", "balance")
_LARGEST_SEED = 2**32 - 1  # what scikit-learn, which draws the folds, can take
# The largest value of each number, of which none may be below 0, and how the error says so.
_RANGES = {
    "weight_decay": (math.inf, "a number of at least 0"),
    "label_smoothing": (math.nextafter(1, 0), "a number from 0 to below 1"),
    "validation": (0.5, "a number from 0 to 0.5"),
    "front_mib": (math.inf, "a number of at least 0"),
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
    if "largest_gradient" in given:
        checked["largest_gradient"] = check_positive("largest_gradient", given["largest_gradient"])
    for name, known in {"optimizer": OPTIMIZERS, "precision": PRECISIONS, "balance": BALANCES}.items():
        if name in given:
            check_known(name, [given[name]], known)
    if "patience" in given and not given["validation"]:
        raise ValueError(
            f"patience: {given['patience']}, but no pictures are held out to judge the epochs by; take validation=0.2"
        )
    return settings | checked


def check_phases(phases):
    """Raise ValueError for a phase that `transfer` can't train."""
    if any(phase.objective for phase in phases):
        raise ValueError(
            "objective: a phase has one, which needs pictures of a target domain, and transfer has none: leave it out"
        )


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
