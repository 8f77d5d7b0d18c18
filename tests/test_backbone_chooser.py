"""Choosing under a budget: who fits, who is best, and the chooser's view without a browser."""

import base64
import functools
import math

import numpy as np
import pandas as pd
import pytest
import traitlets
from made_drawings import count_drawings
from made_threads import count_inside
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tlkit.plots import draw_agreement
from tlkit.plots.backbone_choice import draw_choice
from tlkit.summaries.backbone_choice import Budget, choose, find_fitting
from tlkit.widgets import BackboneChooser


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "name": ["tiny", "small", "wide", "large"],
            "n_flops": pd.array([0.1e9, 0.4e9, 0.8e9, 31e9], "Int64"),
            "n_parameters": [1e6, 4e6, 60e6, 138e6],
            "image_size_px": [128, 224, 224, 224],
            "accuracy": pd.array([0.62, 0.70, 0.66, 0.73], "Float64"),
            "logme": [0.10, 0.20, 0.30, 0.15],
            "offline": [True, True, False, False],
        }
    )


@pytest.fixture
def chooser(table):
    return BackboneChooser(table, ["accuracy", "logme"])


@pytest.mark.parametrize(
    ("budget", "left"),
    [
        (Budget(), "tiny small wide large"),
        (Budget(n_flops=0.4e9), "tiny small"),
        (Budget(n_parameters=10e6), "tiny small"),
        (Budget(image_size_px=200), "tiny"),
        (Budget(n_flops=1e9, offline=True), "tiny small"),
        (Budget(n_flops=1e9, n_parameters=5e6, image_size_px=223), "tiny"),
        (Budget(n_flops=1), ""),
    ],
)
def test_a_budget_leaves_those_that_keep_each_limit(table, budget, left):
    assert table["name"][find_fitting(table, budget)].tolist() == left.split()


def test_an_unknown_cost_fits_only_where_it_is_not_limited(table):
    table.loc[0, "n_flops"] = None
    assert find_fitting(table, Budget(n_flops=1e12)).tolist() == [False, True, True, True]
    assert find_fitting(table, Budget()).all()


def test_a_budget_is_checked(table):
    with pytest.raises(ValueError, match="n_flops: -1, expected more than 0, or math"):
        Budget(n_flops=-1)
    with pytest.raises(ValueError, match="image_size_px: nan"):
        Budget(image_size_px=math.nan)
    with pytest.raises(ValueError, match="'n_parameters' is unknown"):
        find_fitting(table[["name"]], Budget(n_parameters=1e6))
    with pytest.raises(ValueError, match="'offline' is unknown"):
        find_fitting(table[["name"]], Budget(offline=True))


def test_the_best_within_a_budget_is_chosen_and_the_prediction_ranked(table):
    selection = choose(table, Budget(n_flops=1e9), score="accuracy", predicted="wide")
    assert (selection.best, selection.fits.tolist()) == (1, [True, True, True, False])
    assert selection.sentence == "3 of 4 candidates fit (at most 1.00 GFLOP per picture)."
    assert selection.outcome == (
        "Best of them by accuracy: small (0.700). You predicted wide: number 2 of 3, 0.040 behind."
    )
    assert choose(table, Budget(), score="logme", predicted="wide").outcome.endswith("wide: the best of 4.")
    within = choose(table, Budget(n_flops=1e9), score="accuracy", predicted="large")
    assert within.outcome.endswith("You predicted large, which doesn't fit this budget.")


def test_rows_are_told_by_position_whatever_the_index(table):
    shuffled = table.iloc[[3, 1, 0, 2]]
    assert choose(shuffled, Budget(n_flops=1e9), score="accuracy").best == 1


def test_a_budget_that_nobody_keeps_is_said(table):
    selection = choose(table, Budget(n_flops=1, offline=True), score="accuracy")
    assert selection.best is None
    assert selection.sentence == "0 of 4 candidates fit (at most 0.00 GFLOP per picture, weights on this machine)."
    assert "allow more" in selection.outcome
    table["accuracy"] = np.nan
    assert choose(table, Budget(), score="accuracy").best is None


def test_unknown_scores_and_names_are_refused(table):
    with pytest.raises(ValueError, match="score: 'acuracy' is unknown; nearest: 'accuracy'"):
        choose(table, Budget(), score="acuracy")
    with pytest.raises(ValueError, match="predicted: 'smal' is unknown; nearest: 'small'"):
        choose(table, Budget(), score="accuracy", predicted="smal")


@pytest.fixture
def ax():
    canvas = FigureCanvasAgg(Figure())
    return canvas.figure.subplots()


