"""The drawing of a freeze score: what is in which cell, in gray too, in words where there is room."""

import numpy as np
import pandas as pd
import pytest
from made_networks import make_tiny_backbone
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import tlkit as tl
from tlkit.plots.freeze_score import draw_freeze_score, list_rate_colours, make_rate_scale
from tlkit.plots.freeze_score_runs import RUNS_SIZE_INCHES, draw_score_accuracies, draw_training_curves, render_runs
from tlkit.summaries.freeze_score import make_score

SCORE = tl.Strategy(
    [
        tl.Phase(["head"], None),
        tl.Phase(["stage1", "head"], 2, {"stage1": 1e-4, "head": 1e-3}, augment="flip"),
        tl.Phase(["all"], 3, 3e-4, norm_statistics="moving"),
    ],
    name="my_own",
)


def draw(strategy, size_inches=(8, 4), **settings):
    figure = Figure(figsize=size_inches, layout="constrained")
    ax = draw_freeze_score(strategy, make_tiny_backbone(), figure.subplots(), **settings)
    figure.draw_without_rendering()
    return ax


def words(ax):
    """Return {(row, middle of the columns): word}."""
    return {
        (round(text.get_position()[1]), text.get_position()[0]): text.get_text() for text in ax.texts if text.get_gid()
    }


def test_the_cells_hold_the_learning_rates_and_what_is_frozen_is_none():
    ax = draw(SCORE)
    values = ax.collections[0].get_array()
    expected = np.array([[0, 0, 0, 3, 3, 3], [0, 1, 1, 3, 3, 3], [0, 10, 10, 3, 3, 3]]) * 1e-4
    np.testing.assert_allclose(values.filled(0), expected)
    assert ax.patch.get_hatch()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["stem", "stage1", "head"]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["solve", "1", "2", "3", "4", "5"]
    assert ax.get_ylim() == (2.5, -0.5)  # stages down, the head last
    assert ax.get_title(loc="left") == "my own"


def test_a_solved_head_is_a_star_in_its_row_and_phases_are_parted():
    ax = draw(SCORE)
    star, *borders = ax.lines
    assert (star.get_marker(), star.get_xydata().tolist()) == ("*", [[0, 2]])
    assert [line.get_xdata()[0] for line in borders] == [0.5, 2.5]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["frozen", "head solved"]


def test_rates_are_written_once_a_phase_where_there_is_room():
    assert words(draw(SCORE)) == {
        **{(0, 1.5): "frozen", (1, 1.5): "1e-4", (2, 1.5): "1e-3"},
        **{(row, 4): "3e-4" for row in range(3)},
    }
    assert not words(draw(SCORE, (2, 4)))
    assert not words(draw(SCORE, (8, 1)))


def test_words_stay_within_their_cells():
    ax = draw(SCORE)
    for text in ax.texts:
        if text.get_gid():
            box = text.get_window_extent().transformed(ax.transData.inverted())
            n_columns = 2 if text.get_position()[0] == 1.5 else 3
            assert abs(box.width) < n_columns
            assert abs(box.height) < 1


@pytest.mark.slow
def test_what_a_phase_has_beside_its_rates_is_said():
    notes = [text.get_text() for text in draw(SCORE).texts if not text.get_gid()]
    assert notes == ["augmented: flip", "norm statistics move"]
    scratch = draw("from_scratch")
    assert scratch.get_title(loc="left") == "from scratch (first reinitialise, at the end finish norm statistics)"
    assert [text.get_text() for text in scratch.texts if not text.get_gid()] == [
        "augmented: crop, norm statistics move"
    ]
    assert scratch.get_legend() is None
    rates = (1e-3, 1e-4)
    again = draw(tl.Strategy([tl.Phase(["all"], 1, rate, augment="flip") for rate in rates]))
    assert [text.get_text() for text in again.texts if not text.get_gid()] == ["augmented: flip"]
    pulled = [text.get_text() for text in draw("l2_sp").texts if not text.get_gid()]
    assert pulled == ["penalty: l2 sp penalty_weight 0.1"]


