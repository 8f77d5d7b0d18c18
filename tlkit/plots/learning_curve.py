"""Learning curves: accuracy over the number of training pictures, and where one curve overtakes another."""

import numpy as np

from tlkit.comparison.crossings import CROSSES
from tlkit.names import format_strategy
from tlkit.plots.comparison import COLOURS, LINES, MARKERS

_STRIP = 0.09  # of the axes' height, for the bar of one crossing and its words


def draw_learning_curve(curve, ax):
    """Draw a `LearningCurve`: a line a strategy over shots (logarithmic), in the band of its 95 % interval.

    Each crossing that can be told is a point on a bar above the axis of shots: the bar is its 95 % interval.

    Arguments
    ---------
    curve: LearningCurve
    ax: matplotlib axis

    Returns the axis.
    """
    table, crossings = curve.table, curve.crossings[curve.crossings["verdict"] == CROSSES]
    for place, (strategy, arm) in enumerate(table.groupby("strategy", sort=False)):
        style = {"color": COLOURS[place % len(COLOURS)], "linestyle": LINES[place % len(LINES)]}
        marker = MARKERS[place % len(MARKERS)]
        ax.plot(arm["shots"], arm["accuracy"], marker=marker, label=format_strategy(strategy), **style)
        # The edges carry the line's style, so that bands which overlap are told apart in gray.
        low, high = arm["accuracy_low"], arm["accuracy_high"]
        ax.fill_between(arm["shots"], low, high, alpha=0.13, color=style["color"], linewidth=0)
        for edge in (low, high):
            ax.plot(arm["shots"], edge, linewidth=0.6, alpha=0.7, **style)
    ax.set_xscale("log", base=2)
    shots = sorted(table["shots"].unique().tolist())
    ax.set_xticks(shots, [str(number) for number in shots])
    ax.minorticks_off()
    _leave_room(table, len(crossings), ax)
    for place, crossing in enumerate(crossings.itertuples()):
        _draw_crossing(crossing, table, (place + 0.4) * _STRIP, ax)
    ax.set_xlabel("shots (training pictures a class)")
    ax.set_ylabel("accuracy on test pictures (share right)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    return ax


def _leave_room(table, n_crossings, ax):
    scores = table[["accuracy", "accuracy_low", "accuracy_high"]]
    bottom, top = max(0.0, scores.min(axis=None) - 0.02), min(1.0, scores.max(axis=None) + 0.02)
    strips = (n_crossings + 0.2 * (n_crossings > 0)) * _STRIP
    ax.set_ylim(bottom - (top - bottom) * strips / (1 - strips), top)
    ax.set_yticks([tick for tick in ax.get_yticks() if bottom - 1e-9 <= tick <= top])


def _draw_crossing(crossing, table, height, ax):
    # Shots on one axis, a share of the axes' height on the other.
    bar = {"color": "black", "transform": ax.get_xaxis_transform()}
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
    # At the edge that is nearer to the bar, where the words have the whole width.
    left, right = ax.get_xlim()
    side = "left" if crossing.shots**2 < left * right else "right"
    place = (0.012 if side == "left" else 0.988, height + 0.28 * _STRIP)
    # On white, since the dotted line of a crossing further down may run through them.
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.text(*place, text, transform=ax.transAxes, ha=side, va="bottom", fontsize="small", bbox=box)
