"""Strategy × cost × score → what training little saves: the `TrainedShareExplorer`."""

import functools
import threading

import ipywidgets
import traitlets

from tlkit.inspection.trained_share import COSTS, TrainedShareChoice, TrainedShares, read_trained_share
from tlkit.plots.trained_share import SIZE_INCHES, TrainedSharePage
from tlkit.widgets.explorer import Explorer, make_picture
from tlkit.widgets.status import StatusLine


class TrainedShareExplorer(Explorer):
    """Look at what strategies cost, by one measure or another, and how well they do.

    Building it displays nothing. Where there are no widgets, a picture of it is shown instead.

    Arguments
    ---------
    table: DataFrame
        A row a strategy, as in `tlkit.inspection.trained_share.TrainedShares`.
    scores: sequence of str
        Columns of accuracies, each with its interval in columns of that name with _low and _high.
    strategy, cost, score: str, optional
        What to look at first; by default the first strategy, the trained share and the first score.

    `strategy`, `cost` and `score` are traits: assigning to them moves the controls, what isn't there is a TraitError.
    `status` is the line of text, `error` the exception that the last change ended in, or None.

    Raises ValueError for columns, a strategy, cost or score that isn't there.
    """

    strategy = traitlets.Unicode()
    cost = traitlets.Unicode()
    score = traitlets.Unicode()

    def __init__(self, table, *, scores=("accuracy",), strategy=None, cost=COSTS[0], score=None):
        self.shares = TrainedShares(table, scores)
        choice = TrainedShareChoice(strategy or self.shares.strategies[0], cost, score or self.shares.scores[0])
        reading = read_trained_share(self.shares, choice)
        # Callbacks may run on a thread of their own beside a cell that assigns to the traits.
        self._lock = threading.Lock()
        self._page = functools.cache(functools.partial(TrainedSharePage, table))
        options = {"strategy": self.shares.strategies, "cost": COSTS, "score": self.shares.scores}
        self._controls = {
            name: ipywidgets.ToggleButtons(
                options=[(value.replace("_mib", " (MiB)").replace("_", " "), value) for value in values],
                value=getattr(choice, name),
                style={"button_width": "auto"},
            )
            for name, values in options.items()
        }
        self._view = make_picture(SIZE_INCHES, value=self._render(reading))
        self.status = StatusLine(reading.sentence)
        self._shown = choice
        rows = [
            ipywidgets.HBox([ipywidgets.Label(name, layout={"width": "4.5em"}), control])
            for name, control in self._controls.items()
        ]
        first = {name: getattr(choice, name) for name in self._controls}
        super().__init__([*rows, self.status, self._view], **first)
        for control in self._controls.values():
            control.observe(self._take, "value")
        self.observe(self._show, list(self._controls))

    @traitlets.validate("strategy", "cost", "score")
    def _check(self, proposal):
        wanted = {"strategy": self.strategy, "cost": self.cost, "score": self.score}
        try:
            self.shares.check(TrainedShareChoice(**wanted | {proposal["trait"].name: proposal["value"]}))
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from error
        return proposal["value"]

    def _render(self, reading, **settings):
        return self._page(reading.choice.cost, reading.choice.score).render(reading, **settings)

    def _take(self, change):
        trait = next(name for name, control in self._controls.items() if control is change["owner"])
        self.report_failure(lambda: setattr(self, trait, change["new"]))

    def _show(self, _change):
        self.report_failure(self._show_choice)

    def _show_choice(self):
        for name, control in self._controls.items():
            control.value = getattr(self, name)
        with self._lock:
            choice = TrainedShareChoice(self.strategy, self.cost, self.score)
            if choice == self._shown and self.error is None:
                return
            reading = read_trained_share(self.shares, choice)
            self._view.value = self._render(reading)
            self.status.text = reading.sentence
            self._shown, self.error = choice, None

    def snapshot(self, strategy=None, cost=None, score=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for a strategy, cost or score that isn't there.
        """
        from IPython.display import Image

        choice = TrainedShareChoice(strategy or self.strategy, cost or self.cost, score or self.score)
        with self._lock:
            return Image(self._render(read_trained_share(self.shares, choice), compact=True))

    def __repr__(self):
        n_scores = len(self.shares.scores)
        return (
            f"TrainedShareExplorer({len(self.shares.strategies)} strategies × {len(COSTS)} costs × {n_scores} scores)"
        )
