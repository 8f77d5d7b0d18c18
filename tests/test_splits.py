"""Folds that no group straddles, and nested draws."""

import dataclasses
import itertools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from made_pictures import write_classes
from sklearn.model_selection import StratifiedGroupKFold

from tlkit.images import load_images
from tlkit.images.splits import assign_folds, choose_test, draw_shots, join_groups, split_for


@pytest.fixture(scope="module")
def clipart():
    return load_images("styles", domain="clipart")


@pytest.fixture(scope="module")
def styles():
    return load_images("styles", domain=["emoji", "twemoji"])


@pytest.mark.parametrize("seed", [0, 1])
def test_no_group_is_on_both_sides_and_folds_cover_all(styles, seed):
    tested = []
    for fold in range(5):
        train, test = styles.split(test_fold=fold, seed=seed)
        assert not set(train.groups) & set(test.groups)
        assert len(train) + len(test) == len(styles)
        tested += list(test.names)
    assert sorted(tested) == sorted(styles.names)


def test_published_folds_are_those_of_five_and_seed_0(clipart):
    _, test = clipart.split(test_fold=3)
    assert set(test.folds) == {3} and len(test) == (clipart.folds == 3).sum()
    _, other = clipart.split(test_fold=3, seed=1)
    assert len(set(other.folds)) == 5
    _, quarter = clipart.split(test_fold=3, n_folds=4)
    assert len(set(quarter.folds)) == 5


@pytest.mark.parametrize("n_classes", [1, 2, 14, 130])
def test_folds_are_those_of_scikit_learn(n_classes):
    random = np.random.default_rng(n_classes)
    for n_folds, n_groups in [(2, 20), (5, 60), (5, 1000), (8, 100), (10, 1000)]:
        labels, groups = random.integers(0, n_classes, 300), random.integers(0, n_groups, 300).astype(str)
        splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=7)
        expected = np.empty(300, dtype=int)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for fold, (_, test) in enumerate(splitter.split(labels, labels, groups)):
                    expected[test] = fold
        except ValueError:
            continue
        assert assign_folds(labels, groups, n_folds, 7).tolist() == expected.tolist()


def test_patients_are_never_on_both_sides(tmp_path):
    images = load_images(write_classes(tmp_path / "skin", {"well": 15, "sick": 15}))
    patients = [f"p{number % 7}" for number in range(30)]
    named = images.with_groups(patients)
    by_name = dict(zip(images.names, patients, strict=True))
    for other in (by_name, by_name.get, np.array(patients), iter(patients)):
        assert images.with_groups(other).groups.tolist() == patients
    for fold in range(5):
        train, test = named.split(test_fold=fold)
        assert not set(train.groups) & set(test.groups) and set(train.groups) <= set(patients)


def test_copies_join_the_patients_that_share_them():
    groups = ["copy", "copy", "a", "b", "c"]
    with pytest.warns(UserWarning, match="3 become 2, since some share copies"):
        assert join_groups(groups, [2, 1, 1, 3, 3]).tolist() == ["1", "1", "1", "3", "3"]
    assert join_groups(groups, [1, 1, 1, 3, 4]).tolist() == ["1", "1", "1", "3", "4"]


def test_published_folds_that_part_a_group_are_given_up(clipart):
    with pytest.warns(UserWarning, match="new folds are drawn"):
        images = clipart.with_groups(np.unique(clipart.groups, return_inverse=True)[1] % 40)
    train, test = images.split()
    assert len(test) and not set(train.groups) & set(test.groups) and set(images.folds) == {-1}
    with pytest.raises(ValueError, match="is in several of the published folds"):
        dataclasses.replace(clipart, groups=images.groups).split()
    one = clipart[clipart.folds == 2]
    assert set(one.with_groups("groups").folds) == {2}


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (["a", "b"], ValueError, r"groups: shape \(2,\), expected \(637,\)"),
        (["a", None] * 318 + ["a"], ValueError, "groups: missing for 318 of 637 pictures, the first is number 1"),
        (["a", 1] * 318 + ["a"], TypeError, "all str or all whole numbers"),
        (["a"] * 637, ValueError, "all in group 'a'"),
        ("author", ValueError, "nearest: 'authors'"),
        ({"a": "b"}, ValueError, "missing for 637 of 637 pictures"),
        (7, TypeError, "groups: a int"),
    ],
)
def test_groups_that_could_be_misread_are_refused(clipart, groups, error, message):
    with pytest.raises(error, match=message):
        clipart.with_groups(groups)


def test_split_is_stratified(clipart):
    for seed in (0, 1):
        _, test = clipart.split(seed=seed)
        share = np.bincount(test.labels, minlength=14) / np.bincount(clipart.labels, minlength=14)
        assert share.min() > 0.1 and share.max() < 0.35


def test_group_stays_whole_though_it_is_large():
    labels = np.repeat([0, 1], 20)
    groups = np.array(["big"] * 12 + [f"a{i}" for i in range(8)] + [f"b{i}" for i in range(20)])
    unknown = np.full(40, -1)
    for fold in range(5):
        is_test = choose_test(labels, groups, unknown, test_fold=fold, n_folds=5, seed=3)
        assert len(set(is_test[:12])) == 1


def test_one_picture_per_class_is_refused(tmp_path):
    images = load_images(write_classes(tmp_path / "pets", {"cat": 1, "dog": 1, "fox": 1}))
    with pytest.raises(ValueError, match="at most one group per class"):
        images.split()


