"""A prediction that the reader makes before the result is shown: the `Prediction`."""

import dataclasses
from collections.abc import Sequence

import ipywidgets
import traitlets

from tlkit.widgets.boxes import StatusLine, make_buttons

_NONE_YET = "no prediction yet"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A prediction (None if there was none) and the measured result; displays both and how they agree."""

    predicted: str | float | None
    measured: str | float
    unit: str = ""
    late: bool = False  # the prediction was made after the result had been shown

    def __repr__(self):
        predicted = _NONE_YET if self.predicted is None else _format(self.predicted, self.unit)
        late = " (made after the result was shown)" if self.late else ""
        lines = [f"You predicted: {predicted}{late}", f"Measured: {_format(self.measured, self.unit)}"]
        return "\n".join(lines + ([self._format_agreement()] if self.predicted is not None else []))

    def _format_agreement(self):
        """Return in words whether prediction and result agree."""
        if self.predicted == self.measured:
            return "The two agree."
        if isinstance(self.predicted, str):
            return "The result is different."
        return f"They differ by {_format(abs(self.predicted - self.measured), self.unit)}."


class Prediction(ipywidgets.VBox):
    """Ask for a prediction before the result is known, and keep it.

    Parameters
    ----------
    question : str
        The question that the reader answers.
    options : sequence of str or of numbers
        Two or more different answers. Texts are shown as buttons, numbers as a slider.
    unit : str
        Unit of the numbers.

    Attributes
    ----------
    kept : str, number or None
        The prediction that the reader kept, None before. Assigning a value that isn't an option raises TraitError.
    status : StatusLine
        The prediction, and later the result, in words.

    Raises
    ------
    ValueError
        If there are fewer than two options, or one occurs twice.

    Examples
    --------
    >>> prediction = Prediction("Does the gain grow or shrink?", ["grows", "shrinks"])
    >>> prediction.kept = "shrinks"
    >>> prediction.compare("grows")
    You predicted: shrinks
    Measured: grows
    The result is different.
    """

    kept = traitlets.Any(None, allow_none=True)

    def __init__(self, question: str, options: Sequence[str] | Sequence[float], *, unit: str = ""):
        options = list(options)
        if len(options) < 2 or len(set(options)) < len(options):
            raise ValueError(f"options: {options}, expected two or more different ones")
        self.question, self.options, self.unit = question, options, unit
        self._outcome, self._late = None, False
        self._are_texts = isinstance(options[0], str)
        if self._are_texts:
            self._choices = row = make_buttons(options, None)
        else:
            self._choices = ipywidgets.SelectionSlider(options=options, value=options[len(options) // 2])
            row = ipywidgets.HBox([self._choices, ipywidgets.Label(unit)])
        self._keep = ipywidgets.Button(
            description="Keep my prediction", disabled=self._are_texts, layout={"width": "max-content"}
        )
        self.status = StatusLine(f"{_NONE_YET.capitalize()}: choose, then keep it.")
        heading = ipywidgets.Label(question, style={"font_weight": "bold"})
        super().__init__([heading, row, self._keep, self.status])
        self._choices.observe(self._allow, "value")
        self._keep.on_click(self._take)
        self.observe(self._show, "kept")

    @traitlets.validate("kept")
    def _check(self, proposal):
        """Return an option or None; raise TraitError for other values."""
        if proposal["value"] is not None and proposal["value"] not in self.options:
            raise traitlets.TraitError(f"kept: {proposal['value']!r}, expected one of {self.options}, or None")
        return proposal["value"]

    def _allow(self, change):
        """Enable the button when an option has been chosen."""
        self._keep.disabled = change["new"] is None

    def _take(self, _button):
        """Keep the chosen option."""
        self.kept = self._choices.value

    def _show(self, _change):
        """Show the kept prediction, and the result again if it is known."""
        kept = _NONE_YET if self.kept is None else _format(self.kept, self.unit)
        self.status.text = f"Your prediction: {kept}. It is kept until the result is there."
        if self._outcome is not None:
            self._late = True
            self.compare(self._outcome.measured)

    def compare(self, measured: str | float) -> Outcome:
        """Show the result next to the prediction, here and in the widget.

        Parameters
        ----------
        measured : str or number
            The result. If the options are texts and it isn't one of them, ValueError is raised.

        Returns
        -------
        Outcome
            Prediction and result, which display as text.
        """
        if self._are_texts and measured not in self.options:
            raise ValueError(f"measured: {measured!r}, expected one of {self.options}")
        self._outcome = Outcome(self.kept, measured, self.unit, self._late)
        self.status.text = repr(self._outcome).replace("\n", "; ")
        return self._outcome

    def __repr__(self):
        kept = _NONE_YET if self.kept is None else f"kept: {_format(self.kept, self.unit)}"
        span = " | ".join(self.options) if self._are_texts else f"{self.options[0]} to {self.options[-1]}"
        return f"Prediction({span}; {kept})"


def _format(value, unit):
    """Return an option or result as text, numbers with their unit."""
    return str(value) if isinstance(value, str) else f"{value:g} {unit}".rstrip()
