"""Source × weight × shots → gain, seeds and classes: the `SourceExplorer`."""

import itertools

import traitlets

from tlkit.plots.source_worth import SIZE_INCHES, SourceWorthPage
from tlkit.summaries.source_worth import SourceChoice, SourceWorths, summarise_source
from tlkit.widgets.choice_explorer import ChoiceExplorer, make_buttons


class SourceExplorer(ChoiceExplorer):
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
        self._readings = {choice: summarise_source(worths, choice) for choice in choices}
        self._n_seeds = worths.n_seeds
        choice = SourceChoice(worths.sources[0], worths.weights[-1], worths.shots[0])
        self._page = SourceWorthPage(list(self._readings.values()))
        controls = {
            name: make_buttons([(_say(option), option) for option in offered], getattr(choice, name))
            for name, offered in self._options.items()
        }
        super().__init__(choice, controls, SIZE_INCHES, labels={"shots": "shots a class"}, label_width="7em")

    @traitlets.validate("source", "weight", "shots")
    def _check(self, proposal):
        return self._validate_choice(proposal)

    def _check_choice(self, choice):
        for name, known in self._options.items():
            if getattr(choice, name) not in known:
                raise ValueError(f"{name}: {getattr(choice, name)!r} was not measured, expected one of {known}")

    def _read(self, choice):
        self._check_choice(choice)
        return self._readings[choice]

    def snapshot(self, source=None, weight=None, shots=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for what wasn't measured.
        """
        choice = SourceChoice(source or self.source, weight or self.weight, shots or self.shots)
        return self._draw_still(choice)

    def __repr__(self):
        counts = " × ".join(f"{len(offered)} {name}s" for name, offered in list(self._options.items())[:2])
        return f"SourceExplorer({counts} × {len(self._options['shots'])} numbers of shots, {self._n_seeds} seeds)"


def _say(option):
    return option if isinstance(option, str) else f"{option:g}"
