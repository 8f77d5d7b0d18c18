"""The course of a training: phases and epochs selected as the training itself had them, the gap, and the drawing."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

import tlkit as tl
from tlkit.evaluation import measure_log_loss
from tlkit.inspection import summarise_training
from tlkit.plots import draw_training
from tlkit.training.transfer import _hold_out

pytestmark = pytest.mark.filterwarnings("ignore:images. .* were trained on")


def make_run(losses, n_epochs, patience=None, completed=True, n_train=100, validation=0.2):
    """Return a run for `summarise_training`: epochs with these validation losses, phases of so many epochs."""
    history = []
    for place, loss in enumerate(losses):
        row = {"epoch": place + 1, "loss": 0.1 * place, "accuracy": 0.9}
        history.append(row | ({} if loss is None else {"validation_loss": loss, "validation_accuracy": 0.7}))
    phases = [{"train": ["head"]} | ({} if n is None else {"n_epochs": n}) for n in n_epochs]
    strategy = {"name": "made", "phases": phases, "patience": patience, "validation": validation}
    return SimpleNamespace(history=history, strategy=strategy, completed=completed, n_train=n_train)


def read_selected(run):
    table = summarise_training(run).table
    return table["phase"].tolist(), table.loc[table["selected"], "epoch"].tolist()


def test_the_epoch_with_the_smallest_validation_loss_of_each_phase_is_taken_the_first_of_equal_ones():
    assert read_selected(make_run([3, 1, 1, 2, 5, 4], [3, 3])) == ([1, 1, 1, 2, 2, 2], [2, 4])


def test_a_phase_that_patience_ended_is_told_from_the_next():
    # The first of up to four epochs is the best: with a patience of 1 the second ends the phase.
    assert read_selected(make_run([1, 2, 3, 2, 1], [4, 3], patience=1)) == ([1, 1, 2, 2, 2], [1, 5])


def test_solved_heads_have_no_epochs_and_without_pictures_held_out_the_last_epoch_is_taken():
    assert read_selected(make_run([None, None], [None, 2], validation=0.0)) == ([2, 2], [2])


def test_of_an_interrupted_phase_none_is_taken():
    run = make_run([2, 1, 3], [2, 4], completed=False)
    assert read_selected(run) == ([1, 1, 2], [2])
    assert summarise_training(make_run([2, 1], [4], completed=False)).selected["epoch"] == 2


def test_gaps_are_those_of_the_epoch_that_was_taken():
    curves = summarise_training(make_run([2.0, 1.0, 3.0], [3]))
    assert curves.loss_gap == pytest.approx(1.0 - 0.1)
    assert curves.accuracy_gap == pytest.approx(0.2)
    assert curves.n_held_out == 20
    assert math.isnan(summarise_training(make_run([None], [1], validation=0.0)).loss_gap)


def test_a_run_without_epochs_is_refused():
    with pytest.raises(ValueError, match=r"run: .* has no epochs, since its head was solved"):
        summarise_training(make_run([], [None]))


@pytest.fixture(scope="module")
def run():
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(6)
    strategy = tl.Strategy([tl.Phase(["head"], 3, 3e-1), tl.Phase(["head", -1], 3, 3e-2)], name="made")
    backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    return tl.transfer(backbone, images, strategy, validation=0.34, patience=1, progress=False)


@pytest.mark.slow
def test_a_real_run_has_the_weights_of_the_epoch_that_is_marked(run):
    curves = summarise_training(run)
    assert set(curves.table["phase"]) == {1, 2}
    images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(6)
    _, held = _hold_out(images, 0.34, 0)
    evaluation = run.evaluate(held)
    log_loss = measure_log_loss(evaluation.probabilities, evaluation.labels, floor=0)
    assert log_loss == pytest.approx(curves.selected["validation_loss"], rel=1e-4)
    assert curves.n_held_out == pytest.approx(len(held), abs=2)


@pytest.mark.parametrize("score", ["loss", "accuracy"])
def test_the_drawing_shows_both_sides_and_rings_what_was_taken(score):
    curves = summarise_training(make_run([3, 1, 2, 5, 4], [3, 2]))
    ax = draw_training(curves, Figure().subplots(), score=score)
    learned, held, ring, border = ax.lines
    assert learned.get_xydata().tolist() == curves.table[["epoch", score]].to_numpy().tolist()
    assert held.get_xydata().tolist() == curves.table[["epoch", f"validation_{score}"]].to_numpy().tolist()
    np.testing.assert_array_equal(ring.get_xdata(), [2, 5])
    assert border.get_xdata() == [3.5, 3.5]
    assert learned.get_marker() != held.get_marker()
    assert learned.get_linestyle() != held.get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "training pictures",
        "held-out pictures",
        "weights used",
    ]
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == {"loss": "loss (nats)", "accuracy": "accuracy (share correct)"}[score]


def test_without_pictures_held_out_one_line_is_drawn():
    ax = draw_training(summarise_training(make_run([None, None], [2], validation=0.0)), Figure().subplots())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training pictures", "weights used"]


def test_another_score_is_refused(run):
    with pytest.raises(ValueError, match="score: 'los' is unknown; nearest: 'loss'"):
        draw_training(summarise_training(run), Figure().subplots(), score="los")
