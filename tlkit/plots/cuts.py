"""Heads on a network cut after several stages, with a picture's nearest neighbours at one of the cuts."""

import functools
import math

from tlkit.plots.style import ACCURACY, FIXED, RING, draw_thumbnail, frame_sheet, shorten, style_curve
from tlkit.plots.vector import Page, mark
from tlkit.summaries.cuts import N_NEIGHBORS, format_cut_score

SIZE_INCHES = (9.2, 6.1)
_N_COLUMNS, _PITCH_PX, _ROW_PX = 2, 166, 182


def make_cut_page(cuts, read_picture):
    """Return the page that draws one choice of cut, head and picture after another."""
    draw_static = functools.partial(_draw_static, cuts)
    return Page(SIZE_INCHES, draw_static, functools.partial(_draw_dynamic, cuts, read_picture))


def _draw_static(cuts, figure):
    """Draw the scores of all heads; return the axes of scores and pictures."""
    scores, pictures = figure.add_axes((0.07, 0.225, 0.54, 0.725)), figure.add_axes((0.635, 0.02, 0.36, 0.93))
    names = list(cuts.features)
    for index, head in enumerate(cuts.heads):
        rows = cuts.table[cuts.table["head"] == head].set_index("cut").reindex(names)
        style = style_curve(index)
        scores.plot(names, rows["accuracy"], label=head, **style)
        for place, score in enumerate(rows["accuracy"]):
            if score == score:
                point = scores.plot(place, score, color=style["color"], marker=style["marker"])[0]
                mark(point, "point", place, index, words=format_cut_score(cuts, names[place], head))
    scores.set_xlim(-0.3, len(names) - 0.7)
    # Leave room for each interval, up to the ends of the scale.
    ends = cuts.table[["accuracy", "accuracy_low", "accuracy_high"]]
    scores.set_ylim(max(0.0, ends.min(axis=None) - 0.01), min(1.0, ends.max(axis=None) + 0.01))
    scores.set(xlabel="the network is cut after this stage", ylabel=ACCURACY)
    scores.set_title("accuracy of each head at each cut", fontsize=10)
    scores.tick_params(axis="x", labelsize=9)
    scores.grid(alpha=0.3)
    scores.legend(fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.115), ncols=3, frameon=False)
    pictures.set_title("the picture and its nearest neighbours at the cut", fontsize=10)
    frame_sheet(pictures, _N_COLUMNS * _PITCH_PX, math.ceil((1 + N_NEIGHBORS) / _N_COLUMNS) * _ROW_PX)
    pictures.set_anchor("N")
    return scores, pictures


def _draw_dynamic(cuts, read_picture, summary, axes):
    """Mark the chosen score with its interval, and draw the picture with its neighbours."""
    scores, pictures = axes
    choice, names = summary.choice, cuts.features[summary.choice.cut].names
    row = cuts.scores.get((choice.cut, choice.head))
    if row is not None:
        column = list(cuts.features).index(choice.cut)
        style = {"color": "black", "zorder": 10, "markeredgewidth": 1.8, "markersize": 9, "linewidth": 1.8}
        scores.plot([column, column], [row["accuracy_low"], row["accuracy_high"]], "-_", **style, **FIXED)
        scores.plot(column, summary.accuracy, **RING | {"markersize": 15}, **FIXED)
    same = ["", *(", same class" if alike else ", another class" for alike in summary.same_class)]
    for index, picture in enumerate([choice.picture, *summary.neighbors]):
        row, column = divmod(index, _N_COLUMNS)
        title, weight = ("this picture", "bold") if index == 0 else (f"neighbour {index}", "normal")
        corner = column * _PITCH_PX, row * _ROW_PX
        caption = f"{title}\n{shorten(summary.labels[index])}{same[index]}"
        words = f"{names[picture]}: {summary.labels[index]}"
        if index:
            words += f", cosine similarity {summary.similarities[index - 1]:.2f}"
        thumbnail = draw_thumbnail(read_picture(picture), caption, *corner, _PITCH_PX, pictures, weight=weight)
        mark(thumbnail, "picture", picture, words=words)
