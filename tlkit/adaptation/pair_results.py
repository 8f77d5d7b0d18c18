"""What a comparison over pairs of domains says: the `PairComparison`, with its intervals and regrets. Without torch."""

import dataclasses
import functools

import numpy as np

from tlkit.adaptation.validators import regret
from tlkit.evaluation.gains import give_verdict
from tlkit.evaluation.intervals import percentile_interval

BASELINE, ORACLE = "source_only", "oracle"
VALIDATORS = (
    *("source_accuracy", "importance_weighted", "deep_embedded", "entropy", "information_maximisation", "bnm"),
    *("neighbourhood_density", "norm", "mixed", "circular"),
)
_PAIR = ["source", "target"]


@dataclasses.dataclass(frozen=True, eq=False)
class PairComparison:
    """Methods of adaptation over pairs of domains; `compare_pairs` makes one.

    Arguments
    ---------
    runs: DataFrame
        A row a run: source, target, seed, method, n_source, n_adapt, n_test, balanced_accuracy, accuracy, alarm (a
        sentence or None), a column for each of `VALIDATORS` (of the oracle none), duration_s. The methods "source_only"
        and "oracle", a head that learned the labels of the half to adapt to, are always among them.
    predictions: DataFrame
        A row a picture of a test half and run: source, target, seed, method, picture, group, label, predicted.
    description: dict
        Backbone, methods with their settings, and seeds.
    """

    runs: object
    predictions: object
    description: dict

    @functools.cached_property
    def table(self):
        """DataFrame, a row a method, over all pairs and seeds, each pair counting the same.

        method, balanced_accuracy with _low and _high; gain over "source_only", paired, with _low and _high; recovered,
        the share of the gap between "source_only" and "oracle", with _low and _high; seed_spread, the standard
        deviation over seeds of the mean over pairs; n_pairs_worse, of how many pairs the method scores below
        "source_only"; n_alarms; verdict on the gain, as in `tlkit.evaluation`.

        Intervals are percentiles, at 95 %, of a bootstrap that draws groups of pictures across all pairs at once, since
        pairs share domains and domains concepts, and seeds.
        """
        return summarise_pairs(self.runs, self.predictions)

    @property
    def pairs(self):
        """DataFrame of the balanced accuracy, mean over seeds: a row a pair of domains, a column a method."""
        methods = self.runs["method"].drop_duplicates().tolist()
        named = self.runs.assign(pair=self.runs["source"] + " → " + self.runs["target"])
        order = named["pair"].drop_duplicates().tolist()
        table = named.pivot_table(index="pair", columns="method", values="balanced_accuracy", sort=False)
        return table.loc[order, methods]

    @property
    def regrets(self):
        """DataFrame, a row a validator: how much balanced accuracy it costs to choose a method by it.

        validator; regret, the mean over pairs and seeds of the best method's balanced accuracy less that of the one
        with the highest score; regret_worst, of any pair and seed; chosen, the balanced accuracy that is left; best,
        that of the best method of each pair and seed, which needs the target's labels. The oracle is no method.
        """
        import pandas as pd

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
        return f"{self.table.round(3).to_html(index=False)}{self.pairs.round(3).to_html()}"

    def __repr__(self):
        n_pairs = len(self.runs[_PAIR].drop_duplicates())
        lines = [f"PairComparison({n_pairs} pairs, {self.runs['seed'].nunique()} seeds)"]
        for row in self.table.itertuples():
            lines.append(
                f"{row.method:20} {row.balanced_accuracy:.3f} ({row.balanced_accuracy_low:.3f} to "
                f"{row.balanced_accuracy_high:.3f})"
            )
        return "\n".join(lines)


