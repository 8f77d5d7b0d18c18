"""`PairComparison`: methods over pairs of domains, with intervals and regrets. Without torch."""

import dataclasses
import functools

import numpy as np
import pandas as pd

from tlkit.adaptation.validators import regret
from tlkit.evaluation.gains import give_verdict
from tlkit.evaluation.intervals import name_interval

BASELINE, ORACLE = "source_only", "oracle"
VALIDATORS = (
    *("source_accuracy", "importance_weighted", "deep_embedded", "entropy", "information_maximisation", "bnm"),
    *("neighbourhood_density", "norm", "mixed", "circular"),
)
_PAIR = ["source", "target"]


@dataclasses.dataclass(frozen=True, eq=False)
class PairComparison:
    """Methods of adaptation over pairs of domains, as `compare_pairs` returns them.

    Parameters
    ----------
    runs : DataFrame
        One row per run:

        - source, target (str), seed (int), method (str): the run; an "oracle" learns the labels of the target.
        - balanced_accuracy (float), accuracy (float): scores on the test half, 0 to 1.
        - n_source (int), n_adapt (int), n_test (int): numbers of pictures.
        - duration_s (float): time in seconds to solve or train.
        - alarm (str): warning if the predictions collapse, else None.
        - source_accuracy, entropy, … (float): one column per validator, higher is better; NaN if it was skipped.
    predictions : DataFrame
        One row per picture of a test half and run, with the columns `picture`, `group`, `label` and `predicted` (str),
        and `source`, `target`, `seed` and `method` as in `runs`.
    description : dict
        Features, methods with their settings, and seeds.

    Examples
    --------
    >>> rows = [("photo", "sketch", 0, "source_only", 0.5, 0.1), ("photo", "sketch", 0, "coral", 0.6, 0.2)]
    >>> runs = pd.DataFrame(rows, columns=["source", "target", "seed", "method", "balanced_accuracy", "entropy"])
    >>> PairComparison(runs, None, {}).pairs.values.tolist()
    [[0.5, 0.6]]
    """

    runs: pd.DataFrame
    predictions: pd.DataFrame
    description: dict

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """Means over seeds and pairs, one row per method.

        - method (str): name of the method.
        - balanced_accuracy, balanced_accuracy_low, balanced_accuracy_high (float): mean and its interval.
        - gain, gain_low, gain_high (float): gain over "source_only", paired.
        - recovered, recovered_low, recovered_high (float): share of the gap from "source_only" to the oracle.
        - seed_spread (float): standard deviation over seeds of the mean over pairs.
        - n_pairs_worse (int): number of pairs with a lower score than "source_only".
        - n_alarms (int): number of runs with an alarm.
        - verdict (str): conclusion from the interval of the gain; None if the method is "source_only".

        Intervals hold with 95 % confidence. They are percentiles of a bootstrap over seeds and groups of pictures. If a
        group is drawn, it is drawn in all pairs, because pairs share domains, and domains share concepts.
        """
        return summarise_pairs(self.runs, self.predictions)

    @property
    def pairs(self) -> pd.DataFrame:
        """Balanced accuracy, mean over seeds: one row per pair of domains, one column per method."""
        methods = self.runs["method"].drop_duplicates().tolist()
        named = self.runs.assign(pair=self.runs["source"] + " → " + self.runs["target"])
        order = named["pair"].drop_duplicates().tolist()
        table = named.pivot_table(index="pair", columns="method", values="balanced_accuracy", sort=False)
        return table.loc[order, methods]

    @property
    def regrets(self) -> pd.DataFrame:
        """Loss of balanced accuracy if a validator chooses the method (never the oracle), the lowest first.

        - validator (str): name of the validator.
        - regret (float): balanced accuracy of the best method minus that of the chosen one, mean over all splits.
        - regret_worst (float): largest regret of a split.
        - chosen (float): mean balanced accuracy of the chosen methods.
        - best (float): mean of the best methods, unknown if the target has no labels.
        """
        methods = self.runs[self.runs["method"] != ORACLE]
        rows = []
        for validator in (name for name in VALIDATORS if name in methods):
            cells = methods.dropna(subset=validator).groupby([*_PAIR, "seed"], sort=False)
            lost = [regret(cell[validator], cell["balanced_accuracy"]) for _, cell in cells]
            if lost:
                best = cells["balanced_accuracy"].max().mean()
                rows.append((validator, np.mean(lost), np.max(lost), best - np.mean(lost), best))
        columns = ["validator", "regret", "regret_worst", "chosen", "best"]
        return pd.DataFrame(rows, columns=columns).sort_values("regret", kind="stable", ignore_index=True)

    def _repr_html_(self):
        """Return the tables of methods and pairs for Jupyter."""
        return f"{self.table.round(3).to_html(index=False)}{self.pairs.round(3).to_html()}"

    def __repr__(self):
        n_pairs = len(self.runs[_PAIR].drop_duplicates())
        lines = [f"PairComparison({n_pairs} pairs, {self.runs['seed'].nunique()} seeds)"]
        for row in self.table.itertuples():
            low, high = row.balanced_accuracy_low, row.balanced_accuracy_high
            lines.append(f"{row.method:20} {row.balanced_accuracy:.3f} ({low:.3f} to {high:.3f})")
        return "\n".join(lines)


