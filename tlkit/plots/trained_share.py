"""Accuracy against the costs of tuning: the share of trained parameters, the memory of a step, the stored size."""

import math

import numpy as np

from tlkit.arguments import check_known
from tlkit.names import format_strategy
from tlkit.plots.backbone_choice import format_cost
from tlkit.plots.style import ACCURACY, FIXED, RING, measure_error_bars, style_point, with_plain_texts
from tlkit.plots.vector import Page, mark

SIZE_INCHES = (9.2, 5.8)
_GAP = 0.024  # smallest distance between two points, as a share of the axis, so that intervals don't cover each other


@with_plain_texts
def draw_trained_share(table, ax, *, cost="trained_share", score="accuracy"):
    """Draw the accuracy of strategies, with its interval, against their cost on a logarithmic axis."""
    # Strategies with similar costs are moved apart, in their order, so that each interval can be seen.
    columns = ["strategy", cost, score, f"{score}_low", f"{score}_high"]
    for argument, names in (("cost", [cost]), ("score", columns[2:]), ("table", ["strategy"])):
        check_known(argument, names, list(table))
    if not len(table):
        raise ValueError("table: no row, expected one for each strategy")
    label, divisor = format_cost(cost)
    if not (table[cost] > 0).all():
        raise ValueError(f"cost: {cost} has values of 0 or less, or none, which a logarithmic axis can't show")
    costs = table[cost].to_numpy(float) / divisor
    rows = table[["strategy", *columns[2:]]].itertuples(index=False, name=None)
    for index, (x, value, (strategy, y, low, high)) in enumerate(zip(_spread(costs), costs, rows, strict=True)):
        name = format_strategy(strategy)
        style = style_point(index) | {"capsize": 4, "linestyle": "none", "label": name, "markersize": 8}
        drawn = ax.errorbar([x], [y], yerr=measure_error_bars([y], [low], [high]), **style)
        interval = "" if np.isnan(low) else f" ({low:.2f} to {high:.2f})"
        words = f"{name}: {score.replace('_', ' ')} {y:.2f}{interval}; {label}: {value:.3g}"
        mark(drawn[0], "point", index, words=words)
    ax.set_xscale("log")
    ax.set_xlim(*_find_limits(costs))
    scores = table[columns[2:]]
    ax.set_ylim(max(0.0, scores.min(axis=None) - 0.03), min(1.0, scores.max(axis=None) + 0.03))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set(xlabel=label, ylabel=ACCURACY)
    ax.grid(alpha=0.3)
    ax.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    return ax


def make_share_page(table, cost, score):
    """Return the page that draws accuracies against a cost, with a mark at one strategy after another."""

    def draw_static(figure):
        bottom = (0.75 + 0.19 * math.ceil(len(table) / 3)) / SIZE_INCHES[1]
        ax = figure.add_axes((0.08, bottom, 0.9, 0.945 - bottom))
        draw_trained_share(table, ax, cost=cost, score=score)
        within = {"bbox_to_anchor": (0.5, 0), "bbox_transform": figure.transFigure}
        ax.legend(fontsize=9, loc="lower center", ncols=3, frameon=False, **within)
        ax.set_title(f"{score.replace('_', ' ')} of each strategy, with its interval, by its cost", fontsize=10)
        return [ax]

    def draw_dynamic(summary, axes):
        row = table["strategy"].tolist().index(summary.choice.strategy)
        x, y = _spread(table[cost].to_numpy(float) / format_cost(cost)[1])[row], table[score].iloc[row]
        axes[0].plot([x], [y], **RING, **FIXED)
        left, bottom = axes[0].get_xlim()[0], axes[0].get_ylim()[0]
        line = {"color": "black", "linestyle": ":", "linewidth": 1, "zorder": 10}
        axes[0].plot([left, x, x], [y, y, bottom], **line, **FIXED)

    return Page(SIZE_INCHES, draw_static, draw_dynamic)


def _find_limits(costs):
    """Return (left, right) of the axis."""
    left, right = costs.min(), costs.max()
    return left / 1.6, max(right * 1.6, left * 12)


def _spread(costs):
    """Return the positions of (n,) points on the axis: their costs, or around the mean of costs that are too close."""
    # Points are added from left to right as heaps of one; as long as the last two overlap, they are merged.
    left, right = np.log(_find_limits(costs))
    positions, gap, heaps = np.log(costs), _GAP * (right - left), []
    for row in np.argsort(positions, kind="stable"):
        heaps.append([row])
        while len(heaps) > 1 and _line_up(heaps[-1], positions, gap)[0] - _line_up(heaps[-2], positions, gap)[-1] < gap:
            heaps[-2:] = [heaps[-2] + heaps[-1]]
    for heap in heaps:
        positions[heap] = _line_up(heap, positions, gap)
    return np.exp(positions)


def _line_up(heap, positions, gap):
    """Return the positions of a heap's points, side by side around their mean."""
    return positions[heap].mean() + gap * (np.arange(len(heap)) - (len(heap) - 1) / 2)
