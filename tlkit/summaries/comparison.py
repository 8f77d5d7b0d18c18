"""One arm of a comparison in detail: its score in words, its confusion matrix and its mistakes. Without torch."""

import collections
import dataclasses

import numpy as np

from tlkit.arguments import check_known
from tlkit.evaluation.scores import count_confusion
from tlkit.names import format_strategy

_VERDICT_WORDS = {
    "helps": "It helps",
    "harms": "It harms",
    "no difference that matters": "No difference that matters",
    "can't tell": "These runs can't tell whether it helps",
}
# An arm of a comparison: a strategy, and shots (training pictures per class).
ArmChoice = collections.namedtuple("ArmChoice", "strategy shots")


@dataclasses.dataclass(frozen=True, eq=False)
class ArmSummary:
    """Scores, confusion matrix and mistakes of an arm; `summarise_arm` makes one."""

    choice: ArmChoice
    accuracy: float  # mean over seeds
    sentence: str  # score, interval and verdict in words
    classes: list  # of the whole comparison, so that confusion matrices of its arms have the same rows
    confusion: np.ndarray  # (n_classes, n_classes) int64: true classes by predicted ones, over all seeds
    mistakes: object  # DataFrame, most confident first, each picture once: picture, label, predicted, probability


def summarise_arm(comparison, choice):
    """Return the `ArmSummary` of an arm of a `Comparison`; ValueError, with the nearest name, if it has no such arm."""
    row, predictions = find_arm(comparison, choice), comparison.predictions
    arm = predictions[(predictions["strategy"] == choice.strategy) & (predictions["shots"] == choice.shots)]
    classes = sorted({*predictions["label"], *predictions["predicted"]})
    index_of = {name: index for index, name in enumerate(classes)}
    labels, predicted = (arm[column].map(index_of).to_numpy() for column in ("label", "predicted"))
    wrong = arm[arm["label"] != arm["predicted"]]
    # Ties are sorted by name, so that the result does not depend on the order of the runs.
    ranked = wrong.sort_values(["probability", "picture"], ascending=[False, True]).drop_duplicates("picture")
    mistakes = ranked[["picture", "label", "predicted", "probability"]].reset_index(drop=True)
    sentence = _describe(row, comparison.baseline, len(wrong), len(arm))
    confusion = count_confusion(labels, predicted, len(classes))
    return ArmSummary(choice, float(row["accuracy"]), sentence, classes, confusion, mistakes)


def find_arm(comparison, choice):
    """Return the row of an arm in the table of a comparison; ValueError, with the nearest name, if there is none."""
    table = comparison.table
    check_known("strategy", [choice.strategy], list(dict.fromkeys(table["strategy"])))
    of_strategy = table[table["strategy"] == choice.strategy]
    row = of_strategy[of_strategy["shots"] == choice.shots]
    if row.empty:
        known = ", ".join(map(str, of_strategy["shots"]))
        raise ValueError(f"shots: {choice.shots!r} was not compared for {choice.strategy}; there are {known}")
    return row.iloc[0]


def _describe(row, baseline, n_wrong, n_tested):
    """Return score, interval and verdict of a row in words."""
    shots = "1 training picture" if row["shots"] == 1 else f"{row['shots']} training pictures"
    seeds = "one seed" if row["n_seeds"] == 1 else f"{row['n_seeds']} seeds"
    interval = "no interval from one seed"
    if np.isfinite(row["accuracy_low"]):
        interval = f"95 % interval {row['accuracy_low']:.2f} to {row['accuracy_high']:.2f}, {seeds}"
    score = (
        f"{format_strategy(row['strategy'])}, {shots} per class: accuracy {row['accuracy']:.2f} ({interval}); "
        f"{n_wrong} of {n_tested} test pictures wrong."
    )
    if row["strategy"] == baseline:
        return f"{score} It is the baseline that the others are compared with."
    return f"{score} {format_gain({**row, 'baseline': baseline})}"


def format_gain(row):
    """Return the gain of a row of `transfer_gain` in words, with its interval and verdict."""
    gain = f"{row['gain']:+.2f} against {format_strategy(row['baseline'])}"
    if np.isfinite(row["gain_low"]):
        gain += f" ({row['gain_low']:+.2f} to {row['gain_high']:+.2f})"
    if np.isfinite(row["n_seeds_to_tell"]):
        gain += f"; about {row['n_seeds_to_tell']:.0f} seeds might be enough"
    return f"{_VERDICT_WORDS[row['verdict']]}: {gain}."
