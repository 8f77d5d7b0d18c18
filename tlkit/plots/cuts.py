"""Heads on a network cut after several stages, with a picture's nearest neighbours at one of the cuts."""

import math

from tlkit.plots.page import Page
from tlkit.plots.style import ACCURACY, FIXED, RING, draw_thumbnail, frame_sheet, shorten, style_curve
from tlkit.summaries.cuts import N_NEIGHBORS

SIZE_INCHES = (9.8, 4.4)
_N_COLUMNS, _PITCH_PX, _ROW_PX = 3, 150, 180


class CutPage(Page):
    """Draw one choice of cut, head and picture after another."""

    def __init__(self, cuts, read_picture):
        super().__init__(
            SIZE_INCHES,
            lambda figure: _draw_static(cuts, figure),
            lambda summary, axes: _draw_dynamic(summary, cuts, read_picture, axes),
        )


def _draw_static(cuts, figure):
    """Draw the scores of all heads; return the axes of scores and pictures."""
    scores, pictures = figure.add_axes((0.07, 0.12, 0.44, 0.79)), figure.add_axes((0.54, 0.02, 0.45, 0.92))
    names = list(cuts.features)
    for index, head in enumerate(cuts.heads):
        rows = cuts.table[cuts.table["head"] == head].set_index("cut").reindex(names)
        scores.plot(names, rows["accuracy"], label=head, **style_curve(index))
    scores.set_xlim(-0.3, len(names) - 0.7)
    # Leave room for each interval, and below for the legend.
    ends = cuts.table[["accuracy", "accuracy_low", "accuracy_high"]]
    low, high = ends.min(axis=None), ends.max(axis=None)
    scores.set_ylim(low - 0.25 * (high - low) - 0.01, high + 0.01)
    scores.set(xlabel="the network is cut after this stage", ylabel=ACCURACY)
    scores.set_title("each head at each cut", fontsize=10)
    scores.grid(alpha=0.3)
    scores.legend(fontsize=8, loc="lower center", ncols=4)
    n_rows = math.ceil((1 + N_NEIGHBORS) / _N_COLUMNS)
    frame_sheet(pictures, _N_COLUMNS * _PITCH_PX, n_rows * _ROW_PX)
    return scores, pictures


def _draw_dynamic(summary, cuts, read_picture, axes):
    """Mark the chosen score with its interval, and draw the picture with its neighbours."""
    scores, pictures = axes
    choice = summary.choice
    if not math.isnan(summary.accuracy):
        row = cuts.table[(cuts.table["head"] == choice.head) & (cuts.table["cut"] == choice.cut)]
        column = list(cuts.features).index(choice.cut)
        interval = [row["accuracy_low"].item(), row["accuracy_high"].item()]
        style = {"color": "black", "zorder": 10, "markeredgewidth": 1.8, "markersize": 9, "linewidth": 1.8}
        scores.plot([column, column], interval, "-_", **style, **FIXED)
        scores.plot(column, summary.accuracy, **RING | {"markersize": 15}, **FIXED)
    same = ["", *(", same class" if alike else ", another class" for alike in summary.same_class)]
    for index, picture in enumerate([choice.picture, *summary.neighbors]):
        row, column = divmod(index, _N_COLUMNS)
        title, weight = ("this picture", "bold") if index == 0 else (f"neighbour {index}", "normal")
        corner = column * _PITCH_PX, row * _ROW_PX
        caption = f"{title}\n{shorten(summary.labels[index])}{same[index]}"
        draw_thumbnail(read_picture(picture), caption, *corner, _PITCH_PX, pictures, weight=weight)
