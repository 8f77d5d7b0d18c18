"""Whether scores order candidates as measured accuracy does: rank correlations with intervals. Without torch."""

import warnings

import numpy as np

from tlkit.arguments import check_known
from tlkit.evaluation.intervals import percentile_interval
from tlkit.selection.score_warnings import SelectionWarning

RIVALS = ("published_accuracy", "n_parameters", "n_flops")
_NO_SCORES = (
    *("name", "network", "stage", "image_size_px", "constructed", "n_features", "parameters_mib", "duration_s"),
    *RIVALS,
)
_COLUMNS = (
    *("score", "kind", "tau", "tau_low", "tau_high", "p_value"),
    *("weighted_tau", "weighted_tau_low", "weighted_tau_high", "n_candidates"),
)
_WIDE_BELOW = 10


def compare_with_accuracy(table, accuracies, *, scores=None, rivals=RIVALS, n_draws=500, seed=0):
    """Correlate the order that each score gives candidates with that of their measured accuracy.

    Kendall's tau (tau-b, Kendall 1945) counts pairs of candidates in the same order less those in opposite order; the
    weighted one (Vigna 2015, A weighted correlation index for rankings with ties) counts pairs among the best for more.
    Intervals are percentiles of a bootstrap over candidates (Efron 1979). Candidates cut from one network are not
    independent, so that the intervals are rather too narrow.

    Arguments
    ---------
    table: DataFrame
        As `rank` returns it.
    accuracies: str, or dict or Series of name to float
        The column of measured accuracies, or these themselves by the name of the candidate.
    scores: sequence of str, optional
        Columns; by default all that `rank` computed.
    rivals: sequence of str
        Columns that cost nothing to know; those that are not there are passed over.
    n_draws: int
    seed: int
        Of the draws.

    Returns a DataFrame, a row a score and rival: score; kind ("score" or "costs nothing"); tau, tau_low, tau_high and
    p_value (two-sided, exact without ties); weighted_tau, weighted_tau_low, weighted_tau_high; n_candidates, those with
    both values. NaN where these are fewer than three, or a column is the same for all.

    Raises ValueError for fewer than three candidates and for columns or names that aren't there. Warns
    (`SelectionWarning`) of fewer than ten.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"name": list("abcdefghij"), "logme": range(10), "accuracy": range(10)})
    >>> compare_with_accuracy(table, "accuracy", n_draws=20).tau.round(6).tolist()
    [1.0]
    """
    import pandas as pd

    accuracy, scores, rivals = _read_columns(table, accuracies, scores, rivals)
    n_measured = int(np.isfinite(accuracy).sum())
    if n_measured < 3:
        raise ValueError(
            f"accuracies: of {n_measured} candidates, expected three or more: of two, any score has the order right "
            f"every other time; {_WIDE_BELOW} begin to tell something"
        )
    if n_measured < _WIDE_BELOW:
        warnings.warn(
            f"{n_measured} candidates: with fewer than {_WIDE_BELOW} the intervals are wide, and still too narrow",
            SelectionWarning,
            stacklevel=2,
        )
    rows = []
    for column in (*scores, *rivals):
        values = table[column].to_numpy(float, na_value=np.nan)
        both = np.isfinite(values) & np.isfinite(accuracy)
        kind = "costs nothing" if column in rivals else "score"
        rows.append({"score": column, "kind": kind} | _correlate(values[both], accuracy[both], n_draws, seed))
    return pd.DataFrame(rows, columns=_COLUMNS)


def _read_columns(table, accuracies, scores, rivals):
    measured = accuracies if isinstance(accuracies, str) else None
    if measured is not None:
        check_known("accuracies", measured, list(table))
        accuracy = table[measured].to_numpy(float, na_value=np.nan)
    else:
        check_known("accuracies", list(accuracies.keys()), list(table["name"]))
        accuracy = table["name"].map(accuracies).to_numpy(float, na_value=np.nan)
    rivals = [column for column in rivals if column in table and column != measured]
    if scores is None:
        numeric = table.select_dtypes("number").columns
        scores = [column for column in numeric if column not in (*_NO_SCORES, measured)]
    return accuracy, check_known("scores", scores, list(table)), rivals


def _correlate(values, accuracy, n_draws, seed):
    from scipy.stats import kendalltau, weightedtau

    n_candidates = len(values)
    if n_candidates < 3 or np.ptp(values) == 0 or np.ptp(accuracy) == 0:
        return {"tau": np.nan, "n_candidates": n_candidates}  # the other columns become NaN in the table
    draws = np.random.default_rng(seed).integers(0, n_candidates, (n_draws, n_candidates))
    # A draw of one candidate over and over has no order.
    drawn = [(values[rows], accuracy[rows]) for rows in draws]
    drawn = [pair for pair in drawn if all(np.ptp(side) > 0 for side in pair)]
    whole = kendalltau(values, accuracy)
    row = {"tau": float(whole.statistic)}
    row |= _interval("tau", [kendalltau(*pair, method="asymptotic").statistic for pair in drawn])
    row["p_value"] = float(whole.pvalue)
    row["weighted_tau"] = float(weightedtau(values, accuracy).statistic)
    row |= _interval("weighted_tau", [weightedtau(*pair).statistic for pair in drawn])
    return row | {"n_candidates": n_candidates}


def _interval(name, statistics):
    low, high = percentile_interval(statistics)
    return {f"{name}_low": low, f"{name}_high": high}
