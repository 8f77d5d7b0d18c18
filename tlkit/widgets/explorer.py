"""The base of explorers: one choice at a time by controls, shown as vector graphics, in words, and as a picture."""

import base64
import contextlib
import dataclasses
import inspect
import json
import threading
from pathlib import Path

import anywidget
import traitlets
from IPython.display import Image

from tlkit.arguments import check_known
from tlkit.languages import find_language, read_words, show
from tlkit.plots.description import describe

_MOST_KEPT = 64  # drawings of an explorer
_MOST_LISTED = 20  # options in a message


@contextlib.contextmanager
def refuse_value():
    """Raise ValueError and TypeError as TraitError, which validators of traits raise to refuse a value."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise traitlets.TraitError(str(error)) from error


def read_files(*names):
    """Return the content of scripts or styles of widgets, which share kit.js and kit.css; a script gets its words."""
    content = "".join(Path(__file__).with_name(name).read_text("utf-8") for name in names)
    words = read_words(find_language()).items()
    used = {text: translation for text, translation in words if json.dumps(text) in content}
    return content.replace("const WORDS = {};", f"const WORDS = {json.dumps(used, ensure_ascii=False)};")


def make_bundle(widget, keywords, still, *, text=None):
    """Return the display data of a widget, with a text and a still form for front ends without widgets."""
    # anywidget returns a pair of data and metadata, or None if the front end has no widgets.
    bundle, metadata = anywidget.AnyWidget._repr_mimebundle_(widget, **keywords) or ({}, {})
    return bundle | {"text/plain": text or repr(widget)} | still, metadata


class Explorer(anywidget.AnyWidget):
    """A widget with a `status` sentence and a `snapshot`; `error` is the exception of the last change, or None."""

    _css = read_files("kit.css")

    status = traitlets.Unicode().tag(sync=True, to_json=show)
    error = None

    def snapshot(self) -> Image:
        """Return a still picture (IPython Image, PNG) of the current state, which a subclass draws."""
        return describe(Image(self._draw_still()), self.status)

    def report_failure(self, action, problem="This could not be shown"):
        """Call an action; if it raises an exception, keep it as `error` and show it as the status."""
        try:
            action()
        except Exception as error:  # otherwise it would end in a log that nobody reads
            self.error = error
            self.status = f"{problem}: {type(error).__name__}: {error}"

    def _repr_mimebundle_(self, **keywords):
        """Return the widget's display data, with a still picture for front ends without widgets."""
        still = base64.b64encode(self.snapshot().data).decode()
        bundle, metadata = make_bundle(self, keywords, {"image/png": still})
        return bundle, metadata | {"image/png": {"alt": self.status}}


@dataclasses.dataclass(frozen=True)
class Control:
    """A choice among options; `chosen` values are theirs, while the browser only knows their positions."""

    kind: str  # "radio", "toggles" (any number of options) or "slider"
    options: tuple
    texts: tuple  # of str, as many
    label: str = ""
    unit: str = ""

    def find(self, value):
        """Return the position of a value among the options; those of a tuple of values, for toggles."""
        if self.kind == "toggles":
            return [self.options.index(one) for one in value]
        return self.options.index(value)

    def get(self, place):
        """Return the option at a position; the tuple of options at several, for toggles."""
        if self.kind == "toggles":
            return tuple(self.options[one] for one in sorted(place))
        return self.options[place]

    def check(self, name, value):
        """Raise ValueError or TypeError if a value, or one of a tuple for toggles, isn't among the options."""
        values, options = value if self.kind == "toggles" else [value], self.options
        if all(isinstance(option, str) for option in options):
            check_known(name, values, options)
        elif unknown := [one for one in values if one not in options]:
            there = ", ".join(map(str, options)) if len(options) <= _MOST_LISTED else f"{options[0]} to {options[-1]}"
            raise ValueError(f"{name}: {unknown[0]!r} is not there; there are {there}")

    def list_clicks(self, value):
        """Return the values that clicks on the options lead to; none for a slider, whose options can all be chosen."""
        if self.kind == "toggles":
            return [tuple(one for one in self.options if (one in value) != (one == click)) for click in self.options]
        return self.options if self.kind == "radio" else ()

    def describe(self, name, disabled=()):
        """Return the control for the script (dict), with the positions of options that can't be chosen."""
        given = {"texts": self.texts, "label": self.label or name, "unit": self.unit}
        return show(given) | {"name": name, "kind": self.kind, "disabled": list(disabled)}


def make_buttons(options, *, label="", unit="", kind="radio", format_option=str):
    """Return radio buttons, or toggles, for values or pairs (text, value)."""
    pairs = [option if isinstance(option, tuple) else (format_option(option), option) for option in options]
    return Control(kind, tuple(value for _, value in pairs), tuple(text for text, _ in pairs), label, unit)


def make_slider(options, *, label="", unit=""):
    """Return a slider over values; a button for a single one, since sliders need two."""
    return make_buttons(options, label=label, unit=unit, kind="slider" if len(options) > 1 else "radio")


