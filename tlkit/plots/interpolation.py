"""Accuracy between one network's weights and another's."""

import numpy as np
from matplotlib.axes import Axes
from pandas import DataFrame

from tlkit.arguments import check_known
from tlkit.plots.style import ACCURACY, finish_curves, style_curve, with_plain_texts

_COLUMNS = ("mixing_coefficient", "accuracy")


@with_plain_texts
def draw_interpolation(curves: dict[str, DataFrame], ax: Axes) -> Axes:
    """Draw the accuracy over the mixing coefficient of an interpolation, one curve per set of pictures.

    A thin straight line joins the ends of each curve. Above it, mixing weights is better than mixing accuracies.

    Parameters
    ----------
    curves, ax : dict of str to DataFrame, and matplotlib Axes
        Results of `tlkit.training.interpolation_curve` by name, such as "in the domain"; and the axes to draw on.

    Raises
    ------
    ValueError
        If there is no curve, or one lacks a column or has fewer than two rows.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> curve = pd.DataFrame({"mixing_coefficient": [0.0, 0.5, 1.0], "accuracy": [0.6, 0.75, 0.7]})
    >>> draw_interpolation({"here": curve}, Figure().subplots()).get_legend().get_texts()[0].get_text()
    'here'
    """
    if not curves:
        raise ValueError("curves: empty, expected tables from interpolation_curve by the names of their pictures")
    for index, (name, curve) in enumerate(curves.items()):
        check_known(f"curves[{name!r}]", _COLUMNS, list(curve))
        if len(curve) < 2:
            raise ValueError(
                f"curves[{name!r}]: {len(curve)} mixing_coefficients, expected at least two, the ends of a line"
            )
        mixing_coefficients, accuracies = curve.sort_values("mixing_coefficient")[list(_COLUMNS)].to_numpy(float).T
        style = style_curve(index)
        ax.plot(mixing_coefficients, accuracies, label=name, **style)
        ends = mixing_coefficients[[0, -1]], accuracies[[0, -1]]
        ax.plot(*ends, color=style["color"], linewidth=0.7, alpha=0.7)
    everything = np.concatenate([curve["accuracy"].to_numpy(float) for curve in curves.values()])
    ax.set_ylim(max(0.0, everything.min() - 0.05), min(1.0, everything.max() + 0.05))
    finish_curves(ax, "mixing_coefficient (0: the weights before tuning, 1: those after it)", ACCURACY)
    return ax
