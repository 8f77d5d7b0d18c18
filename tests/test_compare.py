"""Comparisons: every arm on the same pictures, complete tables, honest ends."""

import dataclasses
import signal
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

import tlkit as tl
from tlkit.comparison.arms import HAND_MADE
from tlkit.evaluation.gains import give_verdict
from tlkit.training.batches import TrainingPictures

PLACE = ["strategy", "shots", "seed", "fold"]
SCORES = ["accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy", "gain", "gain_low", "gain_high"]
COSTS = ["duration_s", "peak_memory_mib"]
RUN_COLUMNS = [*PLACE, "accuracy", "balanced_accuracy", "n_train", "n_steps", *COSTS]
TABLE_COLUMNS = [
    *PLACE[:2],
    *SCORES,
    "n_seeds",
    "verdict",
    "n_seeds_to_tell",
    *COSTS,
    "n_train",
    "n_steps",
    "n_configurations",
]
PREDICTION_COLUMNS = [*PLACE, "picture", "group", "label", "predicted", "probability"]


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool", "flower"])


@pytest.fixture(scope="module")
def backbone():
    return tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)


SHORT = tl.Strategy([tl.Phase(["all"], 1, 1e-3, norm_statistics="moving")], name="from_scratch")


@pytest.fixture(scope="module")
def comparison(backbone, images):
    return tl.compare(backbone, images, [SHORT, HAND_MADE, "linear_probe"], shots=[1, 3], seeds=2, progress=False)


def test_tables_have_the_columns_that_are_promised(comparison):
    assert list(comparison.runs.columns) == RUN_COLUMNS
    assert list(comparison.table.columns) == TABLE_COLUMNS
    assert list(comparison.predictions.columns) == PREDICTION_COLUMNS


def test_every_cell_of_the_grid_was_run(comparison):
    cells = set(comparison.runs[["strategy", "shots", "seed"]].itertuples(index=False, name=None))
    assert cells == {
        (name, shots, seed)
        for name in ("from_scratch", HAND_MADE, "linear_probe")
        for shots in (1, 3)
        for seed in (0, 1)
    }
    assert len(comparison.table) == 6


def test_all_arms_of_a_seed_see_the_same_pictures(comparison, images):
    for seed, part in comparison.predictions.groupby("seed"):
        tested = {tuple(arm["picture"]) for _, arm in part.groupby(["strategy", "shots"])}
        assert tested == {tuple(images.split(test_fold=seed % 5)[1].names)}


@pytest.mark.slow
def test_no_group_is_trained_and_tested_on(images, backbone, monkeypatch):
    seen = []

    def watch(real):
        def watched(*arguments, **settings):
            (learned,) = [item for item in arguments if hasattr(item, "groups")]
            seen.append(learned)
            return real(*arguments, **settings)

        return watched

    monkeypatch.setattr(sys.modules["tlkit.training.transfer"], "transfer", watch(tl.transfer))
    monkeypatch.setattr("tlkit.heads.fit_head", watch(tl.fit_head))
    comparison = tl.compare(backbone, images, [SHORT, "linear_probe"], shots=3, seeds=5, progress=False)
    assert len(seen) == 10
    # Probes are all fitted before anything is trained.
    for (seed, part), probed, trained in zip(comparison.predictions.groupby("seed"), seen[:5], seen[5:], strict=True):
        assert trained.names.tolist() == probed.names.tolist()
        assert not set(part["group"]) & set(trained.groups), f"seed {seed}"


def test_a_linear_probe_says_what_a_transferred_one_says(comparison, backbone, images):
    train, test = images.split(test_fold=1)
    run = tl.transfer(backbone, train.few(3, seed=1), "linear_probe", seed=1, progress=False)
    table = comparison.predictions
    probed = table[(table["strategy"] == "linear_probe") & (table["shots"] == 3) & (table["seed"] == 1)]
    evaluation = run.evaluate(test)
    assert probed["predicted"].tolist() == evaluation.predictions["predicted"].tolist()
    assert probed["probability"].to_numpy() == pytest.approx(evaluation.probabilities.max(axis=1), abs=1e-5)


