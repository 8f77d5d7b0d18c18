"""One arm of a comparison, read closely."""

import numpy as np
import pandas as pd
import pytest
from made_comparisons import make_comparison

import tlkit as tl
from tlkit.comparison.compare import summarise
from tlkit.summaries.comparison import ArmChoice, find_arm, summarise_arm


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart")


@pytest.fixture(scope="module")
def comparison(images):
    return make_comparison(images)


def make_by_hand():
    """Return two arms with one seed, whose answers are written out."""
    table = pd.DataFrame(
        {
            "picture": ["a1", "a2", "b1", "b2"],
            "group": ["a1", "a2", "b1", "b2"],
            "label": ["ant", "ant", "bee", "bee"],
            "probability": [0.6, 0.7, 0.9, 0.7],
        }
    )
    runs, tables = [], []
    for strategy, predicted in {"plain": ["ant"] * 4, "clever": ["bee", "bee", "ant", "bee"]}.items():
        place = {"strategy": strategy, "shots": 1, "seed": 0, "fold": 0}
        accuracy = float(np.mean(table["label"] == predicted))
        costs = {"n_train": 2, "n_steps": 0, "duration_s": 0.0, "peak_memory_mib": 0.0}
        runs.append(place | {"accuracy": accuracy, "balanced_accuracy": accuracy} | costs)
        tables.append(table.assign(predicted=predicted, **place))
    return summarise(pd.DataFrame(runs), pd.concat(tables, ignore_index=True), "plain", {})


def test_confusion_counts_true_classes_in_rows():
    summary = summarise_arm(make_by_hand(), ArmChoice("clever", 1))
    assert summary.classes == ["ant", "bee"]
    assert summary.confusion.tolist() == [[0, 2], [1, 1]]
    assert "3 of 4 test pictures wrong" in summary.sentence


def test_the_most_confident_mistake_comes_first():
    summary = summarise_arm(make_by_hand(), ArmChoice("clever", 1))
    assert summary.mistakes["picture"].tolist() == ["b1", "a2", "a1"]
    assert summary.mistakes.iloc[0].tolist() == ["b1", "bee", "ant", 0.9]


def test_a_picture_that_several_seeds_got_wrong_is_shown_once(images):
    first, second = make_comparison(images, n_seeds=1, seed=1), make_comparison(images, n_seeds=1, seed=2)
    later = second.runs.assign(seed=1, fold=1)
    both = summarise(
        pd.concat([first.runs, later], ignore_index=True),
        pd.concat([first.predictions, second.predictions.assign(seed=1, fold=1)], ignore_index=True),
        first.baseline,
        {},
    )
    summary = summarise_arm(both, ArmChoice("random_features", 1))
    assert summary.mistakes["picture"].is_unique
    assert len(summary.mistakes) < summary.confusion.sum() - np.trace(summary.confusion)


def test_every_test_picture_is_in_the_confusion(images, comparison):
    summary = summarise_arm(comparison, ArmChoice("linear_probe", 5))
    assert summary.confusion.sum() == len(images)
    assert len(images) - np.trace(summary.confusion) == len(summary.mistakes)


def test_the_sentence_agrees_with_the_table(comparison):
    row = comparison.table.set_index(["strategy", "shots"]).loc[("linear_probe", 20)]
    sentence = summarise_arm(comparison, ArmChoice("linear_probe", 20)).sentence
    for number in (f"{row['accuracy']:.2f}", f"{row['accuracy_low']:.2f} to {row['accuracy_high']:.2f}"):
        assert number in sentence
    assert f"It helps: {row['gain']:+.2f} against random features" in sentence
    assert "baseline" in summarise_arm(comparison, ArmChoice("random_features", 20)).sentence


def test_one_seed_is_said_to_have_no_interval():
    sentence = summarise_arm(make_by_hand(), ArmChoice("clever", 1)).sentence
    assert "1 training picture per class" in sentence
    assert "no interval from one seed" in sentence
    assert "can't tell" in sentence
    assert "nan" not in sentence


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (ArmChoice("linear_prob", 5), "nearest: 'linear_probe'"),
        (ArmChoice("linear_probe", 3), "shots: 3 was not compared for linear_probe; there are 1, 5, 20"),
    ],
)
def test_an_arm_that_was_not_compared_is_named(comparison, choice, said):
    for ask in (summarise_arm, find_arm):
        with pytest.raises(ValueError, match=said):
            ask(comparison, choice)
