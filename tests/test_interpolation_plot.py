"""The drawing of accuracy along the mixing_coefficient of an interpolation."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tlkit.plots import draw_interpolation

INSIDE = pd.DataFrame(
    {"mixing_coefficient": [0.0, 0.5, 1.0], "accuracy": [0.4, 0.6, 0.5], "balanced_accuracy": [0.3, 0.5, 0.4]}
)
OUTSIDE = pd.DataFrame({"mixing_coefficient": [1.0, 0.0, 0.25], "accuracy": [0.6, 0.7, 0.75]})


def draw(curves):
    return draw_interpolation(curves, Figure().subplots())


def test_each_curve_is_a_line_over_the_mixing_coefficient_beside_the_straight_line_of_its_ends():
    ax = draw({"in the domain": INSIDE, "outside": OUTSIDE})
    lines = [line.get_xydata().tolist() for line in ax.lines]
    assert lines == [
        [[0.0, 0.4], [0.5, 0.6], [1.0, 0.5]],
        [[0.0, 0.4], [1.0, 0.5]],
        [[0.0, 0.7], [0.25, 0.75], [1.0, 0.6]],
        [[0.0, 0.7], [1.0, 0.6]],
    ]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["in the domain", "outside"]
    assert ax.get_xlabel() == "mixing coefficient (0: the weights before tuning, 1: those after it)"
    assert ax.get_ylabel() == "accuracy on test pictures (share correct)"


def test_curves_are_told_apart_without_colour_and_lie_within_the_axes():
    ax = draw({"in the domain": INSIDE, "outside": OUTSIDE})
    inside, outside = ax.lines[0], ax.lines[2]
    assert inside.get_marker() != outside.get_marker()
    assert inside.get_linestyle() != outside.get_linestyle()
    bottom, top = ax.get_ylim()
    assert bottom < 0.4
    assert 0.75 < top <= 1


@pytest.mark.parametrize(
    ("curves", "said"),
    [
        ({}, "curves: empty"),
        (
            {"outside": OUTSIDE.drop(columns="mixing_coefficient")},
            r"curves\['outside'\]: 'mixing_coefficient' is unknown",
        ),
        ({"outside": OUTSIDE[:1]}, r"curves\['outside'\]: 1 mixing_coefficients, expected at least two"),
    ],
)
def test_what_is_no_curve_is_refused(curves, said):
    with pytest.raises(ValueError, match=said):
        draw(curves)


def test_a_curve_that_reaches_everything_and_nothing_stays_on_the_axis():
    ax = draw({"all": pd.DataFrame({"mixing_coefficient": [0, 1], "accuracy": [0.0, 1.0]})})
    assert ax.get_ylim() == (0.0, 1.0)
    assert np.allclose(ax.lines[0].get_ydata(), [0, 1])
