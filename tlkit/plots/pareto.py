"""Scores against costs, and the Pareto front: the candidates that no other beats in both."""

import numpy as np

from tlkit.arguments import check_known
from tlkit.plots.style import COLOURS

# The label of each cost, and the divisor that converts it to the unit in the label.
_COSTS = {
    "n_flops": ("operations per picture (GFLOP, 2 × multiply-adds)", 1e9),
    "n_parameters": ("parameters (million)", 1e6),
    "parameters_mib": ("memory of the parameters (MiB)", 1),
    "peak_memory_mib": ("peak memory (MiB)", 1),
    "memory_mib": ("memory of a training step (MiB)", 1),
    "stored_mib": ("size of the stored weights (MiB)", 1),
    "trained_share": ("share of the parameters that is trained (%)", 0.01),
    "duration_s": ("time (s)", 1),
    "image_size_px": ("height and width of the input (px)", 1),
}
_SCORES = {
    "accuracy": "accuracy (share correct)",
    "published_accuracy": "published accuracy on ImageNet (share correct)",
}
# Positions of a name next to its point: offset in points, horizontal and vertical alignment.
_POSITIONS = (
    *(((6, 4), "left", "bottom"), ((-6, 4), "right", "bottom"), ((6, -4), "left", "top"), ((-6, -4), "right", "top")),
    *(((0, 12), "center", "bottom"), ((0, -12), "center", "top")),
    *(((6, 16), "left", "bottom"), ((6, -16), "left", "top")),
)


def find_front(costs, scores):
    """Return whether each candidate is on the Pareto front, (n,) bool, from (n,) costs and scores; never for NaN.

    >>> find_front([1, 2, 3, 3], [0.5, 0.4, 0.7, 0.6])
    array([ True, False,  True, False])
    """
    costs, scores = np.asarray(costs, float), np.asarray(scores, float)
    known = np.isfinite(costs) & np.isfinite(scores)
    # A candidate is not on the front if another one is as good in both respects and better in one of them.
    as_good = (costs <= costs[:, None]) & (scores >= scores[:, None])
    better = (costs < costs[:, None]) | (scores > scores[:, None])
    return known & ~(as_good & better & known).any(axis=1)


def format_cost(cost):
    """Return (label with unit, divisor) of a column of costs, for an axis."""
    return _COSTS.get(cost, (cost.replace("_", " "), 1))


def draw_pareto(table, ax, *, cost="n_flops", score="accuracy", names="name"):
    """Draw a score against a cost on a logarithmic axis, with the Pareto front as a stepped line."""
    # Candidates on the front are filled and have their names; others are hollow, with names if there is room. Rows
    # without score or cost are not drawn.
    for argument, column in (("cost", cost), ("score", score), ("names", names)):
        check_known(argument, column, list(table))
    label, divisor = format_cost(cost)
    costs = table[cost].to_numpy(float, na_value=np.nan) / divisor
    scores = table[score].to_numpy(float, na_value=np.nan)
    known = np.isfinite(costs) & np.isfinite(scores)
    if (costs[known] <= 0).any():
        raise ValueError(f"cost: {cost} has values of 0 or less, which a logarithmic axis can't show")
    front = find_front(costs, scores)
    order = np.argsort(costs[front])
    ax.set_xscale("log")
    label_of_front = "Pareto front: none is both better and cheaper"
    ax.step(costs[front][order], scores[front][order], where="post", color=COLOURS[0], label=label_of_front)
    ax.plot(costs[front], scores[front], "o", color=COLOURS[0], markersize=7)
    rest = known & ~front
    ax.plot(costs[rest], scores[rest], "s", color=COLOURS[1], markerfacecolor="none", markersize=6, label="other")
    ax.set_xlabel(label)
    ax.set_ylabel(_SCORES.get(score, score.replace("_", " ")))
    ax.grid(alpha=0.3)
    ax.margins(x=0.2, y=0.15)
    if known.any():
        ax.legend(fontsize="small", loc="lower right")
        listed = table[names].astype(str).to_numpy()
        rows = np.concatenate([np.flatnonzero(front)[order], np.flatnonzero(rest)])
        _label(ax, costs[rows], scores[rows], listed[rows], int(front.sum()))
    return ax


def _label(ax, costs, scores, names, n_always):
    """Write names next to their (n,) points; the first `n_always` in any case, the others if there is room."""
    # Each name takes the first position at which it covers neither another name nor a point.
    ax.get_figure(root=True).draw_without_rendering()  # positions are known only after the figure was laid out
    points = ax.transData.transform(np.column_stack([costs, scores]))
    taken = [ax.get_legend().get_window_extent()]
    for index, (cost, score, name) in enumerate(zip(costs, scores, names, strict=True)):
        for offset, horizontal, vertical in _POSITIONS:
            style = {"ha": horizontal, "va": vertical, "fontsize": "small", "textcoords": "offset points"}
            text = ax.annotate(name, (cost, score), offset, **style)
            text.set_in_layout(False)  # otherwise it would change the layout that it was placed by
            box = text.get_window_extent()
            covers_point = ((points > (box.x0, box.y0)) & (points < (box.x1, box.y1))).all(axis=1).any()
            if not covers_point and not any(box.overlaps(other) for other in taken):
                break
            if index >= n_always or (offset, horizontal, vertical) != _POSITIONS[-1]:
                text.remove()
        else:
            continue
        taken.append(box)
