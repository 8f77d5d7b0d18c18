"""The Pareto plot: the front is right, names lie where they cover nothing."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tlkit.plots.backbone_choice import draw_pareto, find_front


def make_table(n=12, seed=0):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "name": [f"network {number}" for number in range(n)],
            "n_flops": 10 ** random.uniform(8, 10.5, n),
            "duration_s": random.uniform(1, 9, n),
            "accuracy": random.uniform(0.4, 0.9, n),
        }
    )


def slow_front(costs, scores):
    """Nobody else is as cheap and as good, and cheaper or better."""
    front = []
    for i, (cost, score) in enumerate(zip(costs, scores, strict=True)):
        beaten = False
        for j, (other_cost, other_score) in enumerate(zip(costs, scores, strict=True)):
            if i != j and other_cost <= cost and other_score >= score and (other_cost, other_score) != (cost, score):
                beaten = True
        front.append(not beaten)
    return front


@pytest.mark.parametrize("seed", range(5))
def test_the_front_equals_a_slow_loop(seed):
    random = np.random.default_rng(seed)
    costs, scores = random.integers(1, 6, 15), random.integers(1, 6, 15)  # with many ties
    assert find_front(costs, scores).tolist() == slow_front(costs.tolist(), scores.tolist())


def test_candidates_without_a_value_are_on_no_front():
    assert find_front([1, np.nan, 2, 3], [0.5, 0.9, np.nan, 0.6]).tolist() == [True, False, False, True]


def test_the_front_is_a_stepped_line_through_its_candidates():
    table = make_table()
    ax = draw_pareto(table, Figure().subplots())
    front = table[slow_front(table["n_flops"], table["accuracy"])].sort_values("n_flops")
    line = ax.lines[0]
    assert line.get_drawstyle() == "steps-post"
    assert np.allclose(line.get_xydata(), np.column_stack([front["n_flops"] / 1e9, front["accuracy"]]))
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "operations per picture (GFLOP, 2 × multiply-adds)"
    assert ax.get_ylabel() == "accuracy (share correct)"
    assert len(ax.lines[2].get_xdata()) == len(table) - len(front)


def test_another_cost_has_its_own_unit():
    ax = draw_pareto(make_table(), Figure().subplots(), cost="duration_s")
    assert ax.get_xlabel() == "time (s)"


def test_names_stay_clear_of_the_steps_of_the_front():
    table = pd.DataFrame({"name": ["cheap", "good"], "n_flops": [1e9, 1.1e9], "accuracy": [0.5, 0.9]})
    figure = Figure()
    ax = draw_pareto(table, figure.subplots())
    figure.draw_without_rendering()
    step = ax.transData.transform([(1.1, accuracy) for accuracy in np.linspace(0.5, 0.9, 50)])
    assert not any(text.get_window_extent().contains(*place) for text in ax.texts for place in step)


@pytest.mark.parametrize("layout", [None, "constrained"])
def test_names_cover_neither_each_other_nor_points(layout):
    figure = Figure(figsize=(9, 5), layout=layout)
    table = make_table(20)
    ax = draw_pareto(table, figure.subplots())
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) >= 15
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    points = ax.transData.transform(np.column_stack([table["n_flops"] / 1e9, table["accuracy"]]))
    assert not any(box.contains(*point) for box in boxes for point in points)


def test_each_on_the_front_keeps_its_name_however_crowded():
    table = make_table(40)
    table["accuracy"] = table["n_flops"].rank() * 1e-4 + 0.5  # all are on the front
    ax = draw_pareto(table, Figure(figsize=(2, 2)).subplots())
    assert sorted(text.get_text() for text in ax.texts) == sorted(table["name"])


def test_missing_values_and_empty_tables_are_drawn():
    table = make_table().convert_dtypes()
    table.loc[0, "accuracy"] = pd.NA
    assert "network 0" not in [text.get_text() for text in draw_pareto(table, Figure().subplots()).texts]
    assert draw_pareto(table.head(0), Figure().subplots()).texts[:] == []


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"cost": "n_flop"}, "cost: 'n_flop' is unknown; nearest: 'n_flops'"),
        ({"score": "acuracy"}, "score: 'acuracy' is unknown; nearest: 'accuracy'"),
        ({"names": "network"}, "names: 'network' is unknown"),
    ],
)
def test_columns_that_are_not_there_are_refused(keywords, message):
    with pytest.raises(ValueError, match=message):
        draw_pareto(make_table(), Figure().subplots(), **keywords)


def test_a_cost_of_nothing_is_refused():
    table = make_table()
    table.loc[0, "n_flops"] = 0
    with pytest.raises(ValueError, match="cost: n_flops has values of 0 or less"):
        draw_pareto(table, Figure().subplots())
