"""Choosing a network under a budget: which candidates fit, and how a prediction compares. Without torch."""

import dataclasses
import math

import numpy as np

from tlkit.arguments import check_known

LIMITED = ("n_flops", "n_parameters", "image_size_px")


@dataclasses.dataclass(frozen=True)
class Budget:
    """Upper limits of the costs of a network; `math.inf` for no limit."""

    n_flops: float = math.inf  # operations per picture; a multiplication with its addition counts as 2
    n_parameters: float = math.inf
    image_size_px: float = math.inf
    offline: bool = False  # only networks whose weights are on this machine

    def __post_init__(self):
        for column in LIMITED:
            if not getattr(self, column) > 0:
                raise ValueError(f"{column}: {getattr(self, column)!r}, expected more than 0, or math.inf for no limit")


def list_excesses(table, budget):
    """Return the cost by which each row of a table of candidates exceeds a budget (list of str); "" if it fits."""
    excesses = np.full(len(table), "", object)
    if budget.offline:
        check_known("table", "offline", list(table))
        excesses[~table["offline"].to_numpy(bool)] = "weights not on this machine"
    for column in LIMITED:
        limit = getattr(budget, column)
        if limit < math.inf:
            check_known("table", column, list(table))
            values = table[column].to_numpy(float, na_value=np.nan)
            for row in np.flatnonzero(~(values <= limit)):
                excesses[row] = "unknown cost" if np.isnan(values[row]) else format_limit(column, values[row])
    return excesses.tolist()


def find_fitting(table, budget):
    """Return which rows of a table of candidates fit a budget, (n,) bool; a missing cost fits no limit."""
    return np.array([not excess for excess in list_excesses(table, budget)], bool)


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """Candidates that fit a budget, the best of them, and how a prediction compares; `choose` makes one."""

    fits: np.ndarray  # (n,) bool
    best: int | None  # index of the fitting candidate with the highest score
    sentence: str  # how many fit, and the limits
    outcome: str  # the best candidate, and the predicted one


def choose(table, budget, *, score, predicted=None, names="name"):
    """Return the `Selection` of the candidate with the highest score (a column) within a budget."""
    check_known("score", score, list(table))
    fits, title = find_fitting(table, budget), score.replace("_", " ")
    limits = [
        f"at most {format_limit(column, getattr(budget, column))}"
        for column in LIMITED
        if getattr(budget, column) < math.inf
    ]
    if budget.offline:
        limits.append("weights on this machine")
    sentence = f"{fits.sum()} of {len(table)} candidates fit ({(', '.join(limits) or 'no limits')})."
    scores = np.where(fits, table[score].to_numpy(float, na_value=np.nan), np.nan)
    if np.isnan(scores).all():
        outcome = f"No candidate that fits has a value of {title}: allow more."
        return Selection(fits, None, sentence, outcome)
    best, known = int(np.nanargmax(scores)), list(table[names])
    outcome = f"Best of them by {title}: {known[best]} ({scores[best]:.3f})."
    if predicted is not None:
        check_known("predicted", predicted, known)
        outcome += f" You predicted {predicted}{_compare(scores, known.index(predicted))}"
    return Selection(fits, best, sentence, outcome)


def _compare(scores, predicted):
    """Return the end of a sentence on the predicted candidate (an index) from scores (n,), NaN if one does not fit."""
    if np.isnan(scores[predicted]):
        return ", which doesn't fit this budget."
    rank, n_known = int((scores > scores[predicted]).sum()) + 1, int(np.isfinite(scores).sum())
    if rank == 1:
        return f": the best of {n_known}."
    return f": number {rank} of {n_known}, {np.nanmax(scores) - scores[predicted]:.3f} behind."


def format_limit(column, value):
    """Return a cost in words, with its unit."""
    words = {
        "n_flops": f"{value / 1e9:.2f} GFLOP per picture",
        "n_parameters": f"{value / 1e6:.1f} million parameters",
        "image_size_px": f"{value:.0f} px",
    }
    return words[column]
