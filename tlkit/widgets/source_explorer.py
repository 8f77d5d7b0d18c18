"""Source × weight × shots → gain, seeds and classes: the `SourceExplorer`."""

import dataclasses
import itertools
import threading

import ipywidgets
import traitlets

from tlkit.inspection.source_worth import SourceChoice, SourceWorths, read_source
from tlkit.plots.source_worth import SIZE_INCHES, SourceWorthPage
from tlkit.widgets.explorer import Explorer, make_picture
from tlkit.widgets.status import StatusLine


class SourceExplorer(Explorer):
    """Ask what a source is worth beside a few shots of the target: at which weight, with how many.

    Building it reads all choices, and displays nothing. Where there are no widgets, a picture of it is shown instead.

    Arguments
    ---------
    runs, predictions: DataFrame
        As `tlkit.adaptation.compare_target_shots` returns them. It begins with the first source, the last weight and
        the fewest shots.

    `source`, `weight` and `shots` are traits: assigning to them moves the controls, what wasn't measured is a
    TraitError. `status` is the line of text, `error` the exception that the last change ended in, or None.

    Raises ValueError for tables without a source.
    """

    source = traitlets.Unicode()
    weight = traitlets.Any()
    shots = traitlets.Int()

    def __init__(self, runs, predictions):
        worths = SourceWorths(runs, predictions)
        self._options = {"source": worths.sources, "weight": worths.weights, "shots": worths.shots}
        choices = [SourceChoice(*cell) for cell in itertools.product(*self._options.values())]
        self._readings = {choice: read_source(worths, choice) for choice in choices}
        self._n_seeds = worths.n_seeds
        choice = SourceChoice(worths.sources[0], worths.weights[-1], worths.shots[0])
        # Callbacks may run on a thread of their own beside a cell that assigns to the traits.
        self._lock = threading.Lock()
        self._page = SourceWorthPage(list(self._readings.values()))
        self._controls = {
            name: ipywidgets.ToggleButtons(
                options=[(_say(option), option) for option in offered],
                value=getattr(choice, name),
                style={"button_width": "auto"},
            )
            for name, offered in self._options.items()
        }
        self._view = make_picture(SIZE_INCHES, value=self._page.render(self._readings[choice]))
        self.status = StatusLine(self._readings[choice].sentence)
        labels = {"source": "source", "weight": "weight", "shots": "shots a class"}
        rows = [
            ipywidgets.HBox([ipywidgets.Label(labels[name], layout={"width": "7em"}), control])
            for name, control in self._controls.items()
        ]
        super().__init__([*rows, self.status, self._view], **dataclasses.asdict(choice))
        for control in self._controls.values():
            control.observe(self._take, "value")
        self.observe(self._show, list(self._controls))

    @traitlets.validate("source", "weight", "shots")
    def _check(self, proposal):
        name, value = proposal["trait"].name, proposal["value"]
        known = self._options[name]
        if value not in known:
            raise traitlets.TraitError(f"{name}: {value!r} was not measured, expected one of {known}")
        return value

    def _take(self, change):
        trait = next(name for name, control in self._controls.items() if control is change["owner"])
        self.report_failure(lambda: setattr(self, trait, change["new"]))

    def _show(self, _change):
        self.report_failure(self._show_choice)

    def _show_choice(self):
        for name, control in self._controls.items():
            control.value = getattr(self, name)
        with self._lock:
            reading = self._readings[SourceChoice(self.source, self.weight, self.shots)]
            self._view.value = self._page.render(reading)
            self.status.text, self.error = reading.sentence, None

    def snapshot(self, source=None, weight=None, shots=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for what wasn't measured.
        """
        from IPython.display import Image

        choice = SourceChoice(source or self.source, weight or self.weight, shots or self.shots)
        if choice not in self._readings:
            raise ValueError(f"snapshot: {choice} was not measured, expected one of {self._options}")
        with self._lock:
            return Image(self._page.render(self._readings[choice], compact=True))

    def __repr__(self):
        counts = " × ".join(f"{len(offered)} {name}s" for name, offered in list(self._options.items())[:2])
        return f"SourceExplorer({counts} × {len(self._options['shots'])} numbers of shots, {self._n_seeds} seeds)"


def _say(option):
    return option if isinstance(option, str) else f"{option:g}"
