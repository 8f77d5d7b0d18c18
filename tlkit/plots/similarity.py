"""How alike two networks are stage by stage: a curve with the band that chance gives, or a matrix."""

import numpy as np

from tlkit.plots.comparison import COLOURS

_DARK = 0.6  # from this similarity on a cell is too dark for black words


def draw_similarity_curve(table, ax, *, label=None, place=0):
    """Draw the CKA of stages of the same name, over the stages, above the band that chance gives.

    Arguments
    ---------
    table: DataFrame
        As `tlkit.inspection.compare_stages` returns it without `every_pair`.
    ax: matplotlib axis
    label: str, optional
        Of this curve.
    place: int
        Which of several curves on one axis it is, 0 to 3; that decides colour, line and marker.

    Returns the axis. Raises ValueError for a table that pairs stages of different names.
    """
    if not (table["first"] == table["second"]).all():
        raise ValueError("table: it pairs stages of different names, expected one row a stage; see draw_similarity")
    stages = np.arange(len(table))
    style = {"color": COLOURS[place], "linestyle": ("-", "--", "-.", ":")[place], "marker": "os^D"[place]}
    if table["low"].notna().all():
        hatch = ("///", "\\\\\\", "...", "xxx")[place]
        ax.fill_between(stages, table["low"], table["high"], color=COLOURS[place], alpha=0.2, hatch=hatch, linewidth=0)
    ax.plot(stages, table["cka"], label=label, **style)
    ax.set_xticks(stages, table["first"], rotation=30, ha="right")
    ax.set_ylim(min(-0.1, ax.get_ylim()[0]), 1.05)
    ax.set_ylabel("CKA (1: alike; band: pictures matched at random)")
    ax.grid(alpha=0.3)
    if label is not None:
        ax.legend(fontsize="small")
    return ax


def draw_similarity(table, ax):
    """Draw the CKA of every pair of stages: a row a stage of the first network, a column a stage of the second.

    Arguments
    ---------
    table: DataFrame
        As `tlkit.inspection.compare_stages` returns it. What is no more than chance gives stands in brackets.
    ax: matplotlib axis

    Returns the axis.
    """
    rows, columns = (list(dict.fromkeys(table[side])) for side in ("first", "second"))
    values = np.full((len(rows), len(columns)), np.nan)
    for pair in table.itertuples():
        row, column = rows.index(pair.first), columns.index(pair.second)
        values[row, column] = pair.cka
        said = f"({pair.cka:.2f})" if pair.cka <= pair.high else f"{pair.cka:.2f}"
        colour = "white" if pair.cka > _DARK else "black"
        ax.text(column, row, said, ha="center", va="center", fontsize=8, color=colour)
    ax.imshow(values, cmap="Blues", vmin=0, vmax=1)
    ax.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel="stages of the second", ylabel="stages of the first")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax
