"""What explorers of a choice share: a control for each part of it, and beneath them a sentence and a picture."""

import dataclasses
import threading

import ipywidgets
import traitlets

from tlkit.widgets.explorer import Explorer, make_picture
from tlkit.widgets.status import StatusLine


class ChoiceExplorer(Explorer):
    """A widget to look at one choice after the other.

    Those that derive from it have a trait for each field of the choice, validated by `_validate_choice`; `_page`, which
    draws; `_check_choice(choice)`, which raises ValueError for one that isn't there; and `_read(choice)`, which returns
    what is shown of it and has a `sentence`.

    Arguments
    ---------
    choice: dataclass
        What to begin with.
    controls: dict of str to widget
        For each field of the choice one that has it as its value.
    size_inches: (float, float)
        Of the picture.
    labels: dict of str to str, optional
        What stands beside each control; by default the name of the field.
    label_width: str
        In CSS.
    """

    def __init__(self, choice, controls, size_inches, *, labels=None, label_width="4.5em"):
        # Callbacks may run on a thread of their own beside a cell that assigns to the traits.
        self._lock = threading.Lock()
        self._controls, self._shown = controls, choice
        summary = self._read(choice)
        self._view = make_picture(size_inches, value=self._render(summary))
        self.status = StatusLine(summary.sentence)
        rows = [
            ipywidgets.HBox([ipywidgets.Label((labels or {}).get(name, name), layout={"width": label_width}), control])
            for name, control in controls.items()
        ]
        super().__init__([*rows, self.status, self._view], **{name: getattr(choice, name) for name in controls})
        for control in controls.values():
            control.observe(self._take, "value")
        self.observe(self._show, list(controls))

    def _validate_choice(self, proposal):
        """Return the value that a trait is to take; TraitError where `_check_choice` refuses the choice with it."""
        try:
            self._check_choice(dataclasses.replace(self._shown, **{proposal["trait"].name: proposal["value"]}))
        except (ValueError, TypeError) as error:
            raise traitlets.TraitError(str(error)) from error
        return proposal["value"]

    def _choose(self):
        """Return the choice that the traits make up."""
        return dataclasses.replace(self._shown, **{name: getattr(self, name) for name in self._controls})

    def _render(self, summary, **settings):
        return self._page.render(summary, **settings)

    def _draw_still(self, choice):
        """Return what is shown of a choice as a still picture (IPython Image, PNG)."""
        from IPython.display import Image

        with self._lock:
            return Image(self._render(self._read(choice), compact=True))

    def _take(self, change):
        trait = next(name for name, control in self._controls.items() if control is change["owner"])
        self.report_failure(lambda: setattr(self, trait, change["new"]))

    def _show(self, _change):
        self.report_failure(self._show_choice)

    def _show_choice(self):
        for name, control in self._controls.items():
            control.value = getattr(self, name)
        with self._lock:
            choice = self._choose()
            if choice == self._shown and self.error is None:
                return
            summary = self._read(choice)
            self._view.value = self._render(summary)
            self.status.text = summary.sentence
            self._shown, self.error = choice, None


def make_buttons(options, value):
    """Return buttons of which one is chosen, as wide as their words; options are values, or pairs (words, value)."""
    return ipywidgets.ToggleButtons(options=list(options), value=value, style={"button_width": "auto"})
