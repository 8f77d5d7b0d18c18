"""Accuracy on the way from one network's weights to another's."""

import numpy as np

from tlkit.arguments import check_known
from tlkit.plots.comparison import COLOURS, LINES, MARKERS

_COLUMNS = ("mixing_coefficient", "accuracy")


def draw_interpolation(curves, ax):
    """Draw the accuracy along the mixing_coefficient of an interpolation, a line each set of pictures.

    A thin straight line joins the ends of each: what lies above it, mixing the two networks' accuracies wouldn't give.

    Arguments
    ---------
    curves: dict of str to DataFrame
        The tables of `tlkit.training.interpolation_curve` by name, such as "in the domain".
        Rows may come in any order.
    ax: matplotlib axis

    Returns the axis. Raises ValueError for no curve, one with fewer than two rows, or a column that isn't there.
    """
    if not curves:
        raise ValueError("curves: empty, expected a table from interpolation_curve by the name of its pictures")
    for place, (name, curve) in enumerate(curves.items()):
        check_known(f"curves[{name!r}]", _COLUMNS, list(curve))
        if len(curve) < 2:
            raise ValueError(
                f"curves[{name!r}]: {len(curve)} mixing_coefficients, expected two at least, the ends of a line"
            )
        mixing_coefficients, accuracies = curve.sort_values("mixing_coefficient")[list(_COLUMNS)].to_numpy(float).T
        colour = COLOURS[place % len(COLOURS)]
        style = {"linestyle": LINES[place % len(LINES)], "marker": MARKERS[place % len(MARKERS)]}
        ax.plot(mixing_coefficients, accuracies, color=colour, label=name, **style)
        ax.plot(mixing_coefficients[[0, -1]], accuracies[[0, -1]], color=colour, linewidth=0.7, alpha=0.7)
    everything = np.concatenate([curve["accuracy"].to_numpy(float) for curve in curves.values()])
    ax.set_ylim(max(0.0, everything.min() - 0.05), min(1.0, everything.max() + 0.05))
    ax.set_xlabel("mixing_coefficient (0: the weights before tuning, 1: those after it)")
    ax.set_ylabel("accuracy on test pictures (share right)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    return ax
