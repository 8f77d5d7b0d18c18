"""Learning curves: nested draws, features looked up once, honest tables, crossings, and their drawing."""

import itertools
import math
import signal

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import tlkit as tl
from tlkit.comparison.arms import HAND_MADE
from tlkit.comparison.crossings import CROSSES
from tlkit.comparison.curve_results import summarise_curve
from tlkit.comparison.learning_curve import ALL_SHOTS
from tlkit.evaluation.gains import give_verdict
from tlkit.evaluation.intervals import t_interval
from tlkit.plots.curves import draw_learning_curve

ARMS = [HAND_MADE, "linear_probe", tl.Probe("ridge"), tl.Probe("prototype", stage="stage2", name="early")]
NAMES = [HAND_MADE, "linear_probe", "ridge_probe", "early"]
SHOTS = [1, 3, 6]


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool", "flower"])


@pytest.fixture(scope="module")
def backbone():
    return tl.load_backbone("mobilenet_v3_small", weights=None, image_size_px=32)


@pytest.fixture(scope="module")
def watched(backbone, images):
    """A curve, and what was extracted and fitted for it: (curve, outputs, arguments of each fit)."""
    outputs, fitted = [], []
    assert tl.transfer  # modules that import what is watched by name have done so by now, and keep the real one

    def watch(real, note):
        def watching(*arguments, **settings):
            note(arguments, settings)
            return real(*arguments, **settings)

        return watching

    with pytest.MonkeyPatch.context() as patch:
        extract = watch(tl.extract_features, lambda arguments, settings: outputs.append(settings["stage"]))
        fit = watch(tl.fit_head, lambda arguments, settings: fitted.append((arguments, settings)))
        patch.setattr("tlkit.features.extract.extract_features", extract)
        patch.setattr("tlkit.heads.fit_head", fit)
        # Shots in another order than they are drawn in.
        curve = tl.learning_curve(backbone, images, ARMS, shots=[3, 1, 6], seeds=3, progress=False)
    return curve, outputs, fitted


@pytest.fixture(scope="module")
def curve(watched):
    return watched[0]


def make_curve(accuracies, shots, n_seeds=5):
    """A curve of {strategy: (n_shots, n_seeds) accuracies}, each seed with its own fold."""
    rows = [
        {"strategy": strategy, "shots": n_shots, "seed": seed, "fold": seed, "accuracy": table[place][seed]}
        for seed in range(n_seeds)
        for place, n_shots in enumerate(shots)
        for strategy, table in accuracies.items()
    ]
    costs = {"n_steps": 0, "duration_s": 0.1, "peak_memory_mib": 300.0}
    runs = pd.DataFrame(rows).assign(balanced_accuracy=0.5, n_train=lambda table: 4 * table["shots"], **costs)
    return summarise_curve(runs, None, {})


@pytest.fixture(scope="module")
def crossing_curve():
    """Two arms, one steeper, that meet at 4 shots, and a third that is always behind."""
    shots = np.array([1, 2, 8, 16])
    noise = 0.02 * np.random.default_rng(0).normal(size=(3, 4, 5))
    means = {"linear_probe": 0.6 + 0 * shots, "fine_tune": 0.4 + 0.1 * np.log2(shots), HAND_MADE: 0.1 + 0 * shots}
    return make_curve({name: mean[:, None] + noise[i] for i, (name, mean) in enumerate(means.items())}, shots.tolist())


def test_every_cell_of_the_grid_is_in_the_tables_in_order(curve):
    assert curve.table[["strategy", "shots"]].values.tolist() == [list(p) for p in itertools.product(NAMES, SHOTS)]
    scores = ["accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy"]
    assert list(curve.table.columns) == ["strategy", "shots", "n_train", *scores, "n_seeds", "duration_s"]
    assert curve.table["n_train"].tolist() == [4, 12, 24] * 4
    assert set(curve.table["n_seeds"]) == {3}
    assert len(curve.runs) == 36


