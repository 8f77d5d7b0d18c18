"""Candidates within a budget and their scores, and how well scores agree with measured accuracy."""

import io

import numpy as np
from matplotlib.axes import Axes
from pandas import DataFrame

from tlkit.plots.page import make_canvas, read_canvas
from tlkit.plots.pareto import draw_pareto, format_cost
from tlkit.plots.style import RING, style_point
from tlkit.summaries.backbone_table import format_column

SIZE_INCHES = (9.8, 4.8)


def draw_choice(table, selection, ax, *, score, cost="n_flops", names="name", predicted=None):
    """Draw the scores of the candidates within a budget against their cost, with the Pareto front."""
    _, divisor = format_cost(cost)
    # The axes have room for all candidates, so that they stay the same when the budget changes.
    scored = table.dropna(subset=[cost, score])
    ax.set_xscale("log")
    if len(scored):
        ax.set_xlim(scored[cost].min() / divisor / 1.3, scored[cost].max() / divisor * 1.6)
        room = 0.1 * (scored[score].max() - scored[score].min()) or 0.01
        ax.set_ylim(scored[score].min() - room, scored[score].max() + room)
    over = table[~selection.fits]
    if len(over):
        ax.plot(over[cost] / divisor, over[score], "x", color="0.6", label="over budget", zorder=1)
    draw_pareto(table[selection.fits], ax, cost=cost, score=score, names=names)
    if predicted is not None:
        row = table[table[names] == predicted].iloc[0]
        ax.plot(row[cost] / divisor, row[score], label="your prediction", **RING)
    ax.legend(fontsize="small", loc="lower right")
    return ax


def render_choice(table, selection, **settings):
    """Return the drawing of a choice as a PNG file, without axes; see `draw_choice`."""
    # Drawn once, on axes with fixed margins: a layout that finds its margins draws everything two or three times.
    canvas, content = make_canvas(SIZE_INCHES), io.BytesIO()
    draw_choice(table, selection, canvas.figure.add_axes((0.08, 0.12, 0.89, 0.86)), **settings)
    canvas.draw()
    read_canvas(canvas).quantize(64).save(content, "PNG")
    return content.getvalue()


def draw_agreement(agreement: DataFrame, ax: Axes) -> Axes:
    """Draw how well scores agree with measured accuracy: one row per score, Kendall's tau with its interval.

    Parameters
    ----------
    agreement, ax : DataFrame and matplotlib Axes
        Result of `tlkit.selection.compare_with_accuracy`, and the axes to draw on. Scores without a tau are omitted.

    Returns
    -------
    matplotlib Axes
        The axes that were given.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> agreement = {"score": ["logme"], "kind": ["score"], "tau": [0.6], "tau_low": [0.2], "tau_high": [0.9]}
    >>> draw_agreement(pd.DataFrame(agreement), Figure().subplots()).get_yticklabels()[0].get_text()
    'logme'
    """
    rows = agreement.dropna(subset="tau").reset_index(drop=True)
    for index, kind in enumerate(dict.fromkeys(rows["kind"])):
        of_kind = rows[rows["kind"] == kind]
        lengths = np.abs(of_kind[["tau_low", "tau_high"]].sub(of_kind["tau"], axis=0).to_numpy().T)
        style = style_point(index) | {"linestyle": "none", "capsize": 4}
        ax.errorbar(of_kind["tau"], of_kind.index, xerr=lengths, label=kind, **style)
    ax.axvline(0, color="0.5", linewidth=1)
    ax.set_yticks(range(len(rows)), rows["score"].map(format_column))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlim(-1.05, 1.05)
    ax.set_xlabel("order of the candidates against measured accuracy (Kendall's tau, 95 % interval)")
    ax.legend(fontsize="small", loc="lower left")
    ax.grid(axis="x", alpha=0.3)
    return ax