def drawn(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return np.column_stack(line.get_data()).tolist()


def test_what_is_over_budget_is_crossed_and_the_prediction_ringed(table, ax):
    selection = choose(table, Budget(n_flops=0.5e9), score="accuracy")
    draw_choice(table, selection, ax, score="accuracy", predicted="small")
    assert drawn(ax, "over budget") == [[0.8, 0.66], [31, 0.73]]
    assert drawn(ax, "your prediction") == [[0.4, 0.70]]
    assert {"tiny", "small"} == {text.get_text() for text in ax.texts}


def test_the_axes_stay_where_they_are_when_the_budget_changes(table, ax):
    limits = []
    for n_flops in (0.1e9, math.inf, 1):
        ax.clear()
        draw_choice(table, choose(table, Budget(n_flops=n_flops), score="accuracy"), ax, score="accuracy")
        limits.append((ax.get_xlim(), ax.get_ylim()))
    assert len(set(limits)) == 1
    assert limits[0][0][0] < 0.1
    assert limits[0][0][1] > 31


def test_agreement_is_drawn_a_row_a_score_with_its_interval(ax):
    agreement = pd.DataFrame(
        {
            "score": ["logme", "h", "n_flops"],
            "kind": ["score", "score", "costs nothing"],
            "tau": [0.7, np.nan, 0.4],
            "tau_low": [0.5, np.nan, -0.1],
            "tau_high": [0.8, np.nan, 0.7],
        }
    )
    draw_agreement(agreement, ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["logme", "GFLOP per picture"]
    bars = [collection.get_segments()[0].tolist() for collection in ax.collections]
    assert np.allclose(bars, [[[0.5, 0], [0.8, 0]], [[-0.1, 1], [0.7, 1]]])
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row is at the top


def is_hidden(chooser):
    return not chooser.drawing and not any("0.700" in row for row in chooser.candidates["cells"])


def choose_as_reader(chooser, **places):
    """Choose as the script does: positions of controls, and names of rows."""
    chooser.chosen = chooser.chosen | places


def offered(chooser):
    return [name for name, fits in zip(chooser.candidates["names"], chooser.candidates["fits"], strict=True) if fits]


def test_building_a_view_displays_nothing_and_shows_no_score(table, capsys):
    chooser = BackboneChooser(table)
    assert capsys.readouterr() == ("", "")
    assert is_hidden(chooser)
    assert chooser.candidates["cells"][1] == ["small", "0.40", "4.0", "224", "yes"]


def test_the_order_of_the_candidates_gives_no_score_away(table):
    chooser = BackboneChooser(table.sort_values("accuracy", ascending=False))
    assert chooser.candidates["names"] == ["tiny", "small", "wide", "large"]


def test_a_slider_limits_and_says_who_is_left(chooser):
    assert chooser.controls[0]["texts"] == (
        "0.10 GFLOP per picture",
        "0.40 GFLOP per picture",
        "0.80 GFLOP per picture",
        "no limit",
    )
    choose_as_reader(chooser, n_flops=1)
    assert chooser.budget == Budget(n_flops=0.4e9)
    assert offered(chooser) == ["tiny", "small"]
    assert chooser.candidates["cells"][2][-1] == "0.80 GFLOP per picture"
    assert chooser.status.startswith("2 of 4 candidates fit (at most 0.40 GFLOP per picture).")
    assert is_hidden(chooser)
    choose_as_reader(chooser, offline=1)
    assert chooser.budget.offline
    assert repr(chooser) == "BackboneChooser(2 of 4 candidates fit; no prediction yet)"


def test_scores_are_shown_once_a_prediction_is_kept(chooser):
    choose_as_reader(chooser, candidate="wide")
    assert chooser.candidate == "wide"
    assert is_hidden(chooser)
    choose_as_reader(chooser, predicted="wide")
    assert chooser.predicted == "wide"
    assert not is_hidden(chooser)
    assert "wide: 0.660" in chooser.drawing
    assert chooser.status.endswith(
        "Best of them by accuracy: large (0.730). You predicted wide: number 3 of 4, 0.070 behind."
    )
    assert chooser.candidates["names"] == ["large", "small", "wide", "tiny"]


def test_another_score_redraws(chooser):
    chooser.predicted = "wide"
    before = chooser.drawing
    choose_as_reader(chooser, score=1)
    assert chooser.score == "logme"
    assert chooser.drawing != before
    assert chooser.status.endswith("You predicted wide: the best of 4.")


def test_a_prediction_made_after_the_scores_is_marked(chooser):
    chooser.predicted = "tiny"
    assert "after scores" not in chooser.status
    chooser.score = "logme"
    assert "after scores" not in chooser.status
    chooser.predicted = "large"
    assert "after scores had been shown" in chooser.status


def test_a_prediction_can_be_taken_back_and_stays_known_as_late(chooser):
    chooser.predicted = "tiny"
    chooser.predicted = None
    assert is_hidden(chooser)
    chooser.predicted = "large"
    assert "after scores had been shown" in chooser.status


def test_assigning_a_budget_moves_the_controls_and_keeps_its_own_value(chooser):
    chooser.budget = Budget(n_flops=0.5e9, n_parameters=1, offline=True)
    assert chooser.budget == Budget(n_flops=0.5e9, n_parameters=1, offline=True)
    places = {"n_flops": 1, "n_parameters": 0, "image_size_px": 1, "offline": 1, "score": 0}
    assert chooser.chosen == chooser.shown == places | {"candidate": None, "predicted": None}
    assert offered(chooser) == []
    assert chooser.status.startswith("0 of 4 candidates fit")
    choose_as_reader(chooser, n_parameters=3)
    assert chooser.budget == Budget(n_flops=0.5e9, offline=True)


def test_a_budget_that_nobody_keeps_still_shows_a_picture(chooser):
    chooser.predicted = "large"
    chooser.budget = Budget(n_flops=1)
    assert chooser.error is None
    assert "allow more" in chooser.status


def test_the_choice_survives_a_budget_that_it_fits(chooser):
    chooser.candidate = "small"
    chooser.budget = Budget(n_flops=0.4e9)
    assert chooser.candidate == "small"
    chooser.budget = Budget(n_flops=0.1e9)
    assert chooser.candidate is None
    assert chooser.chosen["candidate"] is None


def test_wrong_traits_are_refused_and_nothing_changes(chooser):
    words = chooser.status
    with pytest.raises(traitlets.TraitError, match="predicted: 'smal' is unknown; nearest: 'small'"):
        chooser.predicted = "smal"
    with pytest.raises(traitlets.TraitError, match="score: 'n_flops' is unknown"):
        chooser.score = "n_flops"
    assert (chooser.predicted, chooser.score, chooser.status) == (None, "accuracy", words)


def test_wrong_tables_are_refused(table):
    with pytest.raises(ValueError, match="scores: 'acuracy' is unknown; nearest: 'accuracy'"):
        BackboneChooser(table, "acuracy")
    with pytest.raises(ValueError, match="cost: 'accuracy' is unknown; known: 'image_size_px', 'n_flops'"):
        BackboneChooser(table, cost="accuracy")
    with pytest.raises(ValueError, match="table: no candidates"):
        BackboneChooser(table.head(0))
    with pytest.raises(ValueError, match="names: 'small' occurs more than once"):
        BackboneChooser(table.replace({"name": {"wide": "small"}}))


def test_a_failure_in_a_callback_is_shown_and_forgotten_once_it_works_again(chooser, monkeypatch):
    def fail():
        raise RuntimeError("no <ink>")

    monkeypatch.setattr(chooser, "_render", fail)
    chooser.predicted = "small"
    assert str(chooser.error) == "no <ink>"
    assert "no <ink>" in chooser.status
    monkeypatch.undo()
    chooser.score = "logme"
    assert chooser.error is None
    assert "no <ink>" not in chooser.status


def test_one_value_needs_no_slider_and_a_missing_column_no_control(table):
    alike = table.assign(image_size_px=224).drop(columns=["n_parameters", "offline"])
    chooser = BackboneChooser(alike)
    assert [control["name"] for control in chooser.controls] == ["n_flops", "image_size_px", "score"]
    assert (chooser.controls[1]["kind"], chooser.controls[1]["texts"]) == ("radio", ("no limit",))
    chooser.predicted = "small"
    assert chooser.error is None


@pytest.mark.slow
def test_two_threads_never_draw_at_once(chooser, monkeypatch):
    chooser.predicted = "small"

    def move(*limits):
        for limit in limits * 3:
            chooser.budget = Budget(n_flops=limit)

    moves = [functools.partial(move, 1e8, 1e9), functools.partial(move, 4e8, 9e9)]
    counts = count_inside(monkeypatch, chooser, "_render", moves)
    assert chooser.error is None
    assert len(counts) > 2
    assert max(counts) == 1


def test_a_change_draws_once_and_what_is_hidden_not_at_all(chooser, monkeypatch):
    counts = count_drawings(monkeypatch)
    choose_as_reader(chooser, n_flops=1)
    assert not counts
    chooser.predicted = "small"
    assert counts == {"figures made": 1, "drawings": 1}
    choose_as_reader(chooser, candidate="small")
    assert counts == {"figures made": 1, "drawings": 1}
    choose_as_reader(chooser, n_flops=2)
    assert chooser.error is None
    assert counts == {"figures made": 2, "drawings": 2}
    choose_as_reader(chooser, n_flops=1)  # drawn before
    assert counts == {"figures made": 2, "drawings": 2}


def test_readers_without_widgets_see_a_picture_of_the_scores(chooser):
    bundle, _ = chooser._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == "BackboneChooser(4 of 4 candidates fit; no prediction yet)"
    assert is_hidden(chooser)
