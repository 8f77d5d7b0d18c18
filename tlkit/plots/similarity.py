"""Similarity of two networks by stage: a curve with the band that chance gives, or a matrix."""

import numpy as np
from matplotlib.axes import Axes
from pandas import DataFrame

from tlkit.plots.style import TEXT_PT, draw_matrix, style_curve, with_plain_texts

_HATCHES = ("///", "\\\\\\", "...", "xxx")


@with_plain_texts
def draw_similarity_curve(table: DataFrame, ax: Axes, *, label: str | None = None, index: int = 0) -> Axes:
    """Draw the CKA of stages with the same name, with the band that chance gives.

    Parameters
    ----------
    table, ax : DataFrame and matplotlib Axes
        Result of `tlkit.inspection.compare_stages`, and the axes to draw on. With `every_pair` ValueError is raised.
    label : str, optional
        Name of the curve in the legend.
    index : int
        Index of the curve among up to four on the same axes: 0 to 3. It decides colour, line and marker.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"first": ["stem"], "second": ["stem"], "cka": [0.9], "low": [-0.1], "high": [0.1]})
    >>> draw_similarity_curve(table, Figure().subplots()).get_xticklabels()[0].get_text()
    'stem'
    """
    if not (table["first"] == table["second"]).all():
        raise ValueError("table: it pairs stages of different names, expected one row per stage; see draw_similarity")
    stages, style = np.arange(len(table)), style_curve(index)
    if table["low"].notna().all():
        band = {"color": style["color"], "hatch": _HATCHES[index], "alpha": 0.2, "linewidth": 0}
        ax.fill_between(stages, table["low"], table["high"], **band)
    ax.plot(stages, table["cka"], label=label, **style)
    ax.set_xticks(stages, table["first"], rotation=30, ha="right")
    ax.set_ylim(min(-0.1, ax.get_ylim()[0]), 1.05)
    ax.set_ylabel("CKA (1: the same; band: randomly matched pictures)")
    ax.grid(alpha=0.3)
    if label is not None:
        ax.legend(fontsize=TEXT_PT)
    return ax


@with_plain_texts
def draw_similarity(table: DataFrame, ax: Axes) -> Axes:
    """Draw the CKA of every pair of stages: one row per stage of the first network, one column per stage of the second.

    Parameters
    ----------
    table, ax : DataFrame and matplotlib Axes
        Result of `tlkit.inspection.compare_stages`, and the axes. Values that chance also gives are in brackets.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"first": ["stem"], "second": ["stem"], "cka": [0.9], "low": [-0.1], "high": [0.1]})
    >>> draw_similarity(table, Figure().subplots()).texts[0].get_text()
    '0.90'
    """
    rows, columns = (list(dict.fromkeys(table[side])) for side in ("first", "second"))
    values, texts = np.full((len(rows), len(columns)), np.nan), {}
    for pair in table.itertuples():
        cell = rows.index(pair.first), columns.index(pair.second)
        values[cell] = pair.cka
        texts[cell] = f"({pair.cka:.2f})" if pair.cka <= pair.high else f"{pair.cka:.2f}"
    draw_matrix(values, texts, rows, columns, ax, limits=(0, 1), cmap="Blues")
    ax.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    ax.set(xlabel="stages of the second network", ylabel="stages of the first network")
    return ax
