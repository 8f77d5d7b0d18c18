"""Comparisons: every arm on the same pictures, complete tables, honest ends."""

import signal
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

import tlkit as tl
from tlkit.comparison.arms import HAND_MADE
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
