"""Whether the settings of a training can be used, said before anything is computed. Without torch."""

import math

from tlkit.features.engines import PRECISIONS
from tlkit.naming import check_known

OPTIMIZERS = ("adamw", "sgd")
BALANCES = ("weights", "sampling")

# The smallest and largest value of each number, and whether the smallest itself is one.
_RANGES = {
    "weight_decay": (0, math.inf),
    "label_smoothing": (0, 1),
    "validation": (0, 0.5),
    "front_mib": (0, math.inf),
    "checkpoint_every_s": (0, math.inf),
}
_COUNTS = ("batch_size", "micro_batch_size", "patience", "n_views")
_OPTIONAL = ("micro_batch_size", "patience", "n_views", "largest_gradient", "balance")


def check_settings(images, settings):
    """Raise ValueError or TypeError for a setting of `transfer` out of range, or too few classes.

    Arguments
    ---------
    images: ImageSet
    settings: dict
        By name, as in `transfer`.
    """
    present = {images.classes[label] for label in images.labels}
    if len(present) < 2:
        raise ValueError(f"images: pictures of {len(present)} class, expected two classes or more")
    given = {name: value for name, value in settings.items() if not (value is None and name in _OPTIONAL)}
    for name in _COUNTS:
        value = given.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}: {value!r}, expected a whole number of at least 1")
    for name, (low, high) in _RANGES.items():
        _check_number(name, given[name])
        if not low <= given[name] <= high or (name == "label_smoothing" and given[name] == 1):
            raise ValueError(f"{name}: {given[name]!r}, expected a number from {low} to {high}")
    if "largest_gradient" in given:
        _check_number("largest_gradient", given["largest_gradient"])
        if not given["largest_gradient"] > 0:
            raise ValueError(f"largest_gradient: {given['largest_gradient']!r}, expected a number above 0, or None")
    check_known("optimizer", [given["optimizer"]], OPTIMIZERS)
    check_known("precision", [given["precision"]], PRECISIONS)
    if "balance" in given:
        check_known("balance", [given["balance"]], BALANCES)
    if "patience" in given and not given["validation"]:
        raise ValueError(
            f"patience: {given['patience']}, but no pictures are held out to judge the epochs by; take validation=0.2"
        )


def _check_number(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name}: {value!r}, expected a number")
