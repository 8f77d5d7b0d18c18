"""The bases of explorers: failures in the status line, a still picture without widgets, one choice at a time."""

import base64
import contextlib
import dataclasses
import functools
import html
import inspect
import threading
from pathlib import Path

import ipywidgets
import traitlets
from IPython.display import Image
from PIL import ImageOps

from tlkit.plots.page import DOTS_PER_INCH

_THUMBNAIL_PX = 128


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


class Explorer(ipywidgets.VBox):
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


class ChoiceExplorer(Explorer):
    """An explorer of one choice (a dataclass) at a time: a control per field, a sentence and a picture."""

    # A subclass declares a trait for each field, validated by `validate_field`, and passes
    # - choice, the first one, and controls, {field: function (value=…) → widget};
    # - check(choice), which raises ValueError for a choice that doesn't exist;
    # - summarise(choice), which returns a summary with a `sentence`, and page, which renders summaries;
    # - labels and units of controls, {field: text}; an empty label gives the control a row to itself.

    def __init__(
        self,
        choice,
        controls,
        *,
        check,
        summarise,
        page,
        size_inches,
        labels=None,
        units=None,
        label_width="4.5em",
    ):
        # Callbacks may run in a thread of their own while a cell assigns to the traits.
        self._lock = threading.Lock()
        self._check, self._summarise, self._page, self._shown = check, summarise, page, choice
        check(choice)
        summary = summarise(choice)
        self._controls = {name: make(value=getattr(choice, name)) for name, make in controls.items()}
        self._picture = make_picture(size_inches, value=self._render(summary))
        self.status = StatusLine(summary.sentence)
        labels, units = {name: name for name in controls} | (labels or {}), units or {}
        rows = [
            make_row(labels[name], control, units.get(name, ""), label_width=label_width)
            for name, control in self._controls.items()
        ]
        super().__init__([*rows, self.status, self._picture], **{name: getattr(choice, name) for name in controls})
        for name, control in self._controls.items():
            control.observe(functools.partial(self._take, name), "value")
        self.observe(self._show, list(controls))

    def snapshot(self, *values: object, **named: object) -> Image:
        """Return a still picture (IPython Image, PNG) of a choice, by default of the current one."""
        given = inspect.signature(type(self._shown)).bind_partial(*values, **named).arguments
        choice = self._choose(**{name: value for name, value in given.items() if value is not None})
        with self._lock:
            self._check(choice)
            return Image(self._render(self._summarise(choice), compact=True))

    def validate_field(self, proposal):
        """Return the value that a trait takes; raise TraitError if there is no choice with it."""
        name = proposal["trait"].name
        with refuse_value():
            choice = self._choose(**{name: proposal["value"]})
            self._check(choice)
        return getattr(choice, name)

    def _choose(self, **changed):
        """Return the choice that the traits make up, with some fields changed."""
        return dataclasses.replace(self._shown, **{name: getattr(self, name) for name in self._controls} | changed)

    def _render(self, summary, **settings):
        """Return the picture of a summary (PNG, bytes)."""
        return self._page.render(summary, **settings)

    def _take(self, name, change):
        """Set a trait to the new value of its control."""
        self.report_failure(lambda: setattr(self, name, change["new"]))

    def _show(self, _change):
        """Show the choice after a trait has changed."""
        self.report_failure(self._show_choice)

    def _show_choice(self):
        """Move the controls to the current choice, then show it unless it is shown already."""
        for name, control in self._controls.items():
            control.value = getattr(self, name)
        with self._lock:
            choice = self._choose()
            if choice == self._shown and self.error is None:
                return
            summary = self._summarise(choice)
            self._picture.value = self._render(summary)
            self.status.text = summary.sentence
            self._shown, self.error = choice, None


@contextlib.contextmanager
def refuse_value():
    """Raise ValueError and TypeError as TraitError, which validators of traits raise to refuse a value."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise traitlets.TraitError(str(error)) from error


def read_script(name):
    """Return the JavaScript of a widget, after the functions that all of them share."""
    return "".join(Path(__file__).with_name(part).read_text("utf-8") for part in ("kit.js", name))


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


def make_thumbnails(images, find_index=lambda key: key):
    """Return a function from a key, by default the index of a picture, to its thumbnail; it keeps those it has read."""

    @functools.lru_cache(maxsize=2000)
    def read(key):
        return ImageOps.contain(images.read(find_index(key)), (_THUMBNAIL_PX, _THUMBNAIL_PX))

    return read
