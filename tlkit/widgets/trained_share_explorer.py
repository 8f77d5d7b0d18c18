"""Strategy × cost × score → what training little saves: the `TrainedShareExplorer`."""

import functools

import traitlets

from tlkit.plots.trained_share import SIZE_INCHES, TrainedSharePage
from tlkit.summaries.trained_share import COSTS, TrainedShareChoice, TrainedShares, summarise_trained_share
from tlkit.widgets.choice_explorer import ChoiceExplorer, make_buttons


class TrainedShareExplorer(ChoiceExplorer):
    """Look at what strategies cost, by one measure or another, and how well they do.

    Building it displays nothing. Where there are no widgets, a picture of it is shown instead.

    Arguments
    ---------
    table: DataFrame
        A row a strategy, as in `tlkit.summaries.trained_share.TrainedShares`.
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
        self.shares.check(choice)
        self._page = functools.cache(functools.partial(TrainedSharePage, table))
        options = {"strategy": self.shares.strategies, "cost": COSTS, "score": self.shares.scores}
        controls = {
            name: make_buttons(
                [(value.replace("_mib", " (MiB)").replace("_", " "), value) for value in values], getattr(choice, name)
            )
            for name, values in options.items()
        }
        super().__init__(choice, controls, SIZE_INCHES)

    @traitlets.validate("strategy", "cost", "score")
    def _check(self, proposal):
        return self._validate_choice(proposal)

    def _check_choice(self, choice):
        self.shares.check(choice)

    def _read(self, choice):
        return summarise_trained_share(self.shares, choice)

    def _render(self, summary, **settings):
        return self._page(summary.choice.cost, summary.choice.score).render(summary, **settings)

    def snapshot(self, strategy=None, cost=None, score=None):
        """Return what the explorer shows of a choice as a still picture (IPython Image, PNG); by default of this one.

        Raises ValueError for a strategy, cost or score that isn't there.
        """
        choice = TrainedShareChoice(strategy or self.strategy, cost or self.cost, score or self.score)
        return self._draw_still(choice)

    def __repr__(self):
        n_scores = len(self.shares.scores)
        return (
            f"TrainedShareExplorer({len(self.shares.strategies)} strategies × {len(COSTS)} costs × {n_scores} scores)"
        )
