"""Settings and values that no head can be fitted on are answered before anything is computed."""

import math
import numbers

import numpy as np


def check_positive(argument, value, or_else=None):
    """Return a number above 0 as float, or the one text that may stand in its place.

    Arguments
    ---------
    argument: str
        Its name, for the error.
    value: float or str
    or_else: str, optional
        The text that is allowed too.

    >>> check_positive("strength", 2)
    2.0
    """
    if or_else is not None and isinstance(value, str) and value == or_else:
        return value
    allowed = "a number above 0" + (f" or {or_else!r}" if or_else else "")
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (is_number and value > 0 and math.isfinite(value)):
        raise ValueError(f"{argument}: {value!r}, expected {allowed}")
    return float(value)


def check_finite(argument, values):
    """Raise ValueError where some values are no numbers: from there on every class would look as likely."""
    if not np.isfinite(values).all():
        raise ValueError(
            f"{argument}: some values are NaN or infinite; extract them again, and check the network's weights"
        )


def pool(values):
    """Return the mean over each map: (n, c, h, w) to (n, c); (n, d) stays as it is.

    >>> pool(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[1.5, 5.5]])
    """
    return values.mean(axis=(2, 3)) if values.ndim == 4 else values


def measure_scale(values):
    """Return the standard deviation of all values together, 1 where they don't differ.

    One factor for all features: those of a network share a unit, and a factor for each would blow up the silent ones.
    """
    return float(values.std()) or 1.0
