"""How much of each class is labelled right, before and after: a row a class."""

import numpy as np

from tlkit.names import format_strategy
from tlkit.plots.comparison import COLOURS

COLUMNS = ("source_only", "method")
BEFORE = {"marker": "o", "linestyle": "none", "color": "black", "markerfacecolor": "white", "markersize": 7}
AFTER = {"marker": "s", "linestyle": "none", "color": COLOURS[2], "markeredgecolor": "black", "markersize": 6}


def draw_recalls(recalls, ax, *, method, numbers=None):
    """Draw the share of each class that is labelled right, by source only and by a method: a row a class.

    Arguments
    ---------
    recalls: DataFrame
        A row a class: class, n (pictures), source_only, method (shares). As in an `AdaptationSummary`.
    ax: matplotlib axis
    method: str
        Its name.
    numbers: dict of str to int, optional
        Of the classes, as a `DomainMap` beside it has them.

    Returns the axis.
    """
    draw_recall_frame(len(recalls), ax)
    draw_recall_rows(recalls, ax, numbers or {})
    handles = ax.lines[-2:]
    ax.legend(handles, ["source only", format_strategy(method)], fontsize="small", loc="lower center", ncols=2)
    return ax


def draw_recall_frame(n_rows, ax):
    """Draw what stays of such a drawing with so many rows."""
    ax.set(xlim=(-0.03, 1.03), ylim=(n_rows + 0.6, -0.6), xlabel="share of the class labelled right", yticks=[])
    ax.grid(axis="x", alpha=0.3)


def draw_recall_rows(recalls, ax, numbers, *, columns=COLUMNS):
    """Draw what changes: `columns` are those of the shares before and after."""
    fixed = {"scalex": False, "scaley": False}
    rows = zip(*(recalls[column] for column in ("class", "n", *columns)), strict=True)
    for place, (name, n, before, after) in enumerate(rows):
        line = {"color": "black", "linestyle": ":"} if after < before else {"color": "0.45", "linestyle": "-"}
        ax.plot([before, after], [place, place], linewidth=2, zorder=1, **line, **fixed)
        said = f"{numbers[name]}  {name} ({n})" if name in numbers else f"{name} ({n})"
        ax.text(-0.05, place, said, fontsize=9, ha="right", va="center")
    places = np.arange(len(recalls))
    for column, style in ((columns[0], BEFORE), (columns[1], AFTER)):
        ax.plot(recalls[column], places, **style, **fixed)