def test_the_training_side_of_a_published_fold_gets_new_folds(clipart):
    train, _ = clipart.split(test_fold=0)
    parts = [train.split(test_fold=fold)[1] for fold in range(5)]
    assert sorted(np.concatenate([part.names for part in parts])) == sorted(train.names)
    assert sum(len(set(part.groups)) for part in parts) == len(set(train.groups))
    assert max(map(len, parts)) < 0.3 * len(train)
    whole = clipart[clipart.folds != 0].split(test_fold=1)[1]
    assert list(whole.names) == list(parts[1].names)


def test_split_that_empties_a_side_is_refused(clipart):
    one_fold = clipart[clipart.folds == 2]
    with pytest.raises(ValueError, match="train side empty"):
        one_fold.split(test_fold=2)
    with pytest.raises(ValueError, match="test side empty"):
        one_fold.split(test_fold=1)


def test_a_group_in_several_published_folds_is_refused():
    labels, groups = np.arange(10) % 2, np.repeat(["one", "two", "three", "four", "five"], 2)
    with pytest.raises(ValueError, match="in several of the published folds"):
        choose_test(labels, groups, np.arange(10) % 5, test_fold=1, n_folds=5, seed=0)


def test_more_folds_than_groups_is_refused(tmp_path):
    images = load_images(write_classes(tmp_path / "pets", {"cat": 2, "dog": 1}))
    with pytest.raises(ValueError, match="n_folds: 5, but there are only 3 groups"):
        images.split()


def test_class_missing_from_train_is_warned_of(clipart):
    keep = (clipart.folds == 0) | (clipart.labels != clipart.classes.index("bug"))
    with pytest.warns(UserWarning, match="every picture of bug is on the test side"):
        clipart[keep].split()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"test_fold": 5}, ValueError, "test_fold: 5, expected a whole number from 0 to 4"),
        ({"test_fold": -1}, ValueError, "test_fold: -1"),
        ({"test_fold": 0.5}, TypeError, "test_fold: 0.5 is a float"),
        ({"n_folds": 1}, ValueError, "n_folds: 1"),
        ({"seed": -1}, ValueError, "seed: -1"),
    ],
)
def test_bad_split_arguments_are_named(clipart, arguments, error, message):
    with pytest.raises(error, match=message):
        clipart.split(**arguments)


def test_few_draws_are_nested_and_exact(clipart):
    draws = [clipart.few(shots, seed=4) for shots in (1, 2, 5, 10)]
    for shots, draw in zip((1, 2, 5, 10), draws, strict=True):
        assert np.bincount(draw.labels).tolist() == [shots] * 14
    for small, large in itertools.pairwise(draws):
        assert set(small.names) < set(large.names)


def test_few_draws_differ_by_seed(clipart):
    assert set(clipart.few(5, seed=0).names) != set(clipart.few(5, seed=1).names)


def test_few_draws_do_not_depend_on_other_classes_or_on_order(clipart):
    birds = clipart.select(classes="bird")
    assert set(birds.few(5, seed=2).names) == set(clipart.few(5, seed=2).select(classes="bird").names)
    assert set(clipart[::-1].few(5, seed=2).names) == set(clipart.few(5, seed=2).names)


def test_few_takes_one_of_each_group_before_a_second():
    labels = np.zeros(12, dtype=int)
    groups = np.array(["large"] * 9 + ["a", "b", "c"])
    names = np.array([f"{place:02}" for place in range(12)])
    for seed in range(20):
        drawn = draw_shots(labels, groups, names, ["cat"], shots=4, seed=seed)
        assert len(set(groups[drawn])) == 4
        assert len(draw_shots(labels, groups, names, ["cat"], shots=8, seed=seed)) == 8


def test_shots_that_a_class_lacks_are_warned_of_once_and_strict_refuses():
    photos = load_images("styles", domain="photo")
    with pytest.warns(UserWarning, match="shots: 20 wanted of each class") as caught:
        few = photos.few(20)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "bug has 9" in message
    assert "vegetable has 18" in message
    assert "building" not in message  # photos have none: that is no shortage of shots
    assert caught[0].filename == __file__
    counts = np.bincount(few.labels, minlength=14)
    assert counts.tolist() == np.minimum(np.bincount(photos.labels, minlength=14), 20).tolist()
    with pytest.raises(ValueError, match="bug has 9"):
        photos.few(20, strict=True)


@pytest.mark.parametrize("shots", [0, -1, True])
def test_shots_below_one_are_refused(clipart, shots):
    with pytest.raises(ValueError, match="shots"):
        clipart.few(shots)
    with pytest.raises(TypeError, match="shots: '5' is a str"):
        clipart.few("5")


@pytest.mark.slow
def test_draws_and_folds_are_the_same_in_every_process(clipart):
    code = (
        "from tlkit.images import load_images; images = load_images('styles', domain='clipart');"
        "print(*images.few(5, seed=3).names, *images.split(seed=1)[1].names)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parent.parent)}
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert output.split() == [*clipart.few(5, seed=3).names, *clipart.split(seed=1)[1].names]


def test_comparison_of_few_pictures_asks_for_more(tmp_path):
    images = load_images(write_classes(tmp_path / "pets", {"cat": 4, "dog": 4}))
    with pytest.raises(ValueError, match="images: 4 pictures in the largest class and 8 groups, expected at least 5"):
        split_for(images, 0)
