"""Transfer gains and verdicts."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from tlkit.evaluation.gains import MARGIN, VERDICTS, give_verdict, transfer_gain
from tlkit.evaluation.intervals import t_interval, two_way_interval


def make_runs(accuracies, folds=None, shots=5):
    """Runs of {strategy: accuracy of each seed}."""
    rows = []
    for strategy, values in accuracies.items():
        for seed, accuracy in enumerate(values):
            fold = seed % 5 if folds is None else folds[seed]
            rows.append({"strategy": strategy, "shots": shots, "seed": seed, "fold": fold, "accuracy": accuracy})
    return pd.DataFrame(rows)


def make_predictions(right):
    """Predictions of {strategy: (n_seeds, n_pictures) right or wrong}."""
    rows = []
    for strategy, table in right.items():
        for seed, pictures in enumerate(table):
            for picture, is_right in enumerate(pictures):
                rows.append((strategy, 5, seed, picture, f"g{picture // 2}", "cat", "cat" if is_right else "dog"))
    return pd.DataFrame(rows, columns=["strategy", "shots", "seed", "picture", "group", "label", "predicted"])


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.5, "helps"),
        (0.001, 0.01, "helps"),
        (-0.5, -0.001, "harms"),
        (-0.01, 0.01, "no difference that matters"),
        (-MARGIN, MARGIN, "no difference that matters"),
        (-0.03, 0.01, "can't tell"),
        (-0.01, 0.03, "can't tell"),
        (0.0, 0.5, "can't tell"),
        (-0.5, 0.0, "can't tell"),
        (math.nan, math.nan, "can't tell"),
    ],
)
def test_verdicts_follow_the_interval(low, high, verdict):
    assert give_verdict(low, high) == verdict
    assert verdict in VERDICTS


def test_the_same_mean_gain_has_another_verdict_with_a_wider_interval():
    steady = transfer_gain(make_runs({"from_scratch": [0.2] * 5, "probe": [0.29, 0.3, 0.31, 0.3, 0.3]}))
    shaky = transfer_gain(make_runs({"from_scratch": [0.2] * 5, "probe": [0.0, 0.6, 0.1, 0.7, 0.1]}))
    assert steady["gain"].item() == pytest.approx(shaky["gain"].item()) == pytest.approx(0.1)
    assert steady["verdict"].item() == "helps"
    assert shaky["verdict"].item() == "can't tell"


def test_gains_are_paired_by_seed():
    # Seeds differ much and the arms by a constant: unpaired the difference would drown.
    scratch = np.array([0.1, 0.5, 0.3, 0.7, 0.2])
    runs = make_runs({"from_scratch": scratch, "probe": scratch + np.array([0.05, 0.06, 0.05, 0.04, 0.05])})
    shuffled = runs.sample(frac=1, random_state=0)
    for table in (transfer_gain(runs), transfer_gain(shuffled)):
        row = table.set_index("strategy").loc["probe"]
        assert row["gain"] == pytest.approx(0.05)
        assert (row["gain_low"], row["gain_high"]) == pytest.approx(t_interval([0.05, 0.06, 0.05, 0.04, 0.05]))
        assert row["verdict"] == "helps"


def test_seeds_that_share_a_fold_are_paired_each_with_itself():
    scratch = np.array([0.1, 0.5, 0.3, 0.7, 0.2, 0.8, 0.2, 0.6, 0.4, 0.9])
    row = transfer_gain(make_runs({"from_scratch": scratch, "probe": scratch + 0.05})).iloc[0]
    assert row["n_seeds"] == 10
    assert (row["gain_low"], row["gain_high"]) == pytest.approx((0.05, 0.05))


def test_arms_and_shots_are_kept_apart():
    runs = pd.concat(
        [
            make_runs({"from_scratch": [0.1, 0.1], "a": [0.3, 0.31], "b": [0.05, 0.04]}, shots=1),
            make_runs({"from_scratch": [0.5, 0.5], "a": [0.4, 0.41], "b": [0.9, 0.9]}, shots=5),
        ]
    )
    gains = transfer_gain(runs).set_index(["strategy", "shots"])["gain"]
    assert gains.to_dict() == pytest.approx({("a", 1): 0.205, ("b", 1): -0.055, ("a", 5): -0.095, ("b", 5): 0.4})


def test_another_baseline_can_be_named():
    runs = make_runs({"a": [0.3, 0.4], "b": [0.4, 0.6]})
    assert transfer_gain(runs, baseline="a")["gain"].tolist() == pytest.approx([0.15])
    with pytest.raises(ValueError, match="'from_scratch' is not among the runs"):
        transfer_gain(runs)


def test_seeds_that_only_one_arm_has_are_left_out():
    runs = make_runs({"from_scratch": [0.1, 0.2, 0.3], "probe": [0.2, 0.3]})
    row = transfer_gain(runs).iloc[0]
    assert row["n_seeds"] == 2
    assert row["gain"] == pytest.approx(0.1)


def test_on_one_test_set_the_pictures_are_a_sample_too():
    random = np.random.default_rng(0)
    right = {"from_scratch": random.random((3, 20)) < 0.3, "probe": random.random((3, 20)) < 0.6}
    predictions = make_predictions(right)
    accuracies = {name: table.mean(axis=1) for name, table in right.items()}
    runs = make_runs(accuracies, folds=[0, 0, 0])
    row = transfer_gain(runs, predictions).iloc[0]
    differences = right["probe"].astype(float) - right["from_scratch"]
    expected = two_way_interval(differences, [f"g{picture // 2}" for picture in range(20)])
    assert (row["gain_low"], row["gain_high"]) == pytest.approx(expected)
    assert expected[1] - expected[0] > np.subtract(*reversed(t_interval(differences.mean(axis=1))))
    with pytest.raises(ValueError, match="predictions: None, but all seeds were tested on one fold"):
        transfer_gain(runs)


def test_predictions_on_different_pictures_cannot_be_paired():
    right = {"from_scratch": np.ones((2, 6)), "probe": np.ones((2, 6))}
    predictions = make_predictions(right).iloc[:-1]
    with pytest.raises(ValueError, match="not tested on the same pictures"):
        transfer_gain(make_runs({"from_scratch": [1, 1], "probe": [1, 1]}, folds=[0, 0]), predictions)


def test_intervals_of_one_call_hold_together():
    # 95 % for all of them by Bonferroni's inequality: each of m misses its truth in 5 % / m.
    shifts = {"a": 0, "b": 0.1, "c": 0.5}
    gains = {name: np.array([0.05, 0.06, 0.05, 0.04, 0.08]) + shift for name, shift in shifts.items()}
    runs = make_runs({"from_scratch": np.zeros(5)} | gains)
    together, apart = transfer_gain(runs), transfer_gain(runs, simultaneous=False)
    for row, other in zip(together.itertuples(), apart.itertuples(), strict=True):
        values = gains[row.strategy]
        half = t.ppf(1 - 0.05 / 3 / 2, 4) * values.std(ddof=1) / math.sqrt(5)
        assert (row.gain_low, row.gain_high) == pytest.approx((values.mean() - half, values.mean() + half))
        assert (other.gain_low, other.gain_high) == pytest.approx(t_interval(values))
    alone = transfer_gain(runs[runs["strategy"].isin(["from_scratch", "b"])])
    assert alone["gain_low"].item() == pytest.approx(apart["gain_low"][1])


def test_seeds_of_one_fold_are_no_two_samples():
    # Ten seeds on two folds: without predictions there are two samples, however often each is looked at.
    values = np.tile([0.1, 0.3], 5)
    runs = make_runs({"from_scratch": np.zeros(10), "probe": values}, folds=np.tile([0, 1], 5))
    row = transfer_gain(runs).iloc[0]
    assert (row["gain_low"], row["gain_high"]) == pytest.approx(t_interval([0.1, 0.3]))
    assert row["n_seeds"] == 10


def test_seeds_that_share_folds_are_compared_picture_by_picture():
    random = np.random.default_rng(1)
    right = {name: random.random((4, 10)) < share for name, share in (("from_scratch", 0.3), ("probe", 0.7))}
    predictions = make_predictions(right)
    folds = [0, 1, 0, 1]
    # Seeds 0 and 2 are tested on the first five pictures, the others on the last five.
    kept = (predictions["picture"] < 5) == (predictions["seed"] % 2 == 0)
    accuracies = {
        name: [
            pictures[:5].mean() if fold == 0 else pictures[5:].mean()
            for pictures, fold in zip(table, folds, strict=True)
        ]
        for name, table in right.items()
    }
    runs = make_runs(accuracies, folds)
    row = transfer_gain(runs, predictions[kept]).iloc[0]
    differences = right["probe"].astype(float) - right["from_scratch"]
    differences[0::2, 5:], differences[1::2, :5] = np.nan, np.nan
    expected = two_way_interval(differences, [f"g{picture // 2}" for picture in range(10)])
    assert (row["gain_low"], row["gain_high"]) == pytest.approx(expected)
    assert row["gain"] == pytest.approx(np.mean(expected))


def test_each_gain_names_its_baseline():
    assert transfer_gain(make_runs({"a": [0.3, 0.4], "b": [0.4, 0.6]}), baseline="a")["baseline"].tolist() == ["a"]


def test_what_it_would_take_to_tell_is_said_only_where_it_can_not_be_told():
    runs = make_runs(
        {"from_scratch": [0.2] * 5, "sure": [0.3, 0.31, 0.32, 0.3, 0.3], "shaky": [0.3, 0.1, 0.2, 0.4, 0.2]}
    )
    table = transfer_gain(runs).set_index("strategy")
    assert math.isnan(table.loc["sure", "n_seeds_to_tell"])
    assert table.loc["shaky", "verdict"] == "can't tell"
    assert table.loc["shaky", "n_seeds_to_tell"] > 5


def test_folds_used_unequally_are_warned_of():
    runs = make_runs({"from_scratch": [0.1] * 6, "probe": [0.2] * 6})
    with pytest.warns(UserWarning, match="folds are used unequally"):
        transfer_gain(runs)


def test_one_seed_cannot_tell():
    row = transfer_gain(make_runs({"from_scratch": [0.1], "probe": [0.9]})).iloc[0]
    assert row["verdict"] == "can't tell"
    assert math.isnan(row["gain_low"])


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match="runs: has no accuracy, fold; it has seed, shots, strategy"):
        transfer_gain(pd.DataFrame({"seed": [0], "shots": [1], "strategy": ["a"]}))


def make_study():
    """Return runs and predictions of two strategies with two seeds on one fold."""
    rows = [(name, 5, seed, 0, 0.5) for name in ("from_scratch", "lp_ft") for seed in (0, 1)]
    runs = pd.DataFrame(rows, columns=["strategy", "shots", "seed", "fold", "accuracy"])
    pictures = pd.DataFrame({"picture": ["a", "b"], "group": ["a", "b"], "label": ["cat", "dog"], "predicted": "cat"})
    return runs, runs.drop(columns=["accuracy", "fold"]).merge(pictures, how="cross")


def test_rows_that_are_there_twice_are_named():
    runs, predictions = make_study()
    transfer_gain(runs, predictions)
    with pytest.raises(ValueError, match=r"runs: 4 rows are there twice, such as strategy .*, shots 5, seed 0, fold 0"):
        transfer_gain(pd.concat([runs, runs]), predictions)
    with pytest.raises(ValueError, match=r"predictions: 8 rows are there twice, such as .* seed 0, picture a: put"):
        transfer_gain(runs, pd.concat([predictions, predictions]))


@pytest.mark.parametrize("accuracy", [math.nan, math.inf, -1.1, 85.0])
def test_an_accuracy_that_is_no_share_is_named(accuracy):
    runs, predictions = make_study()
    runs.loc[3, "accuracy"] = accuracy
    with pytest.raises(ValueError, match=f"runs: an accuracy of lp_ft or from_scratch is {accuracy}, expected -1 to 1"):
        transfer_gain(runs, predictions)
