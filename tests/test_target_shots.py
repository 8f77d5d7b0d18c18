"""A few labels of the target with and without a source: the arms are paired, and the table is that of gains."""

import dataclasses
import itertools
import sys

import numpy as np
import pytest
from made_studies import make_study

import tlkit as tl
from tlkit.adaptation.solved_head import solve_head
from tlkit.adaptation.target_shots import compare_target_shots


def test_arms_share_their_shots_and_their_test_pictures():
    images, features = make_study(n=120)
    runs, predictions = compare_target_shots(
        features, images, "here", "there", ["align_mean"], shots=[1, 4], seeds=2, progress=False
    )
    assert runs["strategy"].drop_duplicates().tolist() == ["target_only", "here, pooled", "here, align_mean, pooled"]
    assert len(runs) == 3 * 2 * 2
    alone = runs[runs["strategy"] == "target_only"].set_index(["shots", "seed"])["n_train"]
    both = runs[runs["strategy"] == "here, pooled"].set_index(["shots", "seed"])["n_train"]
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
    assert mean["here, align_mean, pooled"] > mean["here, pooled"]


def gains_of(runs):
    return tl.evaluation.transfer_gain(runs, baseline="target_only").set_index(["strategy", "shots"])


def make_misled_study():
    """Return (images, features): the source's classes lie where the target has others, so that it says wrong things."""
    images, features = make_study(n=120, moved=0.0, d=8, apart=2.0)
    labels = images.labels.copy()
    here = images.domains == "here"
    labels[here] = (labels[here] + 1) % 3
    return dataclasses.replace(images, labels=labels), dataclasses.replace(features, labels=labels)


def test_a_source_with_permuted_labels_harms_pooled_and_little_at_a_small_weight():
    images, features = make_misled_study()
    settings = {"weights": [0.05, "pooled"], "shots": [2, 10], "progress": False}
    runs, _ = compare_target_shots(features, images, "here", "there", **settings)
    gains = gains_of(runs)
    assert gains.loc[("here, pooled", 2), "verdict"] == "harms"
    assert gains.loc[("here, pooled", 2), "gain"] < gains.loc[("here × 0.05", 2), "gain"] - 0.1


def test_a_weight_counts_all_of_the_source_as_a_multiple_of_all_shots():
    images, features = make_study(n=120, moved=1.0, apart=1.0)
    # 120 pictures of the source and 6 shots: at a weight of 40 each of the source counts twice, as if it stood twice.
    settings = {"shots": [2], "seeds": 2, "progress": False}
    doubled = np.concatenate([np.arange(len(images)), np.flatnonzero(images.domains == "here")])
    names = np.array([f"{place}:{name}" for place, name in enumerate(images.names[doubled])])
    twice = [dataclasses.replace(part[doubled], names=names) for part in (features, images)]
    # By other names other shots would be drawn.
    once = [dataclasses.replace(part, names=names[: len(images)]) for part in (features, images)]
    weighted, _ = compare_target_shots(*once, "here", "there", weights=[40], **settings)
    pooled, _ = compare_target_shots(*twice, "here", "there", **settings)
    assert weighted["accuracy"].tolist() == pooled["accuracy"].tolist()
    assert weighted["strategy"].unique().tolist() == ["target_only", "here × 40"]


def test_several_sources_stand_each_by_itself():
    images, features = make_study(("here", "there", "elsewhere"), n=60)
    settings = {"shots": [2], "seeds": 2, "progress": False}
    both, _ = compare_target_shots(features, images, ["here", "elsewhere"], "there", **settings)
    alone, _ = compare_target_shots(features, images, "elsewhere", "there", **settings)
    columns = ["strategy", "seed", "accuracy"]
    of_both = both[both["strategy"].isin(alone["strategy"])]
    assert of_both[columns].values.tolist() == alone[columns].values.tolist()
    assert both["source"].dropna().unique().tolist() == ["here", "elsewhere"]


