"""A few labels of the target with and without a source: the arms are paired, and the table is that of gains."""

import numpy as np
import pytest
from made_studies import make_study

import tlkit as tl
from tlkit.adaptation.target_shots import compare_target_shots


def test_arms_share_their_shots_and_their_test_pictures():
    images, features = make_study(n=120)
    runs, predictions = compare_target_shots(
        features, images, "here", "there", ["align_mean"], shots=[1, 4], seeds=2, progress=False
    )
    assert runs["strategy"].drop_duplicates().tolist() == ["target_only", "source_only", "align_mean"]
    assert len(runs) == 3 * 2 * 2
    alone = runs[runs["strategy"] == "target_only"].set_index(["shots", "seed"])["n_train"]
    both = runs[runs["strategy"] == "source_only"].set_index(["shots", "seed"])["n_train"]
    assert alone[1].tolist() == [3, 3] and alone[4].tolist() == [12, 12]
    assert (both - alone == 120).all()
    pictures = predictions.groupby(["seed", "strategy", "shots"])["picture"].agg(lambda names: tuple(sorted(names)))
    for seed in (0, 1):
        assert pictures[seed].nunique() == 1
    assert pictures[0].iloc[0] != pictures[1].iloc[0]


def test_a_near_source_helps_and_shots_make_it_needless():
    images, features = make_study(n=120, moved=0.2, d=40, apart=0.5)
    runs, _ = compare_target_shots(features, images, "here", "there", shots=[1, 8], seeds=5, progress=False)
    gains = tl.evaluation.transfer_gain(runs, baseline="target_only").set_index("shots")["gain"]
    assert gains[1] > 0.02
    assert gains[1] > gains[8]


def test_a_source_that_is_aligned_is_worth_more_than_one_that_is_not():
    images, features = make_study(n=120, moved=8.0)
    runs, _ = compare_target_shots(
        features, images, "here", "there", ["align_mean"], shots=[1], seeds=3, progress=False
    )
    mean = runs.groupby("strategy")["balanced_accuracy"].mean()
    assert mean["align_mean"] > mean["source_only"]


def test_the_same_call_gives_the_same_numbers():
    images, features = make_study()
    settings = {"shots": [2], "seeds": 2, "progress": False}
    first, again = (compare_target_shots(features, images, "here", "there", **settings)[0] for _ in range(2))
    assert first.equals(again)


def test_what_does_not_fit_is_refused():
    images, features = make_study()
    with pytest.raises(ValueError, match="shots: 0, expected an int, at least 1"):
        compare_target_shots(features, images, "here", "there", shots=[0], progress=False)
    with pytest.raises(ValueError, match="source: 'her' is unknown; nearest: 'here'"):
        compare_target_shots(features, images, "her", "there", progress=False)


def test_more_shots_than_there_are_take_all():
    images, features = make_study(n=120)
    runs, _ = compare_target_shots(features, images, "here", "there", shots=[2, 100], seeds=1, progress=False)
    alone = runs[runs["strategy"] == "target_only"]["n_train"].tolist()
    assert alone == [6, np.sum(images.domains == "there") / 2]