def test_means_and_intervals_are_those_of_the_runs(curve):
    for row in curve.table.itertuples():
        runs = curve.runs[(curve.runs["strategy"] == row.strategy) & (curve.runs["shots"] == row.shots)]
        assert row.accuracy == pytest.approx(sum(runs["accuracy"]) / 3)
        assert (row.accuracy_low, row.accuracy_high) == pytest.approx(t_interval(runs["accuracy"]))


def test_draws_are_nested_and_the_same_for_all_arms(watched):
    _, _, fitted = watched
    assert len(fitted) == 36
    for seed, of_seed in enumerate(_batch(fitted, 12)):  # in the order of running: seeds, in them shots, in them arms
        draws = []
        for of_shots in _batch(of_seed, 4):
            names = [frozenset(features.names) for (features, _kind), _settings in of_shots]
            assert len(set(names)) == 1
            assert [kind for (_features, kind), _settings in of_shots] == ["ridge", "logistic", "ridge", "prototype"]
            assert {settings["seed"] for _arguments, settings in of_shots} == {seed}
            draws.append(names[0])
        few, more, most = draws
        assert (len(few), len(more), len(most)) == (4, 12, 24)
        assert few < more < most


def _batch(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def test_features_are_computed_once_for_all_arms_that_share_them(watched):
    assert watched[1] == [None, "stage2"]


def test_a_probe_of_a_stage_equals_a_head_on_its_features(curve, backbone, images):
    train, test = images.split(test_fold=2)
    for name, stage, kind in (("early", "stage2", "prototype"), ("ridge_probe", None, "ridge")):
        learned, tested = (
            tl.extract_features(backbone, part, progress=False, stage=stage) for part in (train.few(6, seed=2), test)
        )
        expected = tl.fit_head(learned, kind).score(tested)
        run = curve.runs[(curve.runs["strategy"] == name) & (curve.runs["shots"] == 6) & (curve.runs["seed"] == 2)]
        assert run["accuracy"].item() == pytest.approx(expected)


def test_a_convolutional_probe_takes_maps(backbone, images):
    probe = tl.Probe("conv", stage="stage3", n_channels=4, n_epochs=2)
    few = images.few(6)
    curve = tl.learning_curve(backbone, few, [probe], shots=2, seeds=1, progress=False)
    assert curve.table["strategy"].tolist() == ["conv_probe n_channels=4 n_epochs=2 until stage3"]
    assert curve.differences.empty
    assert curve.crossings.empty


def test_all_shots_are_the_whole_training_side_without_a_warning(backbone, images):
    curve = tl.learning_curve(backbone, images, [HAND_MADE], shots=[1, ALL_SHOTS], seeds=2, progress=False)
    sides = [images.split(test_fold=fold)[0] for fold in (0, 1)]
    largest = max(np.bincount(side.labels).max() for side in sides)
    assert curve.table["shots"].tolist() == [1, largest]
    assert curve.runs.loc[curve.runs["shots"] == largest, "n_train"].tolist() == [len(side) for side in sides]


@pytest.mark.slow
def test_what_there_is_too_little_for_is_told_once(backbone, images):
    probe = tl.Probe(l2_penalty="cross-validated")
    with pytest.warns(UserWarning) as caught:
        tl.learning_curve(backbone, images, [HAND_MADE, probe], shots=[1, 60], seeds=2, progress=False)
    told = sorted(str(warning.message)[:16] for warning in caught)
    assert told == ["l2_penalty: 'cro", "shots: 60 wanted"]


def test_differences_are_paired_by_seed(curve):
    runs = curve.runs.set_index(["strategy", "shots", "seed"])["accuracy"]
    pairs = [(later, earlier) for earlier, later in itertools.combinations(NAMES, 2)]
    places = set(curve.differences[["strategy", "baseline", "shots"]].itertuples(index=False, name=None))
    assert places == {(*pair, n) for pair in pairs for n in SHOTS}
    for row in curve.differences.itertuples():
        gains = [runs[row.strategy, row.shots, n] - runs[row.baseline, row.shots, n] for n in range(3)]
        assert row.gain == pytest.approx(sum(gains) / 3)
        assert (row.gain_low, row.gain_high) == pytest.approx(t_interval(gains))
        assert row.verdict == give_verdict(row.gain_low, row.gain_high)


def test_a_planted_crossing_stands_in_the_table(crossing_curve):
    rows = {(row.strategy, row.baseline): row for row in crossing_curve.crossings.itertuples()}
    assert set(rows) == {("fine_tune", "linear_probe"), (HAND_MADE, "linear_probe"), (HAND_MADE, "fine_tune")}
    crossing = rows["fine_tune", "linear_probe"]
    assert crossing.verdict == CROSSES
    assert (crossing.ahead_before, crossing.ahead_after) == ("linear_probe", "fine_tune")
    assert 2 < crossing.shots_low < 4 < crossing.shots_high < 8
    behind = rows[HAND_MADE, "linear_probe"]
    assert (behind.verdict, behind.ahead_before, behind.ahead_after) == ("no crossing",) + ("linear_probe",) * 2
    assert math.isnan(behind.shots)


def test_seeds_that_share_a_fold_are_paired_picture_by_picture(backbone, images):
    arms = [HAND_MADE, tl.Probe("prototype")]
    curve = tl.learning_curve(backbone, images, arms, shots=[1, 6], seeds=[0, 5], progress=False)
    predictions, here = curve.predictions, (curve.differences["shots"] == 6)
    row = curve.differences[here].iloc[0]
    gains = curve.runs[curve.runs["shots"] == 6].pivot(index="seed", columns="strategy", values="accuracy")
    gains = gains["prototype_probe"] - gains[HAND_MADE]
    assert set(predictions["fold"]) == {0}
    assert row["gain"] == pytest.approx(gains.mean())
    assert row["gain_high"] - row["gain_low"] > np.diff(t_interval(gains)).item()
    assert len(curve.crossings) == 1


def test_shots_for_an_accuracy_are_read_off_between_the_numbers_measured(crossing_curve):
    table = crossing_curve.shots_for(0.6).set_index("strategy")
    row = table.loc["fine_tune"]
    means = crossing_curve.table[crossing_curve.table["strategy"] == "fine_tune"].set_index("shots")["accuracy"]
    share = (0.6 - means[2]) / (means[8] - means[2])
    assert row["shots"] == pytest.approx(2 * 4**share)
    assert 2 < row["shots_low"] < row["shots"] < row["shots_high"] < 8
    assert table.loc[HAND_MADE].isna().all()  # never reached
    assert crossing_curve.shots_for(0.05).set_index("strategy").isna().all(axis=None)  # passed from the beginning


def test_an_accuracy_that_was_passed_and_lost_again_is_not_reached_there():
    falling = make_curve({"fine_tune": np.array([0.7, 0.5])[:, None] + np.linspace(-0.01, 0.01, 5)}, [1, 16])
    assert falling.shots_for(0.6)[["shots", "shots_low", "shots_high"]].isna().all(axis=None)


@pytest.mark.parametrize("accuracy", [0, 1, 60, "0.6", math.nan])
def test_an_accuracy_that_is_no_fraction_is_refused(crossing_curve, accuracy):
    error = TypeError if accuracy == "0.6" else ValueError
    with pytest.raises(error, match=r"accuracy: .*, expected a number above 0 and below 1"):
        crossing_curve.shots_for(accuracy)


def test_it_shows_itself_with_what_crosses(crossing_curve):
    first, second = repr(crossing_curve).splitlines()
    assert first == "LearningCurve(linear_probe, fine_tune, hand_made; 1, 2, 8, 16 shots; 5 seeds)"
    assert second.startswith("fine_tune overtakes linear_probe at ")
    assert "ahead_after" in crossing_curve._repr_html_()


def test_ctrl_c_keeps_the_seeds_that_all_arms_have_done(backbone, images, monkeypatch):
    real, n_fitted = tl.fit_head, itertools.count(1)

    def interrupted(*arguments, **settings):
        if next(n_fitted) == stop_at:
            signal.raise_signal(signal.SIGINT)
        return real(*arguments, **settings)

    monkeypatch.setattr("tlkit.heads.fit_head", interrupted)
    arms = [HAND_MADE, tl.Probe("prototype")]
    stop_at = 12  # of four a seed
    with pytest.warns(UserWarning, match="interrupted; the 2 seeds") as caught:
        curve = tl.learning_curve(backbone, images, arms, shots=[1, 2], seeds=4, progress=False)
    assert caught[0].filename == __file__
    assert set(curve.runs["seed"]) == set(curve.predictions["seed"]) == {0, 1}
    assert len(curve.runs) == 8
    n_fitted = itertools.count(1)
    stop_at = 2
    with pytest.raises(KeyboardInterrupt):
        tl.learning_curve(backbone, images, arms, shots=[1, 2], seeds=4, progress=False)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"strategies": []}, ValueError, r"strategies: \[\], expected at least one"),
        ({"strategies": [tl.Probe(), tl.Probe()]}, ValueError, "two are called 'logistic_probe'"),
        ({"strategies": [tl.Probe(stage="stage44")]}, ValueError, "stage44.*nearest: 'stage4'"),
        ({"shots": [1, "every"]}, ValueError, r"shots: \[1, 'every'\], expected whole numbers of at least 1, or 'all'"),
        ({"shots": [0]}, ValueError, "shots: 0, expected a whole number of at least 1"),
        ({"seeds": 0}, ValueError, "seeds: 0, expected a whole number of at least 1"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_computed(
    backbone, images, monkeypatch, arguments, error, message
):
    monkeypatch.setattr("tlkit.comparison.arms.run_cells", None)
    monkeypatch.setattr("tlkit.features.extract.extract_features", None)
    with pytest.raises(error, match=message):
        tl.learning_curve(backbone, images, **({"strategies": [HAND_MADE], "progress": False} | arguments))


def test_a_probe_that_no_head_fits_is_refused_at_once():
    with pytest.raises(ValueError, match="kind: 'rigde' is unknown; nearest: 'ridge'"):
        tl.Probe("rigde")
    with pytest.raises(TypeError, match="n_neighbours: no setting of a 'knn' head; nearest: 'n_neighbors'"):
        tl.Probe("knn", n_neighbours=3)
    with pytest.raises(TypeError, match="name: 3 is a int, expected a str"):
        tl.Probe("knn", name=3)


def test_the_drawing_names_shots_and_tells_arms_apart_in_gray(crossing_curve):
    ax = Figure().subplots()
    assert crossing_curve.draw(ax) is ax
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "8", "16"]
    assert ax.get_xscale() == "log"
    assert "training pictures per class" in ax.get_xlabel()
    assert "share correct" in ax.get_ylabel()
    lines, labels = ax.get_legend_handles_labels()
    assert labels == ["linear probe", "fine tune", "hand made"]
    assert len({line.get_linestyle() for line in lines}) == len({line.get_marker() for line in lines}) == 3
    assert len(ax.collections) == 3  # bands


def test_a_crossing_is_a_bar_as_long_as_its_interval_that_no_curve_reaches(crossing_curve):
    ax = draw_learning_curve(crossing_curve, Figure().subplots())
    row = crossing_curve.crossings.iloc[0]
    (bar,) = [line for line in ax.lines if line.get_marker() == "|"]
    assert list(bar.get_xdata()) == [row["shots_low"], row["shots_high"]]
    (text,) = [text.get_text() for text in ax.texts]
    assert text.startswith("fine tune overtakes linear probe at ")
    bottom, top = ax.get_ylim()
    height = bottom + bar.get_ydata()[0] * (top - bottom)
    assert height < crossing_curve.table["accuracy_low"].min()


def test_a_curve_of_one_seed_is_drawn_without_bands(backbone, images):
    curve = tl.learning_curve(backbone, images, [HAND_MADE, "linear_probe"], shots=[1, 2], seeds=1, progress=False)
    ax = curve.draw(Figure().subplots())
    assert not ax.texts
    ax.get_figure().draw_without_rendering()
