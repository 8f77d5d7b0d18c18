"""Learning curves: accuracy over the number of training pictures, and the points at which one overtakes another."""

import numpy as np

from tlkit.comparison.crossings import CROSSES
from tlkit.names import format_strategy
from tlkit.plots.style import ACCURACY, SHOTS, TEXT_PT, finish_curves, style_curve, with_plain_texts

_STRIP = 0.09  # height of one crossing's bar and its text, as a share of the axes


@with_plain_texts
def draw_learning_curve(curve, ax):
    """Draw a `LearningCurve`: curves with bands of 95 % intervals, and each significant crossing on a bar."""
    table, crossings = curve.table, curve.crossings[curve.crossings["verdict"] == CROSSES]
    for index, (strategy, arm) in enumerate(table.groupby("strategy", sort=False)):
        style = style_curve(index)
        ax.plot(arm["shots"], arm["accuracy"], label=format_strategy(strategy), **style)
        # The edges have the line's style, so that overlapping bands can be told apart in gray.
        low, high = arm["accuracy_low"], arm["accuracy_high"]
        ax.fill_between(arm["shots"], low, high, alpha=0.13, color=style["color"], linewidth=0)
        for edge in (low, high):
            ax.plot(arm["shots"], edge, linewidth=0.6, alpha=0.7, **style | {"marker": ""})
    ax.set_xscale("log", base=2)
    shots = sorted(table["shots"].unique().tolist())
    ax.set_xticks(shots, [str(number) for number in shots])
    ax.minorticks_off()
    # The curves lie above one strip per crossing.
    scores = table[["accuracy", "accuracy_low", "accuracy_high"]]
    bottom, top = max(0.0, scores.min(axis=None) - 0.02), min(1.0, scores.max(axis=None) + 0.02)
    strips = (len(crossings) + 0.2 * (len(crossings) > 0)) * _STRIP
    ax.set_ylim(bottom - (top - bottom) * strips / (1 - strips), top)
    ax.set_yticks([tick for tick in ax.get_yticks() if bottom - 1e-9 <= tick <= top])
    for index, crossing in enumerate(crossings.itertuples()):
        _draw_crossing(crossing, table, (index + 0.4) * _STRIP, ax)
    finish_curves(ax, f"shots ({SHOTS})", ACCURACY)
    return ax


def _draw_crossing(crossing, table, height, ax):
    """Draw a crossing at a height (share of the axes), with a dotted line to the curves and a sentence."""
    bar = {"color": "black", "transform": ax.get_xaxis_transform()}  # x in shots, y as a share of the axes' height
    ax.plot([crossing.shots_low, crossing.shots_high], [height, height], "-|", linewidth=2, markersize=9, **bar)
    ax.plot([crossing.shots], [height], "o", markersize=6, **bar)
    arm = table[table["strategy"] == crossing.ahead_after]
    meets = np.interp(np.log2(crossing.shots), np.log2(arm["shots"].to_numpy()), arm["accuracy"])
    bottom, top = ax.get_ylim()
    ax.plot([crossing.shots] * 2, [bottom + height * (top - bottom), meets], linestyle=(0, (1, 2)), color="black")
    text = (
        f"{format_strategy(crossing.ahead_after)} overtakes {format_strategy(crossing.ahead_before)} at "
        f"{crossing.shots:.2g} shots ({crossing.shots_low:.2g} to {crossing.shots_high:.2g})"
    )
    # Aligned at the edge that is nearer to the bar, so that the text has the whole width.
    left, right = ax.get_xlim()
    side = "left" if crossing.shots**2 < left * right else "right"
    corner = (0.012 if side == "left" else 0.988, height + 0.28 * _STRIP)
    # On white, since the dotted line of a lower crossing may pass through the text.
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.text(*corner, text, transform=ax.transAxes, ha=side, va="bottom", fontsize=TEXT_PT, bbox=box)
