"""Candidates within a budget and their scores, and how well scores agree with measured accuracy."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from pandas import DataFrame

from tlkit.arguments import check_known
from tlkit.plots.style import COLOURS, RING, finish_rows, style_point, with_plain_texts
from tlkit.plots.vector import make_canvas, make_vector_canvas, mark, render_figure, render_vector
from tlkit.summaries.backbone_table import format_column

SIZE_INCHES = (9.2, 4.1)
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
    """Return whether each candidate is on the Pareto front, (n,) bool, from (n,) costs and scores; never for NaN."""
    costs, scores = np.asarray(costs, float), np.asarray(scores, float)
    known = np.isfinite(costs) & np.isfinite(scores)
    # A candidate is not on the front if another one is as good in both respects and better in one of them.
    as_good = (costs <= costs[:, None]) & (scores >= scores[:, None])
    better = (costs < costs[:, None]) | (scores > scores[:, None])
    return known & ~(as_good & better & known).any(axis=1)


def format_cost(cost):
    """Return (label with unit, divisor) of a column of costs, for an axis."""
    return _COSTS.get(cost, (cost.replace("_", " "), 1))


@with_plain_texts
def draw_pareto(table, ax, *, cost="n_flops", score="accuracy", names="name"):
    """Draw a score against a cost on a logarithmic axis, with the Pareto front as a stepped line."""
    # Candidates on the front are filled and named; others are hollow, with names if there is room, or lack a value.
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
    ax.xaxis.get_major_locator().set_params(subs=(1, 2, 5))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    label_of_front = "Pareto front: none is both better and cheaper"
    ax.step(costs[front][order], scores[front][order], where="post", color=COLOURS[0], label=label_of_front)
    rest = known & ~front
    filled = {"color": COLOURS[0], "markersize": 7}
    _mark(ax.plot(costs[front], scores[front], "o", **filled), "candidate", table, front, score, names)
    hollow = {"color": COLOURS[1], "markerfacecolor": "none", "markersize": 6, "label": "other"}
    _mark(ax.plot(costs[rest], scores[rest], "s", **hollow), "candidate", table, rest, score, names)
    ax.set(xlabel=label, ylabel=_SCORES.get(score, score.replace("_", " ")))
    ax.grid(alpha=0.3)
    ax.margins(x=0.2, y=0.15)
    ax.legend(fontsize=9, loc="lower right")
    if known.any():
        listed = table[names].astype(str).to_numpy()
        rows = np.concatenate([np.flatnonzero(front)[order], np.flatnonzero(rest)])
        _label(ax, costs[rows], scores[rows], listed[rows], int(front.sum()))
    return ax


def _mark(lines, kind, table, among, score, names):
    """Mark the points of the rows of a table that are `among` (n_rows,) bool with their names and scores."""
    rows = table[among]
    words = [f"{name}: {value:.3f}" for name, value in zip(rows[names], rows[score].astype(float), strict=True)]
    mark(lines[0], kind, words=words, numbers=rows.index)


def _label(ax, costs, scores, names, n_always):
    """Write names next to their (n,) points; those of the front, the first `n_always`, even if there is no room."""
    # Each name takes the first position at which it covers no other name, no point and no step of the front.
    figure = ax.get_figure(root=True)
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()  # positions are known only after the figure was laid out
    ax.autoscale_view()
    points = ax.transData.transform(np.column_stack([costs, scores]))
    front = points[:n_always]
    steps = np.stack([np.column_stack([front[1:, 0], front[:-1, 1]]), front[1:]], axis=1)
    taken = [ax.get_legend().get_window_extent(), *map(Bbox, steps)]
    ruler = ax.text(0, 0, "", fontsize=9, parse_math=False)  # one for all, since a new text takes long to measure
    for index, (point, cost, score, name) in enumerate(zip(points, costs, scores, names, strict=True)):
        ruler.set_text(name)
        size = ruler.get_window_extent().size
        for offset, horizontal, vertical in _POSITIONS:
            shares = {"left": 0, "bottom": 0, "center": 0.5, "right": 1, "top": 1}
            corner = point + np.multiply(offset, figure.dpi / 72) - size * (shares[horizontal], shares[vertical])
            box = Bbox([corner, corner + size])
            covers_point = ((points > box.min) & (points < box.max)).all(axis=1).any()
            fits = ax.bbox.contains(*box.min) and ax.bbox.contains(*box.max)
            if fits and not covers_point and not any(box.overlaps(other) for other in taken):
                break
        else:
            if index >= n_always:
                continue
        aligned = {"ha": horizontal, "va": vertical, "fontsize": 9}
        text = ax.annotate(name, (cost, score), offset, textcoords="offset points", **aligned)
        text.set_in_layout(False)  # otherwise it would change the layout that it was placed by
        taken.append(box)
    ruler.remove()


def draw_choice(table, selection, ax, *, score, cost="n_flops", names="name", predicted=None):
    """Draw the scores of the candidates within a budget against their cost, with the Pareto front."""
    _, divisor = format_cost(cost)
    # The axes have room for all candidates, so that they stay the same when the budget changes.
    scored = table.dropna(subset=[cost, score])
    ax.set_xscale("log")
    if len(scored):
        ax.set_xlim(scored[cost].min() / divisor / 1.3, scored[cost].max() / divisor * 1.6)
        room = 0.1 * (scored[score].max() - scored[score].min()) or 0.01
        ax.set_ylim(scored[score].min() - room, scored[score].max() + room)
    over = ~selection.fits & table[[cost, score]].notna().all(axis=1).to_numpy()
    if over.any():
        crosses = {"color": "0.5", "label": "over budget", "zorder": 1}
        lines = ax.plot(table[cost][over] / divisor, table[score][over], "x", **crosses)
        _mark(lines, "over", table, over, score, names)
    if predicted is not None:
        row = table[table[names] == predicted].iloc[0]
        ax.plot(row[cost] / divisor, row[score], label="your prediction", **RING)
    return draw_pareto(table[selection.fits], ax, cost=cost, score=score, names=names)


def render_choice(table, selection, *, is_still=False, **settings):
    """Return the drawing of a choice as SVG (str), or as PNG (bytes) if it is still; see `draw_choice`."""
    figure = (make_canvas if is_still else make_vector_canvas)(SIZE_INCHES).figure
    # On axes with fixed margins: a layout that finds its margins draws everything two or three times.
    draw_choice(table, selection, figure.add_axes((0.08, 0.13, 0.9, 0.85)), **settings)
    return render_figure(figure, 64) if is_still else render_vector([figure], SIZE_INCHES)


@with_plain_texts
def draw_agreement(agreement: DataFrame, ax: Axes) -> Axes:
    """Draw how well scores agree with measured accuracy: one row per score, Kendall's tau with its interval.

    Parameters
    ----------
    agreement, ax : DataFrame and matplotlib Axes
        Result of `tlkit.selection.compare_with_accuracy`, and the axes to draw on. Scores without a tau are omitted.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> agreement = {"score": ["logme"], "kind": ["score"], "tau": [0.6], "tau_low": [0.2], "tau_high": [0.9]}
    >>> draw_agreement(pd.DataFrame(agreement), Figure().subplots()).get_yticklabels()[0].get_text()
    'logme'
    """
    rows = agreement.dropna(subset="tau").reset_index(drop=True)
    for index, (kind, of_kind) in enumerate(rows.groupby("kind", sort=False)):
        lengths = np.abs(of_kind[["tau_low", "tau_high"]].sub(of_kind["tau"], axis=0).to_numpy().T)
        style = style_point(index) | {"linestyle": "none", "capsize": 4}
        ax.errorbar(of_kind["tau"], of_kind.index, xerr=lengths, label=kind, **style)
    ax.axvline(0, color="0.5", linewidth=1)
    order = "order of the candidates against measured accuracy (Kendall's tau, 95 % interval)"
    finish_rows(ax, rows["score"].map(format_column), order)
    ax.set_xlim(-1.05, 1.05)
    ax.legend(fontsize=9, loc="best")
    return ax
