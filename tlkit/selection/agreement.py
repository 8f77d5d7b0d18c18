"""Agreement of scores with measured accuracy: rank correlations with intervals. Without torch."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tlkit.arguments import check_known
from tlkit.evaluation.intervals import name_interval
from tlkit.notices import warn
from tlkit.selection.score_warnings import SelectionWarning

BASELINES = ("published_accuracy", "n_parameters", "n_flops")
_NO_SCORES = (
    *("name", "network", "stage", "image_size_px", "constructed", "n_features", "parameters_mib", "duration_s"),
    *BASELINES,
)
_COLUMNS = (
    *("score", "kind", "tau", "tau_low", "tau_high", "p_value"),
    *("weighted_tau", "weighted_tau_low", "weighted_tau_high", "n_candidates"),
)
_WIDE_BELOW = 10


def compare_with_accuracy(
    table: pd.DataFrame,
    accuracies: str | Mapping[str, float] | pd.Series,
    *,
    scores: Sequence[str] | None = None,
    baselines: Sequence[str] = BASELINES,
    n_draws: int = 500,
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate the ranking by each score with the ranking by measured accuracy.

    Parameters
    ----------
    table, accuracies : pandas.DataFrame, and str, or dict or pandas.Series of str to float
        A result of `rank`, and its column of measured accuracies, or accuracies by candidate name.
    scores : sequence of str, optional
        Columns to test; by default all scores in the table.
    baselines : sequence of str
        Columns that are free to know, as the number of parameters. Missing ones are skipped.
    n_draws, seed : int
        Number of bootstrap samples, by default 500, and their seed.

    Returns
    -------
    pandas.DataFrame
        One row per score and baseline:

        - score (str), kind (str): the column, and "score" or, for baselines, "costs nothing".
        - tau, tau_low, tau_high (float): Kendall's tau-b with its 95 % interval.
        - p_value (float): two-sided, exact without ties.
        - weighted_tau, weighted_tau_low, weighted_tau_high (float): tau in which the best candidates count more.
        - n_candidates (int): candidates with both values. With fewer than three, or a constant column, the rest is NaN.

    Raises
    ------
    ValueError
        If there are fewer than three candidates, or a column or name is unknown.

    Warns
    -----
    SelectionWarning
        If there are fewer than ten candidates.

    Notes
    -----
    Intervals are percentiles of a bootstrap over candidates. Candidates cut from one network aren't independent, so the
    intervals are somewhat too narrow.

    References
    ----------
    Kendall, 1945. The treatment of ties in ranking problems. Vigna, 2015. A weighted correlation index for rankings
    with ties. Efron, 1979. Bootstrap methods: another look at the jackknife.

    Examples
    --------
    >>> table = pd.DataFrame({"name": list("abcdefghij"), "logme": range(10), "accuracy": range(10)})
    >>> compare_with_accuracy(table, "accuracy", n_draws=20).tau.round(6).tolist()
    [1.0]
    """
    accuracy, scores, baselines = _read_columns(table, accuracies, scores, baselines)
    n_measured = int(np.isfinite(accuracy).sum())
    if n_measured < 3:
        raise ValueError(f"accuracies: of {n_measured} candidates, expected three or more, better {_WIDE_BELOW}")
    if n_measured < _WIDE_BELOW:
        warn(
            f"{n_measured} candidates: with fewer than {_WIDE_BELOW} the intervals are wide, and still too narrow",
            SelectionWarning,
        )
    rows = []
    for column in (*scores, *baselines):
        values = table[column].to_numpy(float, na_value=np.nan)
        both = np.isfinite(values) & np.isfinite(accuracy)
        kind = "costs nothing" if column in baselines else "score"
        rows.append({"score": column, "kind": kind} | _correlate(values[both], accuracy[both], n_draws, seed))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _read_columns(table, accuracies, scores, baselines):
    """Return (n,) accuracies and the names of the columns of scores and baselines."""
    measured = accuracies if isinstance(accuracies, str) else None
    if measured is not None:
        check_known("accuracies", measured, list(table))
        accuracy = table[measured].to_numpy(float, na_value=np.nan)
    else:
        check_known("accuracies", list(accuracies.keys()), list(table["name"]))
        accuracy = table["name"].map(accuracies).to_numpy(float, na_value=np.nan)
    baselines = [column for column in baselines if column in table and column != measured]
    if scores is None:
        numeric = table.select_dtypes("number").columns
        scores = [column for column in numeric if column not in (*_NO_SCORES, measured)]
    return accuracy, check_known("scores", scores, list(table)), baselines


def _correlate(values, accuracy, n_draws, seed):
    """Return the correlations of (n,) values and accuracies as columns of the table."""
    from scipy.stats import kendalltau, weightedtau

    n_candidates = len(values)
    if n_candidates < 3 or np.ptp(values) == 0 or np.ptp(accuracy) == 0:
        return {"tau": np.nan, "n_candidates": n_candidates}  # the other columns become NaN in the table
    draws = np.random.default_rng(seed).integers(0, n_candidates, (n_draws, n_candidates))
    # A sample of one candidate over and over has no order.
    drawn = [(values[rows], accuracy[rows]) for rows in draws]
    drawn = [pair for pair in drawn if all(np.ptp(side) > 0 for side in pair)]
    tau = kendalltau(values, accuracy)
    row = {"tau": float(tau.statistic), "p_value": float(tau.pvalue), "n_candidates": n_candidates}
    row["weighted_tau"] = float(weightedtau(values, accuracy).statistic)
    row |= name_interval("tau", [kendalltau(*pair, method="asymptotic").statistic for pair in drawn])
    return row | name_interval("weighted_tau", [weightedtau(*pair).statistic for pair in drawn])
