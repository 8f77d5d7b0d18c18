"""The gain from a source: a map over weights and shots, the chosen cell by seed, and the recall per class."""

import numpy as np

from tlkit.evaluation.gains import MARGIN
from tlkit.plots.gains import draw_map_frame, frame_cell
from tlkit.plots.page import Page
from tlkit.plots.recalls import AFTER, BEFORE, draw_recall_frame, draw_recall_rows
from tlkit.plots.style import COLOURS, FIXED
from tlkit.summaries.source_worth import format_source

SIZE_INCHES = (11.6, 4.4)
_COLUMNS = ("target_only", "with_source")


class SourceWorthPage(Page):
    """Draw one summary of a source after another."""

    def __init__(self, summaries):
        n_classes, span = max(len(summary.recalls) for summary in summaries), _find_span(summaries)
        super().__init__(SIZE_INCHES, lambda figure: _draw_static(n_classes, span, figure), _draw_dynamic)


def _find_span(summaries):
    """Return the limits (low, high) of an axis that holds the gains and intervals of all summaries."""
    ends = [value for one in summaries for value in (*one.gains_by_seed, one.row["gain_low"], one.row["gain_high"])]
    return min(float(np.nanmin(ends)), -MARGIN) - 0.02, max(float(np.nanmax(ends)), MARGIN) + 0.02


def _draw_static(n_classes, span, figure):
    """Draw the frames and the legend; return the axes of map, seeds and recalls."""
    boxes = (0.12, 0.13, 0.28, 0.68), (0.44, 0.13, 0.22, 0.68), (0.79, 0.13, 0.2, 0.68)
    shown, seeds, recalls = (figure.add_axes(box) for box in boxes)
    shown.axis("off")
    seeds.axvspan(-MARGIN, MARGIN, color="0.88")
    seeds.axvline(0, color="black", linewidth=1)
    seeds.set(xlim=span, ylim=(1.6, -0.7), yticks=[], xlabel="gain in accuracy (share of test pictures)")
    seeds.set_title("each seed, and the interval of their mean", fontsize=10)
    draw_recall_frame(n_classes, recalls)
    recalls.set_title("each class (test pictures)", fontsize=10)
    handles = [recalls.plot([], [], **style)[0] for style in (BEFORE, AFTER)]
    key = {"loc": "upper right", "bbox_to_anchor": (0.99, 0.93), "bbox_transform": figure.transFigure}
    recalls.legend(handles, ["shots alone", "with the source"], ncols=2, fontsize=9, frameon=False, **key)
    return shown, seeds, recalls


def _draw_dynamic(summary, axes):
    """Draw the map, the gains by seed, the recalls and the heading."""
    shown, seeds, recalls = axes
    inset = shown.inset_axes((0, 0, 1, 1))
    draw_map_frame(summary.gains, inset)
    frame_cell(summary.gains, inset, summary.row["strategy"], summary.choice.shots)
    row = summary.row
    # A little apart, so that seeds with the same gain can be told apart.
    heights = 0.25 * np.linspace(-1, 1, len(summary.gains_by_seed)) if len(summary.gains_by_seed) > 1 else [0.0]
    seeds.plot(summary.gains_by_seed, heights, "o", color=COLOURS[0], markersize=6, alpha=0.8, **FIXED)
    seeds.plot([row["gain_low"], row["gain_high"]], [1, 1], color="black", linewidth=2.5, marker="|", **FIXED)
    seeds.plot(row["gain"], 1, "s", color=COLOURS[1], markeredgecolor="black", markersize=8, **FIXED)
    seeds.text(row["gain"], 1.28, row["verdict"], ha="center", va="center", fontsize=9, clip_on=False)
    draw_recall_rows(summary.recalls, recalls, {}, columns=_COLUMNS)
    gain = f"{row['gain']:+.2f} ({row['gain_low']:+.2f} to {row['gain_high']:+.2f})"
    style = {"transform": seeds.figure.transFigure, "va": "center", "weight": "bold", "fontsize": 10.5}
    seeds.text(0.01, 0.955, f"{format_source(summary.choice)}: {gain}, {row['verdict']}", **style)
