"""In a notebook, progress bars are a line below the running cell, which is gone when the cell ends.

The line is a widget without text beside it: nbval compares nothing of it, and a stored notebook keeps no trace.
"""

import html
import importlib.abc
import io
import sys

from tqdm import tqdm

from tlkit import notices

_VIEW = "application/vnd.jupyter.widget-view+json"
_lines = []  # the widget below the running cell, if there is one


class CellBar(tqdm):
    """A bar of tqdm that is shown in the line; the latest one replaces the others."""

    monitor_interval = 0  # a thread of tqdm's would only refresh bars that skip updates

    def __init__(self, **options):
        super().__init__(**options | {"file": io.StringIO(), "leave": False, "miniters": 1})

    def display(self, msg=None, pos=None):
        """Show the present state; tqdm calls this with an empty text when the bar is closed."""
        if msg is None:
            _show(describe(self.format_dict))


class TorchNotice(importlib.abc.MetaPathFinder):
    """Says in the line that torch is imported, which takes seconds; finds nothing itself."""

    def find_spec(self, name, path=None, target=None):
        """Return None, so that the import goes on."""
        if name == "torch":
            _show("<progress aria-label='import'></progress> importing PyTorch …")


def use_in_notebook():
    """Show progress in the line if this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if hasattr(shell, "kernel"):
        shell.events.register("post_execute", _remove_line)
        notices.bar_kinds.append(CellBar)
        sys.meta_path.insert(0, TorchNotice())


def _show(text):
    """Show HTML in the line, and the line if it isn't shown yet."""
    if _lines:
        _lines[0].value = text
        return
    import ipywidgets
    from IPython.display import display

    line = ipywidgets.HTML(text)
    _lines.append(line)
    data = {_VIEW: {"model_id": line.model_id, "version_major": 2, "version_minor": 0}}
    display(data, raw=True, display_id=line.model_id)


def _remove_line():
    """Take the line away."""
    from IPython.display import display

    while _lines:
        line = _lines.pop()
        # A saved notebook that referred to a closed widget would show an error when it is opened again.
        display({}, raw=True, display_id=line.model_id, update=True)
        for widget in (line, line.layout, line.style):
            widget.close()


def describe(state):
    """Return the state of a bar, tqdm's `format_dict`, as HTML: a picture, counts, and the time left."""
    n, total, title = state["n"], state["total"] or 0, html.escape(state["prefix"])
    counts = f"{n} of {total} {state['unit']}s"
    if state["unit_scale"]:
        counts = f"{tqdm.format_sizeof(n)} of {tqdm.format_sizeof(total)}{state['unit']}"
    words = f"{title}: {counts}" if total else f"{title} …"
    if state["initial"] < n <= total:
        left_s = (total - n) * state["elapsed"] / (n - state["initial"])
        words += f", about {left_s:.0f} s left" if left_s < 100 else f", about {left_s / 60:.0f} min left"
    if state["postfix"]:
        words += f" · {html.escape(state['postfix'])}"
    # Without a value the browser shows motion.
    value = f' value="{n}" max="{total}"' if n and total else ""
    return f'<progress aria-label="{title}"{value}></progress> {words}'
