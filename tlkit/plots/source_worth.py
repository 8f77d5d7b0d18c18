"""The gain from a source: a map over weights and shots, the chosen cell by seed, and the recall per class."""

import numpy as np
from matplotlib.lines import Line2D

from tlkit.adaptation.target_shots import POOLED
from tlkit.evaluation.gains import MARGIN
from tlkit.plots.confusion import AFTER, BEFORE, draw_recall_frame, draw_recall_rows, measure_labels
from tlkit.plots.gains import draw_map_cells, draw_map_frame, format_gain, frame_cell
from tlkit.plots.style import COLOURS, FIXED
from tlkit.plots.vector import QUIET, Page, mark
from tlkit.summaries.source_worth import format_source

SIZE_INCHES = (9.2, 6.2)
_FIELDS, _COLUMNS = ("weight", "shots"), ("target_only", "with_source")


def make_source_page(summaries):
    """Return the page that draws one summary of a source after another."""
    return Page(SIZE_INCHES, lambda figure: _draw_static(summaries, figure), _draw_dynamic)


def _draw_static(summaries, figure):
    """Draw the frames and the legend; return the axes of map, seeds and recalls."""
    weights, shots = (list(dict.fromkeys(getattr(one.choice, name) for one in summaries)) for name in _FIELDS)
    classes = max((one.recalls["class"] for one in summaries), key=len)
    (width, height), labels = SIZE_INCHES, measure_labels(classes)
    across = 5.5 - labels
    boxes = (0.95, 3.15, across, 2.3), (0.95, 0.55, across, 1.6), (6.75, 0.55, 2.3, 4.9)
    shown, seeds, recalls = (
        figure.add_axes((left / width, bottom / height, wide / width, high / height))
        for left, bottom, wide, high in boxes
    )
    draw_map_frame([weight if weight == POOLED else f"× {weight:g}" for weight in weights], shots, shown)
    shown.set_ylabel("weight of the source")
    shown.set_title("mean gain in accuracy over target only", fontsize=10)
    seeds.axvspan(-MARGIN, MARGIN, color=QUIET, alpha=0.15)
    seeds.axvline(0, color="black", linewidth=1)
    ends = [value for one in summaries for value in (*one.gains_by_seed, one.row["gain_low"], one.row["gain_high"])]
    span = min(float(np.nanmin(ends)), -MARGIN) - 0.02, max(float(np.nanmax(ends)), MARGIN) + 0.02
    seeds.set(xlim=span, ylim=(1.6, -0.5), xlabel="gain in accuracy (gray: too small to matter)")
    seeds.set_yticks([0, 1], ["each seed", "mean"])
    seeds.set_title("the framed cell: seeds, mean and 95 % interval", fontsize=10)
    draw_recall_frame(len(classes), recalls)
    recalls.set_title("recall per class (test pictures)", fontsize=10)
    handles = [Line2D([], [], **style) for style in (BEFORE, AFTER)]
    key = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.042), "borderaxespad": 0.0, "handletextpad": 0.4}
    recalls.legend(handles, ["target only", "with the source"], ncols=2, fontsize=9, frameon=False, **key)
    return shown, seeds, recalls


def _draw_dynamic(summary, axes):
    """Draw the map, the gains by seed, the recalls and the heading."""
    shown, seeds, recalls = axes
    row, gains = summary.row, summary.gains_by_seed
    draw_map_cells(summary.gains, shown)
    frame_cell(summary.gains, shown, row["strategy"], summary.choice.shots)
    # A little apart, so that seeds with the same gain can be told apart.
    heights = 0.25 * np.linspace(-1, 1, len(gains)) if len(gains) > 1 else [0.0]
    style = {"color": COLOURS[0], "markersize": 6, "alpha": 0.8}
    words = [f"seed {seed}: {gain:+.2f}" for seed, gain in zip(summary.seeds, gains, strict=True)]
    mark(seeds.plot(gains, heights, "o", **style, **FIXED)[0], "seed", words=words)
    seeds.plot([row["gain_low"], row["gain_high"]], [1, 1], color="black", linewidth=2.5, marker="|", **FIXED)
    (mean,) = seeds.plot(row["gain"], 1, "s", color=COLOURS[1], markeredgecolor="black", markersize=8, **FIXED)
    mark(mean, "mean", words=f"mean of {len(gains)} seeds: {format_gain(row)}")
    draw_recall_rows(summary.recalls, recalls, {}, columns=_COLUMNS)
    style = {"transform": seeds.figure.transFigure, "va": "center", "weight": "bold", "fontsize": 10}
    seeds.text(0.01, 0.97, f"{format_source(summary.choice)}: {format_gain(row)}", **style)
