"""Costs of strategies that train few parameters, relative to full fine-tuning, in words. Without torch."""

import collections
import dataclasses

from tlkit.arguments import check_known
from tlkit.names import format_strategy

COSTS = ("trained_share", "memory_mib", "stored_mib")
# A strategy, a cost (one of `COSTS`, horizontal axis), and a score (a column of accuracies, vertical axis).
_FIELDS = "strategy cost score"
TrainedShareChoice = collections.namedtuple("TrainedShareChoice", _FIELDS, defaults=("trained_share", "accuracy"))
TrainedShareSummary = collections.namedtuple("TrainedShareSummary", "choice sentence")


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedShares:
    """Costs and accuracies of strategies, one row each."""

    # Columns: strategy, trained_share (fraction of all parameters), memory_mib (of a training step), stored_mib, and
    # the scores, each with its interval in two more columns, _low and _high (NaN without an interval).
    table: object
    scores: tuple = ("accuracy",)  # of str: columns of accuracies

    def __post_init__(self):
        scores = (self.scores,) if isinstance(self.scores, str) else tuple(self.scores)
        object.__setattr__(self, "scores", scores)
        if not scores:
            raise ValueError("scores: none, expected at least one column of accuracies")
        check_known("table", ["strategy", *COSTS], list(self.table))
        check_known("scores", [f"{score}{end}" for score in scores for end in ("", "_low", "_high")], list(self.table))
        if not len(self.table):
            raise ValueError("table: no row, expected one for each strategy")
        if self.table["strategy"].duplicated().any():
            twice = self.table["strategy"][self.table["strategy"].duplicated()].iloc[0]
            raise ValueError(f"table: {twice} occurs twice, expected one row per strategy")

    @property
    def strategies(self):
        """Names of the strategies, in the order of the table."""
        return self.table["strategy"].tolist()


def summarise_trained_share(shares, choice):
    """Return the `TrainedShareSummary` of a choice of `TrainedShares`."""
    rows = shares.table.set_index("strategy")
    row, reference = rows.loc[choice.strategy], rows["trained_share"].idxmax()  # that trains most parameters
    low, high = row[f"{choice.score}_low"], row[f"{choice.score}_high"]
    interval = "" if low != low else f" ({low:.2f} to {high:.2f})"
    memory = f"A step holds {row['memory_mib']:.0f} MiB"
    stored = f"{row['stored_mib']:.2f} MiB are stored"
    if choice.strategy != reference:
        relative = row / rows.loc[reference]
        memory += f" ({relative['memory_mib']:.0%} of {format_strategy(reference)})"
        stored += f" ({relative['stored_mib']:.1%})"
    sentence = (
        f"{format_strategy(choice.strategy)} trains {row['trained_share']:.1%} of the parameters. {memory}; {stored}. "
        f"{choice.score.replace('_', ' ')}: {row[choice.score]:.2f}{interval}."
    )
    return TrainedShareSummary(choice, sentence)
