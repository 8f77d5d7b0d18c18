"""Strategy × cost × score → savings of strategies that train few parameters: the `TrainedShareExplorer`."""

import functools
from collections.abc import Sequence

import pandas as pd
import traitlets

from tlkit.plots.trained_share import make_share_page
from tlkit.summaries.trained_share import COSTS, TrainedShareChoice, TrainedShares, summarise_trained_share
from tlkit.widgets.explorer import ChoiceExplorer, make_buttons


class TrainedShareExplorer(ChoiceExplorer):
    """Compare the costs of strategies, by one measure or another, with their scores.

    Parameters
    ----------
    table : DataFrame
        One row per strategy, with columns strategy, trained_share, memory_mib, stored_mib and the scores.
    scores : sequence of str
        Columns of accuracies, each with its interval in columns of the same name with _low and _high.
    strategy, cost, score : str, optional
        Choice to show first, by default the first strategy, the trained share and the first score.

    Examples
    --------
    >>> row = {"strategy": "lp_ft", "trained_share": 1.0, "memory_mib": 160.0, "stored_mib": 12.5}
    >>> row |= {"accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.9}
    >>> TrainedShareExplorer(pd.DataFrame([row | {"strategy": "linear_probe", "trained_share": 0.01}, row]))
    TrainedShareExplorer(2 strategies × 3 costs × 1 scores)
    """

    strategy = traitlets.Unicode()
    cost = traitlets.Unicode()
    score = traitlets.Unicode()
    _validate = traitlets.validate("strategy", "cost", "score")(ChoiceExplorer.validate_field)

    def __init__(
        self,
        table: pd.DataFrame,
        *,
        scores: Sequence[str] = ("accuracy",),
        strategy: str | None = None,
        cost: str = COSTS[0],
        score: str | None = None,
    ):
        self.shares = TrainedShares(table, scores)
        options = {"strategy": self.shares.strategies, "cost": COSTS, "score": self.shares.scores}
        super().__init__(
            TrainedShareChoice(strategy or self.shares.strategies[0], cost, score or self.shares.scores[0]),
            {name: make_buttons(values, format_option=_format_option) for name, values in options.items()},
            summarise=functools.partial(summarise_trained_share, self.shares),
            # The axes depend on cost and score, so each pair has a page of its own.
            page=functools.cache(functools.partial(make_share_page, table)),
            clicks={"point": ["strategy"]},
        )

    def _find_page(self, choice):
        """Return the page of a cost and a score."""
        return self._page(choice.cost, choice.score)

    def __repr__(self):
        counts = f"{len(self.shares.strategies)} strategies × {len(COSTS)} costs × {len(self.shares.scores)} scores"
        return f"TrainedShareExplorer({counts})"


def _format_option(name):
    """Return the text of an option's button."""
    return name.replace("_mib", " (MiB)").replace("_", " ")