def test_a_strategy_that_does_more_than_solve_the_head_is_trained(backbone, images, monkeypatch):
    trained = []

    def note(training):
        trained.append(len(training.pictures))

    finished = tl.Strategy([tl.Phase(["head"], None)], finish=note, name="finished")
    tl.compare(backbone, images, [HAND_MADE, finished], shots=2, seeds=1, progress=False)
    assert trained == [8]


def test_predictions_and_runs_tell_the_same_story(comparison):
    right = comparison.predictions.assign(right=lambda table: table["label"] == table["predicted"])
    accuracy = right.groupby(["strategy", "shots", "seed"])["right"].mean()
    for row in comparison.runs.itertuples():
        assert accuracy[row.strategy, row.shots, row.seed] == pytest.approx(row.accuracy)


def test_means_and_gains_are_those_of_the_runs(comparison):
    runs = comparison.runs.set_index(["strategy", "shots", "seed"])["accuracy"]
    for row in comparison.table.itertuples():
        assert row.accuracy == pytest.approx(np.mean([runs[row.strategy, row.shots, seed] for seed in (0, 1)]))
        if row.strategy == "from_scratch":
            assert row.verdict == "baseline"
            assert np.isnan(row.gain)
        else:
            gains = [runs[row.strategy, row.shots, seed] - runs["from_scratch", row.shots, seed] for seed in (0, 1)]
            assert row.gain == pytest.approx(np.mean(gains))
    verdicts = comparison.verdicts
    assert set(verdicts) == {(name, shots) for name in (HAND_MADE, "linear_probe") for shots in (1, 3)}


def test_steps_and_training_pictures_are_reported(comparison):
    table = comparison.table.set_index(["strategy", "shots"])
    assert table.loc[("from_scratch", 3), "n_steps"] == 2  # 12 pictures in batches of at most 8, one epoch
    assert table.loc[("linear_probe", 3), "n_steps"] == 0
    assert table.loc[("from_scratch", 1), "n_train"] == 4
    assert (comparison.runs["peak_memory_mib"] > 50).all()


@pytest.mark.slow
def test_a_comparison_repeats_bit_for_bit(comparison, backbone, images):
    again = tl.compare(backbone, images, [SHORT, HAND_MADE, "linear_probe"], shots=[1, 3], seeds=2, progress=False)
    assert again.predictions.equals(comparison.predictions)


def test_too_few_pictures_are_told_once(backbone, images):
    with pytest.warns(UserWarning, match="shots: 60 wanted") as caught:
        tl.compare(backbone, images, [HAND_MADE, "linear_probe"], shots=60, seeds=2, progress=False)
    assert len(caught) == 1