def summarise_pairs(runs, predictions, *, n_draws=500, seed=0):
    """Return the `table` of a `PairComparison` from a bootstrap with `n_draws` draws."""
    methods = runs["method"].drop_duplicates().tolist()
    means, drawn, spread = _resample(runs, predictions, methods, n_draws, seed)
    base, oracle = methods.index(BASELINE), methods.index(ORACLE)
    by_pair = runs.pivot_table(index=_PAIR, columns="method", values="balanced_accuracy")
    rows = []
    for column, method in enumerate(methods):
        gains = drawn[:, column] - drawn[:, base]
        with np.errstate(divide="ignore", invalid="ignore"):
            recovered = gains / (drawn[:, oracle] - drawn[:, base])
        gain, gap = means[column] - means[base], means[oracle] - means[base]
        row = {"method": method}
        row |= {"balanced_accuracy": float(means[column])} | name_interval("balanced_accuracy", drawn[:, column])
        row |= {"gain": float(gain)} | name_interval("gain", gains)
        row |= {"recovered": float(gain / gap) if gap else np.nan} | name_interval("recovered", recovered)
        row["seed_spread"] = spread[column]
        row["n_pairs_worse"] = int((by_pair[method] < by_pair[BASELINE]).sum())
        row["n_alarms"] = int(runs.loc[runs["method"] == method, "alarm"].notna().sum())
        row["verdict"] = None if method == BASELINE else give_verdict(row["gain_low"], row["gain_high"])
        rows.append(row)
    return pd.DataFrame(rows)


def _resample(runs, predictions, methods, n_draws, seed):
    """Return means over pairs and seeds (k,), the same per draw (n_draws, k), and their spread over seeds (k,)."""
    random = np.random.default_rng(seed)
    seeds = np.sort(runs["seed"].unique())
    group_indices, groups = pd.factorize(predictions["group"], sort=True)
    labels = pd.factorize(predictions["label"], sort=True)[0]
    is_right = (predictions["label"] == predictions["predicted"]).to_numpy(float)
    # How often each group and each seed is drawn. The first row of each counts everything once: the data as observed.
    group_weights = random.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), n_draws)
    group_weights = np.concatenate([np.ones((1, len(groups))), group_weights])  # (1 + n_draws, n_groups)
    seed_weights = random.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), n_draws)
    seed_weights = np.concatenate([np.ones((1, len(seeds))), seed_weights])
    rows_of = predictions.groupby([*_PAIR, "seed", "method"], sort=False).indices
    pairs = list(dict.fromkeys((source, target) for source, target, _, _ in rows_of))
    scores = np.zeros((len(pairs), len(seeds), len(methods), 1 + n_draws))
    for (source, target, run_seed, method), rows in rows_of.items():
        # The balanced accuracy under each draw's weights, over the classes drawn.
        weights, membership = group_weights[:, group_indices[rows]], labels[rows, None] == np.unique(labels[rows])
        with np.errstate(invalid="ignore"):
            shares = weights @ (membership * is_right[rows, None]) / (weights @ membership.astype(float))
        place = pairs.index((source, target)), np.searchsorted(seeds, run_seed), methods.index(method)
        scores[place] = _average(shares, axis=1)
    by_seed = _average(scores, axis=0)  # (n_seeds, k, 1 + n_draws)
    drawn = np.einsum("ds,skd->dk", seed_weights, by_seed) / len(seeds)
    spread = by_seed[:, :, 0].std(axis=0, ddof=1) if len(seeds) > 1 else np.full(len(methods), np.nan)
    return drawn[0], drawn[1:], spread


def _average(values, axis):
    """Return the mean of finite values: a draw may miss a class, or all groups of a small test half."""
    is_finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(is_finite, values, 0.0).sum(axis=axis) / is_finite.sum(axis=axis)
