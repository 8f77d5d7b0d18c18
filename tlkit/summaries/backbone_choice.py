"""Choosing under a budget: which candidates fit it, which of them a prediction named, in words. Without torch."""

import dataclasses
import math

import numpy as np

from tlkit.arguments import check_known

LIMITED = ("n_flops", "n_parameters", "image_size_px")


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a network may cost at most.

    Arguments
    ---------
    n_flops: float
        Operations a picture, a multiplication with its addition counted as 2.
    n_parameters: float
        Each takes 4 bytes of memory.
    image_size_px: float
        Height and width of the pictures.
    offline: bool
        Only those whose weights are on this machine.
    """

    n_flops: float = math.inf
    n_parameters: float = math.inf
    image_size_px: float = math.inf
    offline: bool = False

    def __post_init__(self):
        for column in LIMITED:
            if not getattr(self, column) > 0:
                raise ValueError(f"{column}: {getattr(self, column)!r}, expected more than 0, or math.inf for no limit")


def find_fitting(table, budget):
    """Return which rows of a table of candidates a budget leaves, (n,) bool.

    Arguments
    ---------
    table: DataFrame
        With the columns that the budget limits: n_flops, n_parameters, image_size_px, offline. A cost that is missing
        fits no limit, and any budget without one.
    budget: Budget

    Raises ValueError for a column that is limited and isn't there.

    >>> import pandas as pd
    >>> find_fitting(pd.DataFrame({"n_flops": [0.8e9, 31e9]}), Budget(n_flops=1e9))
    array([ True, False])
    """
    fits = np.ones(len(table), bool)
    for column in LIMITED:
        limit = getattr(budget, column)
        if limit < math.inf:
            check_known("table", column, list(table))
            fits &= (table[column] <= limit).fillna(False).to_numpy(bool)
    if budget.offline:
        check_known("table", "offline", list(table))
        fits &= table["offline"].to_numpy(bool)
    return fits


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """What a budget leaves, and how a prediction about it came out; `choose` makes one.

    Arguments
    ---------
    fits: (n,) bool
        Of each candidate.
    best: int or None
        Position of the candidate with the highest score among those that fit; None where there is none.
    sentence: str
        How many fit, and under which limits.
    outcome: str
        The best, and how the predicted one compares.
    """

    fits: np.ndarray
    best: int | None
    sentence: str
    outcome: str


def choose(table, budget, *, score, predicted=None, names="name"):
    """Choose the best candidate within a budget.

    Arguments
    ---------
    table: DataFrame
        A row a candidate: its name, costs and scores.
    budget: Budget
    score: str
        The column to choose by; more is better.
    predicted: str, optional
        Name of the candidate that was predicted to be the best.
    names: str
        The column with the names.

    Returns a `Selection`. Raises ValueError for a column or a name that isn't there.

    >>> import pandas as pd
    >>> nets = pd.DataFrame({"name": ["a", "b"], "n_flops": [0.8e9, 31e9], "accuracy": [0.6, 0.7]})
    >>> choose(nets, Budget(n_flops=1e9), score="accuracy").outcome
    'Best of them by accuracy: a (0.600).'
    """
    check_known("score", score, list(table))
    fits = find_fitting(table, budget)
    sentence = f"{fits.sum()} of {len(table)} candidates fit ({_format_budget(budget)})."
    scores = np.where(fits, table[score].to_numpy(float, na_value=np.nan), np.nan)
    if np.isnan(scores).all():
        return Selection(fits, None, sentence, f"None that fits has a value of {_format_score(score)}: allow more.")
    best, known = int(np.nanargmax(scores)), list(table[names])
    outcome = f"Best of them by {_format_score(score)}: {known[best]} ({scores[best]:.3f})."
    if predicted is not None:
        check_known("predicted", predicted, known)
        outcome += f" You predicted {predicted}{_compare(scores, known.index(predicted))}"
    return Selection(fits, best, sentence, outcome)


def _compare(scores, predicted):
    if np.isnan(scores[predicted]):
        return ", which doesn't fit this budget."
    rank, n_known = int((scores > scores[predicted]).sum()) + 1, int(np.isfinite(scores).sum())
    if rank == 1:
        return f": the best of {n_known}."
    return f": number {rank} of {n_known}, {np.nanmax(scores) - scores[predicted]:.3f} behind."


def format_limit(column, value):
    """Return a cost in words, with its unit.

    >>> format_limit("n_flops", 0.77e9)
    '0.77 GFLOP a picture'
    """
    words = {
        "n_flops": f"{value / 1e9:.2f} GFLOP a picture",
        "n_parameters": f"{value / 1e6:.1f} million parameters",
        "image_size_px": f"{value:.0f} px",
    }
    return words[column]


def _format_score(score):
    return score.replace("_", " ")


def _format_budget(budget):
    limits = [
        f"at most {format_limit(column, getattr(budget, column))}"
        for column in LIMITED
        if getattr(budget, column) < math.inf
    ]
    if budget.offline:
        limits.append("weights on this machine")
    return ", ".join(limits) or "no limits"
