"""Brier scores of the predictions that a reader kept in `progress.json`. Without torch."""

import dataclasses
import math

import pandas as pd

from tlkit.languages import translate
from tlkit.lessons.progress import find_file, read_file

_COLUMNS = ["lesson", "prediction", "chips", "brier", "uniform", "late"]


@dataclasses.dataclass(frozen=True, eq=False)
class PredictionScores:
    """Scores of predictions, as `score_predictions` describes them; displays as a sentence above the table."""

    table: pd.DataFrame
    mean_brier: float
    mean_uniform: float
    sentence: str

    def __repr__(self):
        table = [self.table.round(2).to_string(index=False)] * bool(len(self.table))
        return "\n".join([translate(self.sentence), *table])

    def _repr_html_(self):
        """Return the sentence above the table."""
        return f"<p>{translate(self.sentence)}</p>{self.table.round(2).to_html(index=False)}"


def score_predictions() -> PredictionScores:
    """Score the predictions that `progress.json`, beside the open lesson, keeps of all lessons.

    Returns
    -------
    PredictionScores
        Displays as a sentence and a table. `mean_brier` and `mean_uniform` are means over the predictions that count,
        NaN without any. `table` has one row per prediction that was compared with its result, with these columns:

        - lesson, prediction (str): where it is, and its name.
        - chips (int): of its ten chips, those on the measured option.
        - brier, uniform (float): its Brier score, and that of chips that are spread evenly over the options.
        - late (bool): whether the result had been shown before; such a prediction doesn't count.

    Raises
    ------
    ValueError
        If the file isn't one of progress.

    Notes
    -----
    The Brier score of a prediction is the sum over its options of (share of the chips - outcome)², with outcome 1 for
    the measured option and 0 for the others: 0 at best, 2 at worst, and 1 - 1 / n_options for an even guess.

    References
    ----------
    Brier 1950, Verification of forecasts expressed in terms of probability.

    Examples
    --------
    >>> score_predictions().mean_brier
    nan
    """
    rows = []
    for lesson, kinds in sorted(read_file(find_file()[0]).get("lessons", {}).items()):
        for name, entry in kinds.get("predictions", {}).items():
            chips, option = entry.get("chips"), entry.get("option", entry.get("measured"))
            if not chips or option is None:
                continue
            shares = [count / sum(chips.values()) for count in chips.values()]
            on_it = chips.get(option, 0)
            brier = sum(share**2 for share in shares) - 2 * on_it / sum(chips.values()) + 1
            uniform = 1 - 1 / entry.get("n_options", math.nan)
            rows.append((lesson, name, on_it, brier, uniform, bool(entry.get("late"))))
    table = pd.DataFrame(rows, columns=_COLUMNS).astype({"late": bool})
    counted = table[~table["late"]]
    brier, uniform = (float(mean) for mean in counted[["brier", "uniform"]].mean())
    sentence = "No prediction counts yet. Keep one in a lesson before you see its result, then run this cell again."
    if len(counted):
        n_late = len(table) - len(counted)
        late = f" {n_late} of {len(table)} came after the result and don't count." if n_late else ""
        sentence = (
            f"Your mean Brier score over {len(counted)} predictions is {brier:.2f} (0 is best, 2 is worst). Even "
            f"guesses would have {uniform:.2f}.{late}"
        )
    return PredictionScores(table, brier, uniform, sentence)