def test_ctrl_c_returns_the_seeds_that_all_arms_have_done(backbone, images, monkeypatch):
    real, epochs = TrainingPictures.batch, []

    def interrupted(self, indices, policy, epoch):
        epochs.append(self.seed)
        if epochs.count(1) == 2:
            signal.raise_signal(signal.SIGINT)
        return real(self, indices, policy, epoch)

    monkeypatch.setattr(TrainingPictures, "batch", interrupted)
    with pytest.warns(UserWarning, match="interrupted") as caught:
        comparison = tl.compare(backbone, images, [HAND_MADE, SHORT], shots=3, seeds=3, progress=False)
    assert caught[-1].filename == __file__
    assert set(comparison.runs["seed"]) == {0}
    assert set(comparison.predictions["seed"]) == {0}
    assert len(comparison.table) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"strategies": ["linear_probe"]}, "expected at least two to compare"),
        ({"strategies": ["linear_probe", "linear_probe"]}, "two are called 'linear_probe'"),
        ({"strategies": ["linear_probe", "magic"]}, "strategy: 'magic', expected"),
        ({"baseline": "magic"}, "baseline: 'magic' is not compared; expected one of hand_made, linear_probe"),
        ({"shots": []}, r"shots: \[\], expected one or more whole numbers"),
        ({"shots": [0]}, "shots: 0, expected a whole number of at least 1"),
        ({"seeds": 0}, "seeds: 0, expected a whole number of at least 1"),
        ({"seeds": [1, 1]}, r"seeds: \[1, 1\], expected one or more whole numbers without repetition"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(backbone, images, arguments, message):
    with pytest.raises(ValueError, match=message):
        tl.compare(backbone, images, **({"strategies": [HAND_MADE, "linear_probe"], "progress": False} | arguments))


def test_it_draws_rows_for_one_number_of_shots_and_curves_for_several(comparison, backbone, images):
    axis = Figure().subplots()
    assert comparison.draw(axis) is axis
    assert axis.get_xlabel() == "training pictures per class"
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["from scratch", "hand made", "linear probe"]
    one = tl.compare(backbone, images, [HAND_MADE, "linear_probe"], shots=1, seeds=1, progress=False)
    axis = one.draw(Figure().subplots())
    assert [label.get_text() for label in axis.get_yticklabels()] == ["hand made", "linear probe"]
    assert any("can't tell" in text.get_text() for text in axis.texts)


def test_it_shows_itself_as_its_table(comparison):
    assert "linear_probe" in comparison._repr_html_()
    assert "verdict" in repr(comparison)


def test_a_head_that_is_solved_for_a_target_domain_isnt_taken_for_a_plain_probe(backbone, images):
    adapted = tl.adaptation.get("coral")
    with pytest.raises(ValueError, match=r"target: None, but strategy 'coral' adapts to a target domain"):
        tl.compare(backbone, images, ["linear_probe", adapted], 1, 1, baseline="linear_probe", progress=False)


@pytest.fixture(scope="module")
def official():
    """Training pictures, and a fixed test set whose list of classes is another."""
    photos = tl.load_images("styles", domain="photo").select(classes=["bird", "bug", "tool"])
    train, test = photos.split(test_fold=2)
    return train, test.with_classes(["tool", "bug", "bird", "unused"])


@pytest.fixture(scope="module")
def fixed(backbone, official):
    train, test = official
    arms = [SHORT, HAND_MADE, "linear_probe", tl.Strategy([tl.Phase(["head"], None)] * 2, name="solved")]
    return tl.compare(backbone, train, arms, shots=[1, 3], seeds=4, progress=False, test=test)


@pytest.mark.slow
def test_a_fixed_test_set_tests_every_run(fixed, official, backbone):
    train, test = official
    assert list(fixed.runs.columns) == RUN_COLUMNS and list(fixed.table.columns) == TABLE_COLUMNS
    assert set(fixed.runs["fold"]) == {-1}
    labels = [test.classes[label] for label in test.labels]
    for _, run in fixed.predictions.groupby(["strategy", "shots", "seed"]):
        assert run["picture"].tolist() == test.names.tolist()
        assert run["label"].tolist() == labels
    run = tl.transfer(backbone, train.few(3, seed=2), SHORT, seed=2, progress=False)
    one = fixed.predictions.query("strategy == 'from_scratch' and shots == 3 and seed == 2")
    assert one["predicted"].tolist() == run.evaluate(test).predictions["predicted"].tolist()
    assert fixed.description["test"] == repr(test.with_classes(train.classes))
    assert "test" not in tl.compare(backbone, train, [HAND_MADE, "linear_probe"], 1, 1, progress=False).description


def compute_interval_slowly(values, groups, level):
    """Interval of the mean of [{picture: value}] of seeds, by Cameron, Gelbach and Miller's sums over pairs."""
    cells = [(seed, groups[picture], value) for seed, row in enumerate(values) for picture, value in row.items()]
    mean = sum(value for *_, value in cells) / len(cells)

    def sum_pairs(is_same, n_clusters):
        total = sum((a[2] - mean) * (b[2] - mean) for a in cells for b in cells if is_same(a, b))
        return total / len(cells) ** 2 * n_clusters / (n_clusters - 1)

    n_seeds, n_groups = len(values), len(set(groups.values()))
    of_seeds = sum_pairs(lambda a, b: a[0] == b[0], n_seeds)
    of_groups = sum_pairs(lambda a, b: a[1] == b[1], n_groups)
    of_both = sum_pairs(lambda a, b: a[:2] == b[:2], n_seeds * n_groups)
    variance = max(of_seeds + of_groups - of_both, of_seeds, of_groups)
    half_width = stats.t.ppf((1 + level) / 2, min(n_seeds, n_groups) - 1) * variance**0.5
    return mean - half_width, mean + half_width


@pytest.mark.slow
def test_intervals_of_a_fixed_test_set_are_over_seeds_and_pictures(fixed):
    groups = dict(zip(fixed.predictions["picture"], fixed.predictions["group"], strict=True))
    right = {
        (*cell, seed): dict(zip(run["picture"], 1.0 * (run["label"] == run["predicted"]), strict=True))
        for *cell, seed, run in ((*key, run) for key, run in fixed.predictions.groupby(["strategy", "shots", "seed"]))
    }
    for row in fixed.table.itertuples():
        arm, baseline = ([right[name, row.shots, seed] for seed in range(4)] for name in (row.strategy, "from_scratch"))
        assert (row.accuracy_low, row.accuracy_high) == pytest.approx(compute_interval_slowly(arm, groups, 0.95))
        if row.strategy != "from_scratch":
            gains = [{name: run[name] - other[name] for name in run} for run, other in zip(arm, baseline, strict=True)]
            low, high = compute_interval_slowly(gains, groups, 1 - 0.05 / len(fixed.verdicts))
            assert (row.gain_low, row.gain_high) == pytest.approx((low, high))
            assert fixed.verdicts[row.strategy, row.shots] == give_verdict(low, high)
    assert fixed.draw(Figure().subplots()).get_legend()


@pytest.mark.slow
def test_a_learning_curve_takes_a_fixed_test_set(backbone, official, fixed):
    train, test = official
    arms = [SHORT, HAND_MADE]
    curve = tl.learning_curve(backbone, train, arms, [1, 3, "all"], seeds=4, progress=False, test=test)
    here = curve.table[curve.table["shots"] < 4].sort_values(["shots", "strategy"])
    there = fixed.table[fixed.table["strategy"].isin(["from_scratch", HAND_MADE])].sort_values(["shots", "strategy"])
    for column in ("accuracy", "accuracy_low", "accuracy_high"):
        assert here[column].to_numpy() == pytest.approx(there[column].to_numpy())
    assert curve.table["n_train"].max() == len(train)
    # The solved head has the same training pictures with each seed; the test pictures alone leave it uncertain.
    (row,) = curve.table.query("n_train == @train.shape[0] and strategy == 'hand_made'").itertuples()
    assert row.accuracy_low < row.accuracy < row.accuracy_high
    assert len(curve.shots_for(0.5)) == 2


def make_copies(train, test):
    """Return a test set with a training picture under another name, in its group or in another one."""
    copied = train[[3]]
    return dataclasses.replace(copied, names=["elsewhere/a.png"]), dataclasses.replace(
        copied, names=["elsewhere/a.png"], groups=["another"]
    )


def test_pictures_of_both_sets_are_data_leakage(backbone, official):
    train, test = official
    in_its_group, in_another = make_copies(train, test)
    name = str(train.names[3])
    message = f"test: 1 of {len(test) + 1} pictures are also training pictures .data leakage., for example "
    message += f"'elsewhere/a.png', there '{name}': remove these files, or "
    arms = [HAND_MADE, "linear_probe"]
    with pytest.raises(ValueError, match=message + "pass images.disjoint_from"):
        tl.compare(backbone, train, arms, 1, 2, progress=False, test=test + in_its_group)
    with pytest.raises(ValueError, match=message + "give both copies one group"):
        tl.compare(backbone, train, arms, 1, 2, progress=False, test=test + in_another)
    both = test + in_its_group
    compared = tl.compare(backbone, train.disjoint_from(both), arms, 1, 2, progress=False, test=both)
    assert "elsewhere/a.png" in set(compared.predictions["picture"])
    # Other pictures of one group, for example of one patient, are named too.
    grouped = dataclasses.replace(test, groups=[*train.groups[:2], *test.groups[2:]])
    with pytest.warns(
        UserWarning, match=f"test: 2 of {len(test)} pictures share groups with training pictures"
    ) as caught:
        tl.compare(backbone, train, arms, 1, 2, progress=False, test=grouped)
    assert caught[0].filename == __file__


def test_a_test_set_that_does_not_fit_is_refused(backbone, official):
    train, test = official
    arms = {"strategies": [HAND_MADE, "linear_probe"], "progress": False}
    other = tl.load_images("styles", domain="photo").select(classes=["bird", "flower"])
    with pytest.raises(
        ValueError, match=r"test \(select\(classes=…\) leaves out others\): 'flower' is unknown; known: 'bi"
    ):
        tl.compare(backbone, train, **arms, test=other)
    with pytest.raises(ValueError, match="test: 0 pictures, none of a known class, expected one or more"):
        tl.compare(backbone, train, **arms, test=test[:0])
    with pytest.raises(TypeError, match="test: a str, expected an ImageSet"):
        tl.compare(backbone, train, **arms, test="photos")


def test_training_pictures_of_one_class_are_refused_with_a_way_out(backbone, official):
    train, test = official
    (bird, *_), bugs = (np.flatnonzero(train.labels == train.classes.index(name)) for name in ("bird", "bug"))
    lopsided = dataclasses.replace(train[[bird, *bugs]], folds=np.arange(len(bugs) + 1) % 5)
    arms = [HAND_MADE, "linear_probe"]
    with (
        pytest.warns(UserWarning, match="every picture of bird is on the test side"),
        pytest.raises(ValueError, match=r"images: with seed 0, training pictures are only of \['bug'\], expected two"),
    ):
        tl.compare(backbone, lopsided, arms, 1, 5, progress=False)
    fixed = tl.compare(backbone, lopsided, arms, 1, 2, progress=False, test=test.select(classes=["bird", "bug"]))
    assert len(fixed.runs) == 4


def test_each_run_is_handed_over_when_it_ends(backbone, images):
    handed = []

    def note(runs, predictions):
        handed.append((runs, predictions))
        if len(handed) == 3:
            raise OSError("the disk is full")

    arms, settings = [HAND_MADE, "linear_probe"], {"shots": 1, "seeds": 2, "progress": False}
    with pytest.raises(OSError, match="the disk is full"):
        tl.compare(backbone, images, arms, **settings, on_run=note)
    with pytest.raises(TypeError, match="on_run: 'note', expected a function or None"):
        tl.compare(backbone, images, arms, **settings, on_run="note")
    whole = tl.compare(backbone, images, arms, **settings)
    assert [len(runs) for runs, _ in handed] == [1, 1, 1]
    columns = [column for column in RUN_COLUMNS if column not in COSTS]
    assert pd.concat([runs for runs, _ in handed], ignore_index=True)[columns].equals(whole.runs[columns][:3])
    together = pd.concat([predictions for _, predictions in handed], ignore_index=True)
    assert together.equals(whole.predictions[: len(together)])


def test_a_small_set_is_refused_with_what_compare_can_do(backbone, images):
    few = images.select(classes=["bird", "bug"])
    few = dataclasses.replace(few, folds=[-1] * len(few)).few(4)
    message = "images: 8 pictures, at most 4 per class, in 8 groups, expected 5 or more in a class.*pass other pict"
    with pytest.raises(ValueError, match=message):
        tl.compare(backbone, few, [HAND_MADE, "linear_probe"], 1, 2, progress=False)
