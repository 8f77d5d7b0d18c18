"""What the reader thinks will come out, kept until it has: the `Prediction`."""

import dataclasses

import ipywidgets
import traitlets

from tlkit.widgets.status import StatusLine

_NONE_YET = "no prediction yet"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A prediction beside what was measured; displays as both, and says how they agree.

    Arguments
    ---------
    predicted: str, number or None
        None where nothing was predicted.
    measured: str or number
    unit: str
    late: bool
        Whether the prediction was made after the result had been shown.
    """

    predicted: object
    measured: object
    unit: str = ""
    late: bool = False

    def __repr__(self):
        predicted = _NONE_YET if self.predicted is None else _say(self.predicted, self.unit)
        late = " (made after the result was shown)" if self.late else ""
        lines = [f"You predicted: {predicted}{late}", f"Measured: {_say(self.measured, self.unit)}"]
        return "\n".join(lines + ([self._agreement()] if self.predicted is not None else []))

    def _agreement(self):
        if self.predicted == self.measured:
            return "The two agree."
        if isinstance(self.predicted, str):
            return "It came out otherwise."
        return f"That is {_say(abs(self.predicted - self.measured), self.unit)} apart."


class Prediction(ipywidgets.VBox):
    """Ask for a prediction before the result is there, and keep it. Building it displays nothing.

    Arguments
    ---------
    question: str
    options: list of str, or of numbers
        Words are shown as buttons, numbers as a slider.
    unit: str
        Of the numbers.

    `kept` is what the reader chose and kept, None before. Raises ValueError for fewer than two options.
    """

    kept = traitlets.Any(None, allow_none=True)

    def __init__(self, question, options, *, unit=""):
        options = list(options)
        if len(options) < 2 or len(set(options)) < len(options):
            raise ValueError(f"options: {options}, expected two or more, each once")
        self.question, self.options, self.unit = question, options, unit
        self._outcome, self._late = None, False
        in_words = isinstance(options[0], str)
        kind = ipywidgets.ToggleButtons if in_words else ipywidgets.SelectionSlider
        self._choices = kind(
            options=options,
            value=None if in_words else options[len(options) // 2],
            style={"button_width": "auto"} if in_words else {},
        )
        self._keep = ipywidgets.Button(
            description="Keep my prediction", disabled=in_words, layout={"width": "max-content"}
        )
        self.status = StatusLine(f"{_NONE_YET.capitalize()}: choose, then keep it.")
        choices = [self._choices] if in_words else [ipywidgets.HBox([self._choices, ipywidgets.Label(unit)])]
        asked = ipywidgets.Label(question, style={"font_weight": "bold"})
        super().__init__([asked, *choices, self._keep, self.status])
        self._choices.observe(self._allow, "value")
        self._keep.on_click(self._take)
        self.observe(self._show, "kept")

    @traitlets.validate("kept")
    def _check(self, proposal):
        if proposal["value"] is not None and proposal["value"] not in self.options:
            raise traitlets.TraitError(f"kept: {proposal['value']!r}, expected one of {self.options}, or None")
        return proposal["value"]

    def _allow(self, change):
        self._keep.disabled = change["new"] is None

    def _take(self, _button):
        self.kept = self._choices.value

    def _show(self, _change):
        kept = _NONE_YET if self.kept is None else _say(self.kept, self.unit)
        self.status.text = f"Your prediction: {kept}. It is kept until the result is there."
        if self._outcome is not None:
            self._late = True
            self.beside(self._outcome.measured)

    def beside(self, measured):
        """Show a result beside the prediction, here and in the widget.

        Arguments
        ---------
        measured: str or number
            One of the options, where they are words.

        Returns an `Outcome`, which displays as both.
        """
        if isinstance(self.options[0], str) and measured not in self.options:
            raise ValueError(f"measured: {measured!r}, expected one of {self.options}")
        self._outcome = Outcome(self.kept, measured, self.unit, self._late)
        self.status.text = repr(self._outcome).replace("\n", "; ")
        return self._outcome

    def __repr__(self):
        kept = _NONE_YET if self.kept is None else f"kept: {_say(self.kept, self.unit)}"
        span = (
            " | ".join(self.options) if isinstance(self.options[0], str) else f"{self.options[0]} to {self.options[-1]}"
        )
        return f"Prediction({span}; {kept})"


def _say(value, unit):
    return str(value) if isinstance(value, str) else f"{value:g} {unit}".rstrip()
