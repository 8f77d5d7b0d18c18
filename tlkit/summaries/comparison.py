"""One arm of a comparison, read closely: its score in words, its confusions and its mistakes. Without torch."""

import dataclasses
import difflib

import numpy as np

from tlkit.names import format_strategy

_VERDICT_WORDS = {
    "helps": "It helps",
    "harms": "It harms",
    "no difference that matters": "No difference that matters",
    "can't tell": "It can't be told from these runs whether it helps",
}


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which arm is looked at: a strategy at a number of shots (training pictures a class)."""

    strategy: str
    shots: int


@dataclasses.dataclass(frozen=True, eq=False)
class ArmSummary:
    """What one arm of a comparison did; `summarise_arm` makes one.

    Arguments
    ---------
    choice: Choice
    accuracy, accuracy_low, accuracy_high: float
        Fractions; the mean over seeds and its 95 % interval, NaN where there is one seed.
    sentence: str
        The score, its interval and the verdict in words.
    classes: list of str
        Of the whole comparison, so that the matrices of its arms can be laid side by side.
    confusion: (n_classes, n_classes) int64
        Row = true class, column = predicted class; test pictures of all seeds.
    mistakes: DataFrame
        picture, label, predicted, probability: what was labelled wrong, the most confident first, each picture once.
    n_tested, n_wrong: int
        Test pictures of all seeds.
    """

    choice: Choice
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    sentence: str
    classes: list
    confusion: np.ndarray
    mistakes: object
    n_tested: int
    n_wrong: int


def summarise_arm(comparison, choice):
    """Read one arm of a comparison.

    Arguments
    ---------
    comparison: Comparison
    choice: Choice

    Returns a `ArmSummary`. Raises ValueError, with the nearest name, for an arm that wasn't compared.
    """
    row, predictions = _find_row(comparison.table, choice), comparison.predictions
    arm = predictions[(predictions["strategy"] == choice.strategy) & (predictions["shots"] == choice.shots)]
    classes = sorted({*predictions["label"], *predictions["predicted"]})
    places = {name: place for place, name in enumerate(classes)}
    confusion = np.zeros((len(classes),) * 2, np.int64)
    np.add.at(confusion, (arm["label"].map(places).to_numpy(), arm["predicted"].map(places).to_numpy()), 1)
    wrong = arm[arm["label"] != arm["predicted"]]
    # Pictures of equal probability are sorted by name: the order must not depend on the order of the runs.
    ranked = wrong.sort_values(["probability", "picture"], ascending=[False, True]).drop_duplicates("picture")
    return ArmSummary(
        choice=choice,
        accuracy=float(row["accuracy"]),
        accuracy_low=float(row["accuracy_low"]),
        accuracy_high=float(row["accuracy_high"]),
        sentence=_describe(row, comparison.baseline, len(wrong), len(arm)),
        classes=classes,
        confusion=confusion,
        mistakes=ranked[["picture", "label", "predicted", "probability"]].reset_index(drop=True),
        n_tested=len(arm),
        n_wrong=len(wrong),
    )


def check_choice(comparison, choice):
    """Raise ValueError, with the nearest name, where a comparison has no such arm."""
    _find_row(comparison.table, choice)


def _find_row(table, choice):
    of_strategy = table[table["strategy"] == choice.strategy]
    if of_strategy.empty:
        known = list(dict.fromkeys(table["strategy"]))
        nearest = difflib.get_close_matches(str(choice.strategy), known, n=1, cutoff=0.4)
        hint = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise ValueError(f"strategy: {choice.strategy!r} was not compared; {hint}There are {', '.join(known)}")
    row = of_strategy[of_strategy["shots"] == choice.shots]
    if row.empty:
        known = ", ".join(map(str, of_strategy["shots"]))
        raise ValueError(f"shots: {choice.shots!r} was not compared for {choice.strategy}; there are {known}")
    return row.iloc[0]


def _describe(row, baseline, n_wrong, n_tested):
    shots = "1 training picture" if row["shots"] == 1 else f"{row['shots']} training pictures"
    seeds = "one seed" if row["n_seeds"] == 1 else f"{row['n_seeds']} seeds"
    interval = "no interval from one seed"
    if np.isfinite(row["accuracy_low"]):
        interval = f"95 % interval {row['accuracy_low']:.2f} to {row['accuracy_high']:.2f}, {seeds}"
    score = (
        f"{format_strategy(row['strategy'])}, {shots} a class: accuracy {row['accuracy']:.2f} ({interval}); "
        f"{n_wrong} of {n_tested} test pictures wrong."
    )
    if row["strategy"] == baseline:
        return f"{score} It is the baseline that the others are compared with."
    return f"{score} {format_gain({**row, 'baseline': baseline})}"


def format_gain(row):
    """Return a gain in words, with its interval and verdict.

    Arguments
    ---------
    row: Series or dict
        gain, gain_low, gain_high, verdict, baseline, n_seeds_to_tell, as `transfer_gain` has them.
    """
    baseline = row["baseline"]
    gain = f"{row['gain']:+.2f} against {format_strategy(baseline)}"
    if np.isfinite(row["gain_low"]):
        gain += f" ({row['gain_low']:+.2f} to {row['gain_high']:+.2f})"
    if np.isfinite(row["n_seeds_to_tell"]):
        gain += f"; some {row['n_seeds_to_tell']:.0f} seeds might tell"
    return f"{_VERDICT_WORDS[row['verdict']]}: {gain}."
