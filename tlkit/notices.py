"""What users see beside results: warnings that name their own line, and progress bars. Without torch."""

import sys
import warnings

from tqdm import tqdm

_INNER = ("tlkit", "contextlib")  # the second one calls decorated functions
bar_kinds = [tqdm]  # the last one is used; in a notebook, `tlkit.widgets.progress_line` adds its own


def warn(message, category=UserWarning):
    """Warn at the innermost line that belongs to neither tlkit nor its decorators."""
    frame, level = sys._getframe(1), 2
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INNER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def show_progress(total, title, unit, shown=True, *, leave=False, **options):
    """Return a bar of tqdm, a context manager; with `leave` a terminal keeps it when it is closed."""
    # All bars share one line: otherwise one within another moves the cursor, which not every terminal understands.
    options |= {"disable": not shown or sys.stderr is None, "leave": leave, "position": 0}
    return bar_kinds[-1](total=total, desc=title, unit=unit, **options)
