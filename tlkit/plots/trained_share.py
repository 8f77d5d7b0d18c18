"""Accuracy over what tuning costs: the share of parameters trained, the memory of a step, what must be stored."""

import numpy as np

from tlkit.arguments import check_known
from tlkit.names import format_strategy
from tlkit.plots.comparison import COLOURS, MARKERS
from tlkit.plots.page import Page
from tlkit.plots.pareto import format_cost

SIZE_INCHES = (7.6, 4.2)
# Points whose intervals would cover each other are moved apart: this share of the axis' width lies between them.
_GAP = 0.024


def draw_trained_share(table, ax, *, cost="trained_share", score="accuracy"):
    """Draw the accuracy of strategies, with its interval, over what they cost on a logarithmic axis.

    Those that cost much the same are moved apart, in their order, so that each interval can be seen.

    Arguments
    ---------
    table: DataFrame
        A row a strategy: strategy, the cost, the score, and its interval in the columns of the score's name with _low
        and _high, NaN where there is none.
    ax: matplotlib axis
    cost: str
        A column of numbers above 0: "trained_share" (of all parameters, a fraction), "memory_mib", "stored_mib" …
    score: str
        A column of fractions.

    Returns the axis. Raises ValueError for columns that aren't there, no row, and costs of 0 or less.
    """
    columns = ["strategy", cost, score, f"{score}_low", f"{score}_high"]
    for argument, names in (("cost", [cost]), ("score", columns[2:]), ("table", ["strategy"])):
        check_known(argument, names, list(table))
    if not len(table):
        raise ValueError("table: no row, expected one for each strategy")
    label, divisor = format_cost(cost)
    if not (table[cost] > 0).all():
        raise ValueError(f"cost: {cost} has values of 0 or less, or none, which a logarithmic axis has no place for")
    costs = table[cost].to_numpy(float) / divisor
    rows = table[["strategy", *columns[2:]]].itertuples(index=False, name=None)
    for place, (x, (strategy, y, low, high)) in enumerate(zip(_place(costs), rows, strict=True)):
        ends = np.nan_to_num([[y - low], [high - y]])
        style = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
        ax.errorbar([x], [y], yerr=ends, capsize=4, linestyle="none", label=format_strategy(strategy), **style)
    ax.set_xscale("log")
    ax.set_xlim(*_find_limits(costs))
    scores = table[columns[2:]]
    ax.set_ylim(max(0.0, scores.min(axis=None) - 0.03), min(1.0, scores.max(axis=None) + 0.03))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_xlabel(label)
    ax.set_ylabel("accuracy on test pictures (share right)")
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax


class TrainedSharePage(Page):
    """The same drawing, made again and again for one strategy or another.

    Arguments
    ---------
    table, cost, score
        As in `draw_trained_share`.
    """

    def __init__(self, table, cost, score):
        def draw_what_stays(figure):
            return [draw_trained_share(table, figure.add_axes((0.105, 0.13, 0.685, 0.83)), cost=cost, score=score)]

        def draw_what_changes(summary, axes):
            row = table["strategy"].tolist().index(summary.choice.strategy)
            x, y = _place(table[cost].to_numpy(float) / format_cost(cost)[1])[row], table[score].iloc[row]
            mark = {"color": "black", "zorder": 10, "scalex": False, "scaley": False}
            axes[0].plot([x], [y], "o", markersize=17, markerfacecolor="none", markeredgewidth=1.8, **mark)
            left, bottom = axes[0].get_xlim()[0], axes[0].get_ylim()[0]
            axes[0].plot([left, x, x], [y, y, bottom], linestyle=":", linewidth=1, **mark)

        super().__init__(SIZE_INCHES, draw_what_stays, draw_what_changes)


def _find_limits(costs):
    """Return (left, right) of the axis."""
    left, right = costs.min(), costs.max()
    return left / 1.6, max(right * 1.6, left * 12)


def _place(costs):
    """Return (n,) where the points stand: at their costs, or around the mean of those that are too close."""
    left, right = np.log(_find_limits(costs))
    places, gap, heaps = np.log(costs), _GAP * (right - left), []
    for row in np.argsort(places, kind="stable"):
        heaps.append([row])
        while len(heaps) > 1 and _stand(heaps[-1], places, gap)[0] - _stand(heaps[-2], places, gap)[-1] < gap:
            heaps[-2:] = [heaps[-2] + heaps[-1]]
    for heap in heaps:
        places[heap] = _stand(heap, places, gap)
    return np.exp(places)


def _stand(heap, places, gap):
    """Return the places of some points that stand side by side."""
    return places[heap].mean() + gap * (np.arange(len(heap)) - (len(heap) - 1) / 2)