def test_concepts_that_are_tested_are_not_learned_from_another_domain():
    images, features = make_study(n=64, shared=("here", "there"))
    runs, predictions = compare_target_shots(features, images, "here", "there", shots=[1, 2], seeds=4, progress=False)
    n_left = []
    for seed in range(4):
        tested = set(predictions[predictions["seed"] == seed]["group"])
        n_left.append(np.sum((images.domains == "here") & ~np.isin(images.groups, list(tested))))
        for number in (1, 2):
            here = runs[(runs["seed"] == seed) & (runs["shots"] == number)].set_index("strategy")["n_train"]
            assert here["here, pooled"] - here["target_only"] == n_left[seed]
    assert 0 < min(n_left) < max(n_left) < 64  # folds differ in size, so another seed's source would be noticed


@pytest.mark.parametrize(
    ("weights", "error"),
    [([True], TypeError), *[(weights, ValueError) for weights in ([0], [-1], ["pool"], [], [1, 1], [float("inf")])]],
)
def test_weights_that_say_nothing_are_refused(weights, error):
    images, features = make_study()
    with pytest.raises(error, match="weights: "):
        compare_target_shots(features, images, "here", "there", weights=weights, progress=False)


def test_a_weight_or_a_method_may_stand_alone():
    images, features = make_study()
    settings = {"shots": 1, "seeds": 1, "progress": False}
    runs, _ = compare_target_shots(features, images, "here", "there", "coral", weights=np.int64(2), **settings)
    assert runs["strategy"].tolist() == ["target_only", "here × 2", "here, coral × 2"]


def test_a_domain_beside_itself_is_refused():
    images, features = make_study()
    with pytest.raises(ValueError, match="expected one or more domains, each once, and not the target 'there'"):
        compare_target_shots(features, images, ["here", "there"], "there", progress=False)


def test_the_same_call_gives_the_same_numbers():
    images, features = make_study()
    settings = {"shots": [2], "seeds": 2, "progress": False}
    first, again = (compare_target_shots(features, images, "here", "there", **settings)[0] for _ in range(2))
    assert first.equals(again)


def test_what_does_not_fit_is_refused():
    images, features = make_study()
    with pytest.raises(ValueError, match="shots: 0, expected a whole number of at least 1"):
        compare_target_shots(features, images, "here", "there", shots=[0], progress=False)
    with pytest.raises(ValueError, match="source: 'her' is unknown; nearest: 'here'"):
        compare_target_shots(features, images, "her", "there", progress=False)


def test_more_shots_than_there_are_take_all():
    images, features = make_study(n=120)
    runs, _ = compare_target_shots(features, images, "here", "there", shots=[2, 100], seeds=1, progress=False)
    alone = runs[runs["strategy"] == "target_only"]["n_train"].tolist()
    assert alone == [6, np.sum(images.domains == "there") - len(images.select(domain="there").split(test_fold=0)[1])]


def test_ctrl_c_keeps_the_seeds_that_all_arms_have_finished(monkeypatch):
    images, features = make_study()
    real, n_solved = solve_head, itertools.count(1)

    def interrupted(*arguments, **settings):
        if next(n_solved) == stop_at:
            raise KeyboardInterrupt
        return real(*arguments, **settings)

    monkeypatch.setattr(sys.modules["tlkit.adaptation.target_shots"], "solve_head", interrupted)
    settings = {"shots": [1, 2], "seeds": 4, "progress": False}
    stop_at = 4 * 3 + 3  # four arms per seed, and two of the next number of shots
    with pytest.warns(UserWarning, match="interrupted; the 3 seeds that all arms have finished are kept") as caught:
        runs, predictions = compare_target_shots(features, images, "here", "there", **settings)
    assert caught[0].filename == __file__
    arms = [(name, shots, seed) for seed in range(3) for shots in (1, 2) for name in ("target_only", "here, pooled")]
    assert list(runs[["strategy", "shots", "seed"]].itertuples(index=False, name=None)) == arms
    assert set(predictions[["strategy", "shots", "seed"]].itertuples(index=False, name=None)) == set(arms)
    n_solved, stop_at = itertools.count(1), 4
    with pytest.raises(KeyboardInterrupt):
        compare_target_shots(features, images, "here", "there", **settings)