class ChoiceExplorer(Explorer):
    """An explorer of one choice at a time: a control for each of its fields, a sentence and a drawing."""

    # A subclass declares a trait for each field, validated by `validate_field`, and passes
    # - choice, the first one, a tuple or object with named fields, and controls, {field: Control};
    # - check(choice), if some combinations of options don't exist, which raises ValueError for these;
    # - summarise(choice), which returns a summary with a `sentence`, and page, which renders summaries;
    # - clicks, {kind of a mark: fields}: a click on the mark "kind:3" chooses option 3 of the field.

    _esm = read_files("kit.js", "explorer.js")

    controls = traitlets.List().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)  # {field: position of its option}
    shown = traitlets.Dict().tag(sync=True)  # the same of the drawing that is shown
    frame = traitlets.Unicode().tag(sync=True)  # SVG; the drawing lies above it
    drawing = traitlets.Unicode().tag(sync=True)
    clicks = traitlets.Dict().tag(sync=True)

    def __init__(self, choice, controls, *, summarise, page, check=None, clicks=None):
        # Callbacks may run in a thread of their own while a cell assigns to the traits.
        self._lock, self._here = threading.Lock(), threading.local()
        self._check_whole, self._summarise, self._page = check, summarise, page
        self._controls, self._shown, self._kept = controls, choice, {}
        self._check(choice)
        fields = {name: getattr(choice, name) for name in controls}
        super().__init__(**fields, **self._show_as(choice), clicks=clicks or {})
        self.observe(self._take, "chosen")
        self.observe(self._show, list(controls))

    def snapshot(self, *values: object, **named: object) -> Image:
        """Return a still picture (IPython Image, PNG) of a choice, by default of the current one."""
        given = inspect.signature(type(self._shown)).bind_partial(*values, **named).arguments
        choice = self._choose(**{name: value for name, value in given.items() if value is not None})
        with self._lock:
            self._check(choice)
            summary = self._summarise(choice)
            return describe(Image(self._find_page(choice).render_still(summary)), summary.sentence)

    def _check(self, choice):
        """Raise ValueError or TypeError if a choice doesn't exist."""
        for name, control in self._controls.items():
            control.check(name, getattr(choice, name))
        if self._check_whole:
            self._check_whole(choice)

    def validate_field(self, proposal):
        """Return the value that a trait takes; raise TraitError if there is no choice with it."""
        name = proposal["trait"].name
        with refuse_value():
            choice = self._choose(**{name: proposal["value"]})
            self._check(choice)
        return getattr(choice, name)

    def _choose(self, **changed):
        """Return the choice that the traits make up, with some fields changed."""
        return type(self._shown)(**{name: getattr(self, name) for name in self._controls} | changed)

    def _find_page(self, _choice):
        """Return the page that draws a choice."""
        return self._page

    def _offers(self, _field, choice):
        """Return whether a field may be changed so that a choice results; if not, its option is disabled."""
        try:
            self._check(choice)
        except ValueError:
            return False
        return True

    def _render(self, choice):
        """Return the status and the drawing (SVG) of a choice."""
        summary = self._summarise(choice)
        return summary.sentence, self._find_page(choice).render(summary)

    def _show_as(self, choice):
        """Return the synchronised traits of a choice; those that were drawn before are looked up."""
        if choice not in self._kept:
            while len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[choice] = self._render(choice)
        status, drawing = self._kept[choice]
        controls, places = [], {}
        for name, control in self._controls.items():
            values = control.list_clicks(getattr(choice, name))
            fields = {field: getattr(choice, field) for field in self._controls}
            possible = [self._offers(name, type(choice)(**fields | {name: value})) for value in values]
            controls.append(control.describe(name, [place for place, offered in enumerate(possible) if not offered]))
            places[name] = control.find(getattr(choice, name))
        frame = self._find_page(choice).frame
        drawn = {"status": status, "frame": frame, "drawing": drawing}
        return drawn | {"controls": controls, "chosen": places, "shown": places}

    def _take(self, change):
        """Set the traits that a reader has changed, which the browser sends as positions."""
        if getattr(self._here, "sends", False):
            return

        def set_traits():
            values = {name: self._controls[name].get(place) for name, place in change["new"].items()}
            for name in [name for name, value in values.items() if value != getattr(self, name)]:
                setattr(self, name, values[name])

        self.report_failure(set_traits)
        self._move_controls()

    def _show(self, _change):
        """Show the choice after a trait has changed."""
        self.report_failure(self._show_choice)
        self._move_controls()

    def _show_choice(self):
        """Show the current choice unless it is shown already."""
        with self._lock:
            choice = self._choose()
            if choice == self._shown and self.error is None:
                return
            self._synchronise(**self._show_as(choice))
            self._shown, self.error = choice, None

    def _move_controls(self):
        """Let the controls show the traits, also if a choice was refused or couldn't be drawn."""
        with self._lock:
            places = {name: control.find(getattr(self, name)) for name, control in self._controls.items()}
            self._synchronise(chosen=places, shown=places)

    def _synchronise(self, **traits):
        """Set synchronised traits at once; `_take` ignores those that this thread sets itself."""
        self._here.sends = True
        try:
            with self.hold_sync():
                for name, value in traits.items():
                    setattr(self, name, value)
        finally:
            self._here.sends = False
