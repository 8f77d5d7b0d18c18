"""A prediction that the reader makes before the result is shown: the `Prediction`."""

import dataclasses
import hashlib
import html
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import anywidget
import traitlets

from tlkit.arguments import check_known, check_number
from tlkit.languages import show, translate
from tlkit.lessons.progress import find_entry, find_file, keep_entry
from tlkit.widgets.explorer import make_bundle, read_files
from tlkit.widgets.fold import fold_answers

_N_CHIPS = 10
_MOST_OPTIONS = 12  # each has a row
_NONE_YET = "no prediction yet"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A prediction ({option: chips}, None if there was none) and the measured result; displays both."""

    predicted: dict | None
    measured: str
    option: str  # the measured one, or the nearest to the measured number
    late: bool
    view: "Prediction"

    def __repr__(self):
        if self.predicted is None:
            return "\n".join(map(translate, (f"You predicted: {_NONE_YET}", f"Measured: {self.measured}")))
        late = " (made after the result was shown)" if self.late else ""
        nearest = "it" if self.option == self.measured else f"{self.option}, the nearest option"
        lines = [f"You predicted: {_format_chips(self.predicted)}{late}", f"Measured: {self.measured}"]
        lines.append(f"{self.predicted.get(self.option, 0)} of {_N_CHIPS} chips are on {nearest}.")
        return "\n".join(map(translate, lines))

    def _repr_mimebundle_(self, **keywords):
        """Return the text, and for readers with widgets the prediction, which unseals the result once it is kept."""
        lines = "<br>".join(html.escape(line) for line in repr(self).split("\n"))
        task = translate("The result: predict first, then open it.")
        sealed = f"<details><summary>{task}</summary>{lines}</details>"
        form = sealed if self.predicted is None else f"<p>{lines}</p>"
        return make_bundle(self.view, keywords, {"text/html": form}, text=repr(self))


class Prediction(anywidget.AnyWidget):
    """Ask for a prediction before the result is known, as ten chips spread over options, and keep it.

    The browser keeps it, also while the kernel is busy, and hands it to the kernel. The kernel writes it to
    `progress.json` beside the open notebook, from which it returns after a restart. The result of `compare` stays
    sealed until a prediction is kept, or until the reader opens it without one.

    Parameters
    ----------
    name : str
        Name in `progress.json`, a different one for each prediction of a lesson.
    question : str
        The question that the reader answers.
    options : sequence of str or of numbers
        From 2 to 12 different answers.
    unit : str
        Unit of the numbers.

    Attributes
    ----------
    kept : dict or None
        The prediction that was kept, {option: number of chips} for those with chips, None before.
    late : bool
        Whether the result had been shown before the prediction was kept.

    Raises
    ------
    ValueError
        If there are too few or too many options, or one occurs twice.

    Examples
    --------
    >>> prediction = Prediction("gain", "Does the gain grow or shrink?", ["grows", "shrinks"])
    >>> prediction.keep({"shrinks": 7, "grows": 3})
    >>> prediction.compare("grows")
    You predicted: grows (3), shrinks (7)
    Measured: grows
    3 of 10 chips are on it.
    """

    _esm = read_files("kit.js", "prediction.js")
    _css = read_files("kit.css", "prediction.css")

    question = traitlets.Unicode().tag(sync=True, to_json=show)
    options = traitlets.List(traitlets.Unicode()).tag(sync=True, to_json=show)
    place = traitlets.Unicode().tag(sync=True)  # the browser's name for it
    # The browser sets these four; `kept_at` is a time in UTC, empty before.
    chips = traitlets.List(traitlets.Int(min=0, max=_N_CHIPS)).tag(sync=True)
    reason = traitlets.Unicode().tag(sync=True)
    kept_at = traitlets.Unicode().tag(sync=True)
    late = traitlets.Bool(False).tag(sync=True)
    measured = traitlets.Unicode().tag(sync=True, to_json=show)
    measured_place = traitlets.Int(-1).tag(sync=True)
    saved = traitlets.Unicode().tag(sync=True)  # `kept_at` of the file, or "opened"
    problem = traitlets.Unicode().tag(sync=True)

    def __init__(self, name: str, question: str, options: Sequence[str] | Sequence[float], *, unit: str = ""):
        self._name, self._unit, self._values = name, unit, list(options)
        texts = [_format(option, unit) for option in self._values]
        if not 2 <= len(texts) <= _MOST_OPTIONS or len(set(texts)) < len(texts):
            raise ValueError(f"options: {texts}, expected from 2 to {_MOST_OPTIONS} different ones")
        fold_answers()
        path, lesson = find_file()
        folder = hashlib.sha256(str(path.parent).encode()).hexdigest()[:12]
        found = self._read_entry(texts)
        super().__init__(
            question=question, options=texts, place=f"{folder}/{lesson or ''}/{name}", **found, saved=_mark(found)
        )
        self.observe(self._save, ["kept_at", "late"])

    def _read_entry(self, texts):
        """Return the traits that `progress.json` has of this prediction; of another question with its name, none."""
        entry = find_entry("predictions", self._name)
        chips, measured = entry.get("chips"), entry.get("measured")
        kept_at, late = str(entry.get("kept_at") or ""), bool(entry.get("late"))
        try:
            counts = [int(chips.get(text, 0)) for text in texts]
            is_whole = sum(counts) == _N_CHIPS and set(chips) <= set(texts) and min(counts) >= 0
            seen = {} if measured is None else self._describe(measured, texts)
        except (AttributeError, TypeError, ValueError):
            is_whole = False
        if not (is_whole and kept_at):
            # Opened without a prediction: the next one is late.
            return {"chips": [0] * len(texts), "late": late and not kept_at}
        return {"chips": counts, "reason": str(entry.get("reason", "")), "kept_at": kept_at, "late": late, **seen}

    @traitlets.validate("chips")
    def _check_chips(self, proposal):
        """Return the chips of all options, at most ten; raise TraitError for others."""
        chips = proposal["value"]
        if len(chips) != len(self._values) or sum(chips) > _N_CHIPS:
            expected = f"{len(self._values)} numbers, {_N_CHIPS} at most in total"
            raise traitlets.TraitError(f"chips: {chips!r}, expected {expected}")
        return chips

    @property
    def kept(self):
        """The prediction that was kept, or None."""
        if not self.kept_at or sum(self.chips) != _N_CHIPS:
            return None
        return {value: n for value, n in zip(self._values, self.chips, strict=True) if n}

    def _name_chips(self):
        """Return the prediction that was kept by the options' texts, empty before."""
        return {_format(value, self._unit): n for value, n in (self.kept or {}).items()}

    def keep(self, chips: Mapping[str | float, int], reason: str = "") -> None:
        """Keep a prediction, as the button does.

        Parameters
        ----------
        chips, reason : {option: number of chips} and str
            Ten chips in total, late after `compare`, and why the reader expects this.

        Raises
        ------
        ValueError
            If an option is unknown, or the chips aren't ten.
        """
        texts = {_format(option, self._unit): n for option, n in chips.items()}
        check_known("chips", texts, self.options)
        counts = [texts.get(option, 0) for option in self.options]
        if sum(counts) != _N_CHIPS or min(counts) < 0:
            raise ValueError(f"chips: {dict(chips)}, {sum(counts)} in total, expected {_N_CHIPS}")
        late = self.late or bool(self.measured)
        with self.hold_trait_notifications():
            self.chips, self.reason, self.late = counts, reason, late
            self.kept_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def compare(self, measured: str | float) -> Outcome:
        """Show the result next to the prediction, here and in the widget, once one has been kept.

        Parameters
        ----------
        measured : str or number
            The result. If the options are texts and it isn't one of them, ValueError is raised. A number counts for
            the nearest option.

        Returns
        -------
        Outcome
            Prediction and result, which display as text.
        """
        if isinstance(self._values[0], str):
            check_known("measured", measured, self._values)
        else:
            measured = check_number("measured", measured, hint=", as the options are")
        with self.hold_sync():
            for trait, value in self._describe(measured, self.options).items():
                setattr(self, trait, value)
        self._measured = measured
        self._save()
        return Outcome(self._name_chips() or None, self.measured, self.options[self.measured_place], self.late, self)

    _measured = None

    def _describe(self, measured, texts):
        """Return the traits that show a result."""
        if isinstance(measured, str):
            return {"measured": measured, "measured_place": texts.index(measured)}
        place = min(range(len(texts)), key=lambda place: abs(self._values[place] - measured))
        return {"measured": _format(measured, self._unit), "measured_place": place}

    def _save(self, _change=None):
        """Write the prediction to `progress.json`, or that its result was opened without one."""
        if not self.kept and not self.late:
            return
        values = {
            "chips": self._name_chips(),
            "reason": self.reason,
            "kept_at": self.kept_at or None,
            "late": self.late,
        }
        if self._measured is not None:
            option = self.options[self.measured_place]
            values |= {"measured": self._measured, "option": option, "n_options": len(self.options)}
        problem = keep_entry("predictions", self._name, **values)
        self.problem = problem or ""
        if problem == "":
            self.saved = _mark({"kept_at": self.kept_at, "late": self.late})

    def _repr_mimebundle_(self, **keywords):
        """Return the widget's display data, with a list of the options for front ends without widgets."""
        chips = self._name_chips()
        lines = [translate(option) + (f": {chips[option]}" if option in chips else "") for option in self.options]
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        form = f"<p><b>{html.escape(translate(self.question))}</b></p><ul>{items}</ul>"
        return make_bundle(self, keywords, {"text/html": form})

    def __repr__(self):
        kept = f"kept: {_format_chips(self._name_chips())}" if self.kept else _NONE_YET
        return f"Prediction({' | '.join(self.options)}; {kept})"


def _mark(traits):
    """Return the mark of what a file keeps: the time of the prediction, or that the result was opened without one."""
    return traits.get("kept_at") or ("opened" if traits.get("late") else "")


def _format(value, unit):
    """Return an option or result as text, numbers with their unit."""
    return str(value) if isinstance(value, str) else f"{value:g} {unit}".rstrip()


def _format_chips(chips):
    """Return {option: chips} as text."""
    return ", ".join(f"{translate(option)} ({n})" for option, n in chips.items())
