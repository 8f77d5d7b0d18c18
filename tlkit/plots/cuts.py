"""Heads over the cuts of a network, beside a picture and its nearest neighbours behind one of them."""

import math

from PIL import ImageOps

from tlkit.plots.comparison import COLOURS, LINES, MARKERS
from tlkit.plots.page import Page
from tlkit.summaries.cuts import N_NEIGHBORS

SIZE_INCHES = (9.8, 4.4)
_N_COLUMNS, _PICTURE_PX, _PITCH_PX, _ROW_PX = 3, 128, 150, 180


def draw_cut(summary, cuts, read_picture, figure):
    """Draw a choice of cut, head and picture on an empty figure, best of `SIZE_INCHES`.

    Arguments
    ---------
    summary: CutSummary
    cuts: CutComparison
        That the reading was taken from.
    read_picture: callable
        Returns the PIL picture of a position.
    figure: matplotlib Figure

    Returns the figure.
    """
    _draw_what_changes(summary, cuts, read_picture, _draw_what_stays(cuts, figure))
    return figure


class CutPage(Page):
    """The same drawing, made again and again for choices of cut, head and picture.

    Arguments
    ---------
    cuts: CutComparison
    read_picture: callable
        As in `draw_cut`.
    """

    def __init__(self, cuts, read_picture):
        super().__init__(
            SIZE_INCHES,
            lambda figure: _draw_what_stays(cuts, figure),
            lambda summary, axes: _draw_what_changes(summary, cuts, read_picture, axes),
        )


def _draw_what_stays(cuts, figure):
    scores, pictures = figure.add_axes((0.07, 0.12, 0.44, 0.79)), figure.add_axes((0.54, 0.02, 0.45, 0.92))
    names = list(cuts.features)
    for place, head in enumerate(cuts.heads):
        rows = cuts.table[cuts.table["head"] == head].set_index("cut").reindex(names)
        style = {"color": COLOURS[place % len(COLOURS)], "linestyle": LINES[place % len(LINES)]}
        scores.plot(names, rows["accuracy"], marker=MARKERS[place % len(MARKERS)], label=head, **style)
    scores.set_xlim(-0.3, len(names) - 0.7)
    # Room for each interval, and below for the legend.
    ends = cuts.table[["accuracy", "accuracy_low", "accuracy_high"]]
    low, high = ends.min(axis=None), ends.max(axis=None)
    scores.set_ylim(low - 0.25 * (high - low) - 0.01, high + 0.01)
    scores.set_xlabel("where the network is cut")
    scores.set_ylabel("accuracy on test pictures (share right)")
    scores.set_title("each head on each cut", fontsize=10)
    scores.grid(alpha=0.3)
    scores.legend(fontsize=8, loc="lower center", ncols=4)
    n_rows = math.ceil((1 + N_NEIGHBORS) / _N_COLUMNS)
    pictures.set(xlim=(0, _N_COLUMNS * _PITCH_PX), ylim=(n_rows * _ROW_PX, 0), aspect="equal")
    pictures.set_axis_off()
    return scores, pictures


def _draw_what_changes(summary, cuts, read_picture, axes):
    scores, pictures = axes
    choice = summary.choice
    if not math.isnan(summary.accuracy):
        row = cuts.table[(cuts.table["head"] == choice.head) & (cuts.table["cut"] == choice.cut)]
        place = list(cuts.features).index(choice.cut)
        mark = {"color": "black", "zorder": 10, "scalex": False, "scaley": False, "markeredgewidth": 1.8}
        interval = [row["accuracy_low"].item(), row["accuracy_high"].item()]
        scores.plot([place, place], interval, "-_", markersize=9, linewidth=1.8, **mark)
        scores.plot(place, summary.accuracy, "o", markersize=15, markerfacecolor="none", **mark)
    same = ["", *(", same class" if alike else ", another class" for alike in summary.same_class)]
    for place, picture in enumerate([choice.picture, *summary.neighbors]):
        row, column = divmod(place, _N_COLUMNS)
        title = "this picture" if place == 0 else f"neighbour {place}"
        caption = f"{title}\n{summary.labels[place]}{same[place]}"
        _draw_picture(read_picture(picture), column * _PITCH_PX, row * _ROW_PX, caption, place == 0, pictures)


def _draw_picture(picture, left, top, caption, framed, ax):
    picture = ImageOps.contain(picture, (_PICTURE_PX, _PICTURE_PX))
    left_edge, bottom = left + (_PITCH_PX - picture.width) / 2, top + _PICTURE_PX
    limits = ax.get_xlim(), ax.get_ylim()
    ax.imshow(picture, extent=(left_edge, left_edge + picture.width, bottom, bottom - picture.height))
    ax.set(xlim=limits[0], ylim=limits[1])  # the picture has moved them
    weight = "bold" if framed else "normal"
    ax.text(left + _PITCH_PX / 2, bottom + 3, caption, ha="center", va="top", fontsize=8.5, fontweight=weight)
