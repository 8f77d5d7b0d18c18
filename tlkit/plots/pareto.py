"""Accuracy against cost, and the front of those that nothing beats in both."""

import numpy as np

from tlkit.arguments import check_known
from tlkit.plots.comparison import COLOURS

# What costs are called on an axis, and what their unit is divided by.
_COSTS = {
    "n_flops": ("operations a picture (GFLOP, 2 × multiply-adds)", 1e9),
    "n_parameters": ("parameters (million)", 1e6),
    "parameters_mib": ("memory of the parameters (MiB)", 1),
    "peak_memory_mib": ("peak memory (MiB)", 1),
    "memory_mib": ("memory of a training step (MiB)", 1),
    "stored_mib": ("size of what must be stored (MiB)", 1),
    "trained_share": ("share of the parameters that is trained (%)", 0.01),
    "duration_s": ("time (s)", 1),
    "image_size_px": ("height and width of the input (px)", 1),
}
_SCORES = {"accuracy": "accuracy (share right)", "published_accuracy": "published accuracy on ImageNet (share right)"}
# Where a name may lie beside its point: offset in points, and how the text is aligned to it.
_PLACES = (
    *(((6, 4), "left", "bottom"), ((-6, 4), "right", "bottom"), ((6, -4), "left", "top"), ((-6, -4), "right", "top")),
    *(((0, 12), "center", "bottom"), ((0, -12), "center", "top")),
    *(((6, 16), "left", "bottom"), ((6, -16), "left", "top")),
)


def find_front(costs, scores):
    """Return which candidates are on the Pareto front, (n,) bool: no other is as good for less, or better for as much.

    Arguments
    ---------
    costs: (n,)
        Less is better.
    scores: (n,)
        More is better; NaN in either is never on the front.

    >>> find_front([1, 2, 3, 3], [0.5, 0.4, 0.7, 0.6])
    array([ True, False,  True, False])
    """
    costs, scores = np.asarray(costs, float), np.asarray(scores, float)
    known = np.isfinite(costs) & np.isfinite(scores)
    as_good = (costs <= costs[:, None]) & (scores >= scores[:, None])
    better = (costs < costs[:, None]) | (scores > scores[:, None])
    return known & ~(as_good & better & known).any(axis=1)


def format_cost(cost):
    """Return (name with unit, divisor) of a column of costs, for an axis."""
    return _COSTS.get(cost, (cost.replace("_", " "), 1))


def draw_pareto(table, ax, *, cost="n_flops", score="accuracy", names="name"):
    """Draw a score against a cost on a logarithmic axis, with the Pareto front as a stepped line.

    Those on the front are filled and carry their names; the others are hollow, and carry theirs where there is room.

    Arguments
    ---------
    table: DataFrame
        A row a candidate, such as `tlkit.selection.rank` returns it. Rows without the score or the cost are left out.
    ax: matplotlib axis
    cost: str
        The column of costs, above 0, less is better: "n_flops", "n_parameters", "parameters_mib", "duration_s" …
    score: str
        The column of scores, more is better.
    names: str
        The column of names.

    Returns the axis. Raises ValueError for columns that aren't there, and costs of 0 or less.
    """
    for argument, column in (("cost", cost), ("score", score), ("names", names)):
        check_known(argument, column, list(table))
    label, divisor = format_cost(cost)
    costs = table[cost].to_numpy(float, na_value=np.nan) / divisor
    scores = table[score].to_numpy(float, na_value=np.nan)
    known = np.isfinite(costs) & np.isfinite(scores)
    if (costs[known] <= 0).any():
        raise ValueError(f"cost: {cost} has values of 0 or less, which a logarithmic axis has no place for")
    front = find_front(costs, scores)
    order = np.argsort(costs[front])
    ax.set_xscale("log")
    ax.step(
        costs[front][order], scores[front][order], where="post", color=COLOURS[0], label="front: nothing beats these"
    )
    ax.plot(costs[front], scores[front], "o", color=COLOURS[0], markersize=7)
    rest = known & ~front
    ax.plot(costs[rest], scores[rest], "s", color=COLOURS[1], markerfacecolor="none", markersize=6, label="beaten")
    ax.set_xlabel(label)
    ax.set_ylabel(_SCORES.get(score, score.replace("_", " ")))
    ax.grid(alpha=0.3)
    ax.margins(x=0.2, y=0.15)
    if known.any():
        ax.legend(fontsize="small", loc="lower right")
        listed = table[names].astype(str).to_numpy()
        places = np.concatenate([np.flatnonzero(front)[order], np.flatnonzero(rest)])
        _label(ax, costs[places], scores[places], listed[places], int(front.sum()))
    return ax


def _label(ax, costs, scores, names, n_always):
    # Each name goes to the first place beside its point where it covers neither another name nor a point. Of the first
    # `n_always` each gets one all the same, of the others only those that find room.
    ax.get_figure(root=True).draw_without_rendering()  # only a figure that was laid out knows what lies where
    points = ax.transData.transform(np.column_stack([costs, scores]))
    taken = [ax.get_legend().get_window_extent()]
    for number, (cost, score, name) in enumerate(zip(costs, scores, names, strict=True)):
        for offset, horizontal, vertical in _PLACES:
            style = {"ha": horizontal, "va": vertical, "fontsize": "small", "textcoords": "offset points"}
            text = ax.annotate(name, (cost, score), offset, **style)
            text.set_in_layout(False)  # else it would move what it was placed by
            box = text.get_window_extent()
            covers_point = ((points > (box.x0, box.y0)) & (points < (box.x1, box.y1))).all(axis=1).any()
            if not covers_point and not any(box.overlaps(other) for other in taken):
                break
            if number >= n_always or (offset, horizontal, vertical) != _PLACES[-1]:
                text.remove()
        else:
            continue
        taken.append(box)