def test_norm_layers_have_a_row_of_their_own():
    ax = draw("norm_only")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["stem", "stage1", "all norms", "head"]
    assert words(ax)[2, 3.5] == "2e-3"


def test_phases_that_depend_on_the_number_of_pictures_are_drawn_for_it():
    few, many = (draw("by_size", n_train=n_train) for n_train in (400, 4000))
    assert (few.get_xlim()[1], many.get_xlim()[1]) == (10.5, 6.5)


@pytest.mark.parametrize("name", tl.strategies.names())
def test_every_known_strategy_can_be_drawn(name):
    backbone = tl.load_backbone("squeezenet1_1", weights=None, image_size_px=32)
    ax = draw_freeze_score(name, backbone, Figure().subplots())
    assert ax.get_xlim()[1] == len(make_score(tl.strategies.get(name), backbone, 100).marks) - 0.5


def test_faster_is_darker_and_the_scale_is_the_same_for_usual_rates():
    scale = list_rate_colours([0, 1e-4, 3e-3])
    assert (scale["low"], scale["high"]) == pytest.approx((1e-5, 1e-2))
    # Weights of the eye's three receptors, as pictures are turned to gray.
    grays = [np.dot(to_rgb(colour), (0.299, 0.587, 0.114)) for colour, _ in scale["colours"]]
    assert (np.diff(grays) < -0.01).all()
    norm, _ = make_rate_scale([0.2, 3e-7])
    assert (norm.vmin, norm.vmax) == pytest.approx((1e-7, 1))


def test_words_stand_out_from_their_ground():
    def luminance(colour):
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(colour)]
        return np.dot(linear, (0.2126, 0.7152, 0.0722))

    for colours in list_rate_colours([])["colours"]:
        darker, lighter = sorted(map(luminance, colours))
        assert (lighter + 0.05) / (darker + 0.05) > 4.5  # as the accessibility guidelines ask of small text


HISTORY = [{"epoch": epoch, "loss": 2 / epoch, "accuracy": 1 - 0.5 / epoch} for epoch in (1, 2, 3)]
TABLE = pd.DataFrame(
    {"score": ["lp_ft", "painted"], "accuracy": [0.5, 0.7], "accuracy_low": [0.4, 0.6], "accuracy_high": [0.6, 0.9]}
)


def test_curves_and_accuracies_are_drawn_as_they_are():
    loss, accuracy, results = Figure().subplots(1, 3)
    draw_training_curves(HISTORY, 5, loss, accuracy)
    assert loss.lines[0].get_xydata().tolist() == [[1, 2], [2, 1], [3, 2 / 3]]
    assert accuracy.lines[0].get_ydata().tolist() == [row["accuracy"] for row in HISTORY]
    assert loss.get_xlim() == (0.5, 5.5)
    draw_score_accuracies(TABLE, results)
    assert [tick.get_text() for tick in results.get_yticklabels()] == ["lp ft", "painted"]
    bars = [container.lines[2][0].get_segments()[0].tolist() for container in results.containers]
    np.testing.assert_allclose(bars, [[[0.4, 0], [0.6, 0]], [[0.6, 1], [0.9, 1]]])


@pytest.mark.parametrize(("history", "table"), [([], TABLE[:0]), (HISTORY, TABLE)])
def test_runs_are_rendered_with_and_without_anything_to_show(history, table):
    drawing = render_runs(history, 5, table)
    width, height = (f"{72 * side:g}" for side in RUNS_SIZE_INCHES)
    assert f'viewBox="0 0 {width} {height}"' in drawing
    assert ("loss 2 after epoch 1\nloss 1 after epoch 2" in drawing) == bool(history)
    assert drawing.count("(95 % interval") == len(table)
