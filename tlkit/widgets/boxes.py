"""Widgets that aren't explorers of one choice yet: boxes of ipywidgets."""

import base64
import html

import ipywidgets
from IPython.display import Image

from tlkit.plots.page import DOTS_PER_INCH


class StatusLine(ipywidgets.HTML):
    """A line of text that screen readers read aloud when it changes.

    >>> line = StatusLine("5 < 6")
    >>> line.text, line.value
    ('5 < 6', "<span role='status' aria-live='polite'>5 &lt; 6</span>")
    """

    def __init__(self, text):
        super().__init__()
        self.text = text

    @property
    def text(self):
        """The text without markup."""
        return self._text

    @text.setter
    def text(self, text):
        """Show another text; its markup is escaped."""
        self._text = text
        self.value = f"<span role='status' aria-live='polite'>{html.escape(text)}</span>"


class BoxExplorer(ipywidgets.VBox):
    """A widget with a `status` line and a `snapshot`; `error` is the exception of the last change, or None."""

    error = None

    def snapshot(self) -> Image:
        """Return a still picture (IPython Image, PNG) of the current state, which a subclass draws."""
        return Image(self._draw_still())

    def report_failure(self, action, problem="This could not be shown"):
        """Call an action; if it raises an exception, keep it as `error` and show it in the status line."""
        try:
            action()
        except Exception as error:  # otherwise it would end in a log that nobody reads
            self.error = error
            self.status.text = f"{problem}: {type(error).__name__}: {error}"

    def _repr_mimebundle_(self, **keywords):
        """Return the widget's display data, with a still picture for front ends without widgets."""
        bundle = super()._repr_mimebundle_(**keywords)
        bundle["image/png"] = base64.b64encode(self.snapshot().data).decode()
        return bundle


def make_picture(size_inches, **traits):
    """Return an Image widget for a drawing of a size (width, height) in inches, which shrinks with the page."""
    width_px = f"{size_inches[0] * DOTS_PER_INCH:.0f}px"
    return ipywidgets.Image(format="png", layout={"width": width_px, "max_width": "100%"}, **traits)


def make_row(label, control, unit="", *, label_width):
    """Return a control with its label on the left and its unit on the right; the control alone without a label."""
    if not label:
        return control
    parts = [ipywidgets.Label(label, layout={"width": label_width}), control]
    return ipywidgets.HBox([*parts, *([ipywidgets.Label(unit)] if unit else [])], layout={"align_items": "center"})


def make_buttons(options, value):
    """Return buttons for values or pairs (text, value), as wide as their text; one of them is pressed."""
    return ipywidgets.ToggleButtons(options=list(options), value=value, style={"button_width": "auto"})


def make_slider(options, value, **traits):
    """Return a slider over values or pairs (text, value); a button for a single one, because sliders need two."""
    if len(options) < 2:
        return make_buttons(options, value)
    return ipywidgets.SelectionSlider(options=list(options), value=value, **traits)
