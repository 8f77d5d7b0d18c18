"""Accuracy over the share of parameters trained, drawn and read in words."""

import numpy as np
import pandas as pd
import pytest
from made_trained_shares import make_trained_shares
from matplotlib.figure import Figure

from tlkit.plots.trained_share import draw_trained_share
from tlkit.summaries.trained_share import COSTS, TrainedShareChoice, TrainedShares, summarise_trained_share


def draw(table, **settings):
    return draw_trained_share(table, Figure(figsize=(7, 4)).subplots(), **settings)


def read_points(ax):
    """Return [(x, y, low, high)] of the points with their intervals."""
    points = []
    for container in ax.containers:
        (point, _, (bar,)) = container
        ends = bar.get_segments()[0][:, 1]
        points.append((point.get_xdata()[0], point.get_ydata()[0], *ends))
    return points


def test_each_strategy_is_a_point_with_its_interval_over_the_share_in_per_cent():
    table = make_trained_shares()
    ax = draw(table)
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "share of the parameters that is trained (%)"
    assert ax.get_ylabel() == "accuracy on test pictures (share correct)"
    expected = table[["trained_share", "accuracy", "accuracy_low", "accuracy_high"]].to_numpy() * (100, 1, 1, 1)
    points = np.array(read_points(ax))
    np.testing.assert_allclose(points[:, 1:], expected[:, 1:])
    np.testing.assert_allclose(points[:2, 0], expected[:2, 0])
    # The last two train as much, and stand side by side around it.
    assert points[2, 0] < 100 < points[3, 0]
    np.testing.assert_allclose(points[2, 0] * points[3, 0], 100**2)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["linear probe", "lora", "lp ft", "l2 sp"]


@pytest.mark.parametrize(("cost", "label"), [("memory_mib", "memory of a training step (MiB)"), ("stored_mib", "size")])
def test_other_costs_and_scores_are_drawn_in_their_units(cost, label):
    table = make_trained_shares()
    ax = draw(table, cost=cost, score="outside")
    assert ax.get_xlabel().startswith(label)
    points = read_points(ax)
    assert points[0][:2] == pytest.approx((table[cost][0], table["outside"][0]))
    assert [point[1] for point in points] == table["outside"].tolist()


def test_points_that_cost_much_the_same_keep_their_order_and_a_distance():
    costs = [315.0, 13.0, 355.0, 314.0, 321.0, 355.0]
    rows = [(f"s{place}", cost, 0.5, 0.4, 0.6) for place, cost in enumerate(costs)]
    columns = ["strategy", "memory_mib", "accuracy", "accuracy_low", "accuracy_high"]
    ax = draw(pd.DataFrame(rows, columns=columns), cost="memory_mib")
    places = np.array([point[0] for point in read_points(ax)])
    assert np.argsort(places).tolist() == [1, 3, 0, 4, 2, 5]
    steps = np.diff(np.log(np.sort(places))) / np.log(ax.get_xlim()[1] / ax.get_xlim()[0])
    np.testing.assert_allclose(steps[1:], 0.024)
    # On the whole they stand where they belong.
    np.testing.assert_allclose(np.log(places).mean(), np.log(costs).mean())
    assert places[1] == pytest.approx(13)


def test_without_an_interval_the_point_stands_alone():
    table = make_trained_shares().assign(accuracy_low=np.nan, accuracy_high=np.nan)
    assert all(y == low == high for _, y, low, high in read_points(draw(table)))


def test_all_points_and_intervals_lie_within_the_axes():
    table = make_trained_shares()
    for cost in COSTS:
        ax = draw(table, cost=cost)
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        assert all(left < x < right and bottom < low and high < top for x, _, low, high in read_points(ax))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cost": "trained_shar"}, "cost: 'trained_shar' is unknown; nearest: 'trained_share'"),
        ({"score": "acuracy"}, "score: 'acuracy' is unknown; nearest: 'accuracy'"),
        ({"score": "stored_mib"}, "score: 'stored_mib_low' is unknown"),
    ],
)
def test_columns_that_are_not_there_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        draw(make_trained_shares(), **settings)


@pytest.mark.parametrize("cost", [0.0, -1.0, np.nan])
def test_what_a_logarithmic_axis_has_no_place_for_is_refused(cost):
    table = make_trained_shares()
    table.loc[1, "trained_share"] = cost
    with pytest.raises(ValueError, match="cost: trained_share has values of 0 or less, or none"):
        draw(table)


def test_an_empty_table_is_refused():
    with pytest.raises(ValueError, match="table: no row"):
        draw(make_trained_shares()[:0])
    with pytest.raises(ValueError, match="table: no row"):
        TrainedShares(make_trained_shares()[:0])


def test_a_reading_sets_costs_against_the_strategy_that_trains_most():
    summary = summarise_trained_share(TrainedShares(make_trained_shares()), TrainedShareChoice("lora"))
    assert summary.sentence == (
        "lora trains 3.0% of the parameters. A step holds 128 MiB (80% of lp ft); 0.50 MiB are stored (4.0%). "
        "accuracy: 0.50 (0.45 to 0.55)."
    )


def test_the_strategy_that_trains_most_is_set_against_nothing():
    table = make_trained_shares().assign(outside_low=np.nan, outside_high=np.nan)
    shares = TrainedShares(table, ("accuracy", "outside"))
    summary = summarise_trained_share(shares, TrainedShareChoice("lp_ft", "stored_mib", "outside"))
    assert summary.sentence == (
        "lp ft trains 100.0% of the parameters. A step holds 160 MiB; 12.50 MiB are stored. outside: 0.74."
    )


@pytest.mark.parametrize(
    ("table", "scores", "said"),
    [
        (make_trained_shares().drop(columns="memory_mib"), "accuracy", "table: 'memory_mib' is unknown"),
        (make_trained_shares().drop(columns="outside_low"), "outside", "scores: 'outside_low' is unknown"),
        (make_trained_shares(), (), "scores: none, expected at least one column"),
        (pd.concat([make_trained_shares()] * 2), "accuracy", "table: linear_probe occurs twice"),
    ],
)
def test_tables_that_lack_something_are_refused(table, scores, said):
    with pytest.raises(ValueError, match=said):
        TrainedShares(table, scores)
