"""Transfer gains with their intervals, and what may be said of them: the verdicts. Without torch."""

import math

from tlkit.arguments import check_columns
from tlkit.evaluation.intervals import LEVEL
from tlkit.evaluation.paired_gains import pair_arms
from tlkit.evaluation.sample_size import n_pictures_to_tell, n_seeds_to_tell

MARGIN = 0.02
VERDICTS = ("helps", "harms", "no difference that matters", "can't tell")
CANNOT_TELL = VERDICTS[-1]
_RUN_COLUMNS = {"strategy", "shots", "seed", "fold", "accuracy"}
_GAIN_COLUMNS = [
    *("strategy", "shots", "baseline", "gain", "gain_low", "gain_high", "n_seeds", "verdict"),
    *("n_seeds_to_tell", "n_pictures_to_tell"),
]


def give_verdict(low, high, margin=MARGIN):
    """Return what an interval of a transfer gain allows to say.

    Arguments
    ---------
    low, high: float
        NaN where there is no interval.
    margin: float
        A gain within ± `margin` makes no difference that matters.

    >>> give_verdict(0.05, 0.11), give_verdict(-0.01, 0.015), give_verdict(-0.04, 0.09)
    ('helps', 'no difference that matters', "can't tell")
    """
    if low > 0:
        return "helps"
    if high < 0:
        return "harms"
    if -margin <= low and high <= margin:
        return "no difference that matters"
    return CANNOT_TELL


def transfer_gain(runs, predictions=None, baseline="from_scratch", *, simultaneous=True):
    """Compare each arm with a baseline, paired by seed: the accuracy of one minus that of the other.

    What is gained depends on the baseline, and gains over different ones are never to be mixed: a pretrained network
    gains over random weights ("from_scratch"), a source over the target's pictures alone ("target_only"; Wang et al.
    2019, Characterizing and avoiding negative transfer), adaptation over the source alone ("source_only").

    Where each seed is tested on a fold of its own, the interval is Student's t over seeds. Where seeds share test
    pictures, these are hard for all of them, and the interval takes seeds and groups of pictures into account (see
    `tlkit.evaluation.intervals.two_way_interval`). This needs `predictions`; without them seeds of one fold are
    averaged, and the interval is Student's t over folds, which are few.

    Arguments
    ---------
    runs: DataFrame
        strategy, shots, seed, fold, accuracy: a row a run.
    predictions: DataFrame, optional
        strategy, shots, seed, picture, group, label, predicted: a row a picture and run.
    baseline: str
        The strategy that the others are compared with.
    simultaneous: bool
        All intervals of the call hold together in 95 % of studies: who looks at m of them, each would miss its truth in
        5 %. Each is then made to hold in 1 - 5 % / m (Bonferroni's inequality, which needs no independence). With
        False, each holds 95 % by itself, as suits a single one that was named beforehand.

    Returns a DataFrame of strategy, shots, baseline, gain, gain_low, gain_high, n_seeds, verdict (see `VERDICTS`), the
    arms in the order of `runs`, without the baseline; where it can't be told, n_seeds_to_tell and n_pictures_to_tell
    say how many seeds, or test pictures where all seeds share them, would tell, were gain and spread those that were
    seen (see `tlkit.evaluation.sample_size`), and NaN elsewhere.

    Raises ValueError for columns or a baseline that isn't there, or where an interval needs predictions.

    >>> import pandas as pd
    >>> rows = [("from_scratch", 5, s, s, 0.2 + 0.01 * s) for s in range(5)]
    >>> rows += [("linear_probe", 5, s, s, 0.4 + 0.02 * s) for s in range(5)]
    >>> runs = pd.DataFrame(rows, columns=["strategy", "shots", "seed", "fold", "accuracy"])
    >>> transfer_gain(runs)[["strategy", "gain", "gain_low", "verdict"]].round(2).values.tolist()
    [['linear_probe', 0.22, 0.2, 'helps']]
    """
    import pandas as pd

    check_columns("runs", runs, _RUN_COLUMNS)
    if baseline not in set(runs["strategy"]):
        raise ValueError(f"baseline: {baseline!r} is not among the runs, which have {sorted(set(runs['strategy']))}")
    cells = runs[["strategy", "shots"]].drop_duplicates().itertuples(index=False, name=None)
    cells = [(strategy, shots) for strategy, shots in cells if strategy != baseline]
    pairs = [pair_arms(runs, predictions, strategy, baseline, shots) for strategy, shots in cells]
    level = 1 - (1 - LEVEL) / len(pairs) if simultaneous and pairs else LEVEL
    rows = []
    for cell, paired in zip(cells, pairs, strict=True):
        low, high = paired.interval(level)
        verdict = give_verdict(low, high)
        needed = math.nan, math.nan
        if verdict == CANNOT_TELL:
            needed = tuple(count(paired, MARGIN, level=level) for count in (n_seeds_to_tell, n_pictures_to_tell))
        rows.append((*cell, baseline, paired.mean, low, high, len(paired.gains), verdict, *needed))
    return pd.DataFrame(rows, columns=_GAIN_COLUMNS)