def summarise_pairs(runs, predictions, *, n_draws=500, seed=0):
    """Return the `table` of a `PairComparison`.

    Arguments
    ---------
    runs, predictions: DataFrame
        As in `PairComparison`.
    n_draws: int
        Of the bootstrap.
    seed: int
        Of the draws.
    """
    import pandas as pd

    methods = runs["method"].drop_duplicates().tolist()
    means, drawn, spread = _resample(runs, predictions, methods, n_draws, seed)
    base, oracle = methods.index(BASELINE), methods.index(ORACLE)
    by_pair = runs.pivot_table(index=_PAIR, columns="method", values="balanced_accuracy")
    rows = []
    for place, method in enumerate(methods):
        gains = drawn[:, place] - drawn[:, base]
        with np.errstate(divide="ignore", invalid="ignore"):
            recovered = gains / (drawn[:, oracle] - drawn[:, base])
        gain, gap = means[place] - means[base], means[oracle] - means[base]
        row = {"method": method}
        row |= _put("balanced_accuracy", means[place], drawn[:, place])
        row |= _put("gain", gain, gains)
        row |= _put("recovered", gain / gap if gap else np.nan, recovered)
        row["seed_spread"] = spread[place]
        row["n_pairs_worse"] = int((by_pair[method] < by_pair[BASELINE]).sum())
        row["n_alarms"] = int(runs.loc[runs["method"] == method, "alarm"].notna().sum())
        row["verdict"] = None if method == BASELINE else give_verdict(row["gain_low"], row["gain_high"])
        rows.append(row)
    return pd.DataFrame(rows)


def _put(name, value, drawn):
    low, high = percentile_interval(drawn)
    return {name: float(value), f"{name}_low": low, f"{name}_high": high}


def _resample(runs, predictions, methods, n_draws, seed):
    """Return the mean of each method over pairs and seeds, (k,), in each draw, (n_draws, k), and its spread by seed."""
    import pandas as pd

    random = np.random.default_rng(seed)
    seeds = np.sort(runs["seed"].unique())
    group_numbers, groups = pd.factorize(predictions["group"], sort=True)
    labels = pd.factorize(predictions["label"], sort=True)[0]
    right = (predictions["label"] == predictions["predicted"]).to_numpy(float)
    # How often each group and each seed is drawn; the first of each is what there is.
    group_weights = random.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), n_draws)
    group_weights = np.concatenate([np.ones((1, len(groups))), group_weights])  # (1 + n_draws, n_groups)
    seed_weights = random.multinomial(len(seeds), np.full(len(seeds), 1 / len(seeds)), n_draws)
    seed_weights = np.concatenate([np.ones((1, len(seeds))), seed_weights])
    places = predictions.groupby([*_PAIR, "seed", "method"], sort=False).indices
    pairs = list(dict.fromkeys((source, target) for source, target, _, _ in places))
    scores = np.zeros((len(pairs), len(seeds), len(methods), 1 + n_draws))
    for (source, target, run_seed, method), rows in places.items():
        weights = group_weights[:, group_numbers[rows]]
        scores[pairs.index((source, target)), np.searchsorted(seeds, run_seed), methods.index(method)] = _balance(
            weights, labels[rows], right[rows]
        )
    by_seed = _average(scores, axis=0)  # (n_seeds, k, 1 + n_draws)
    drawn = np.einsum("ds,skd->dk", seed_weights, by_seed) / len(seeds)
    spread = by_seed[:, :, 0].std(axis=0, ddof=1) if len(seeds) > 1 else np.full(len(methods), np.nan)
    return drawn[0], drawn[1:], spread


def _balance(weights, labels, right):
    """Return the balanced accuracy of pictures (n,) in each draw of weights (n_draws, n), over the classes drawn."""
    membership = (labels[:, None] == np.unique(labels)).astype(float)
    drawn = weights @ membership
    with np.errstate(invalid="ignore"):
        shares = weights @ (membership * right[:, None]) / drawn
    return _average(shares, axis=1)


def _average(values, axis):
    """Return the mean of what isn't NaN: a draw may leave out a class, or in small sets all groups of a test half."""
    there = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(there, values, 0.0).sum(axis=axis) / there.sum(axis=axis)
