"""Warnings that name the line of the user's code which called tlkit, however deep they arise. Without torch."""

import sys
import warnings

_INNER = ("tlkit", "contextlib")  # the second one calls decorated functions


def warn(message, category=UserWarning):
    """Warn at the innermost line that belongs to neither tlkit nor its decorators."""
    frame, level = sys._getframe(1), 2
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INNER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
