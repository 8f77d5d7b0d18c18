"""Two domains: where they lie, how far apart they are, and what a method does for each class and each pair."""

import dataclasses

import numpy as np

from tlkit.adaptation.pair_results import BASELINE
from tlkit.arguments import check_known
from tlkit.names import format_strategy
from tlkit.plots.comparison import COLOURS
from tlkit.plots.page import Page
from tlkit.plots.recalls import AFTER, BEFORE, draw_recall_frame, draw_recall_rows
from tlkit.summaries.adaptation import format_recovered, format_scores

SIZE_INCHES = (11.6, 4.9)
_SOURCE, _TARGET = COLOURS[:2]
# What each distance is called, and where it ends.
_DISTANCES = {
    "proxy_a": "proxy A-distance (0 alike, 2 always told apart)",
    "mmd": "MMD², Gaussian kernel (0 alike)",
    "coral": "CORAL distance (0 alike; unit: the features', to the fourth)",
    "priors": "class shares: total variation (0 alike, 1 disjoint)",
}
_DARK = 0.6  # from this share of the scale on a cell is too dark for black words
_MOST_SHOWN = 0.94  # of half a map's side, so that its numbers stay inside


def draw_domain_map(domain_map, ax, *, names=("source", "target")):
    """Draw two domains in one plane: the source as rings, the target as triangles, and the means of their classes.

    Of each class that both have, its mean in the source (its number in a circle) is tied to that in the target (its
    number in a square). Where clouds overlap and ties are long, classes have come to lie on others.

    Arguments
    ---------
    domain_map: DomainMap
        `numbers` says which class has which number.
    ax: matplotlib axis
    names: (str, str)
        Of the two domains.

    Returns the axis; its legend says how many pictures there are.
    """
    _draw_domains(domain_map, ax)
    ax.set(xlabel=domain_map.axis_names[0], ylabel=domain_map.axis_names[1])
    sizes = len(domain_map.source), len(domain_map.target)
    ax.legend([f"{name} ({n})" for name, n in zip(names, sizes, strict=True)], fontsize="small")
    return ax


def _draw_domains(domain_map, ax):
    style = {"alpha": 0.55, "linestyle": "none", "scalex": ax.get_autoscalex_on(), "scaley": ax.get_autoscaley_on()}
    ax.plot(*domain_map.source.T, "o", color=_SOURCE, markerfacecolor="none", markersize=4.5, **style)
    ax.plot(*domain_map.target.T, "^", color=_TARGET, markeredgewidth=0, markersize=5, **style)
    # Boxes of texts would fit the numbers, and take half of the time that all the rest takes.
    box = {"markersize": 10, "markerfacecolor": "white", "markeredgewidth": 1.5, "linestyle": "none"}
    fixed = {"scalex": False, "scaley": False}
    for name, here, there in domain_map.list_class_means():
        ax.plot(*np.stack([here, there]).T, color="black", linewidth=1.2, zorder=4, **fixed)
        for place, marker, colour in ((here, "o", _SOURCE), (there, "s", _TARGET)):
            ax.plot(*place, marker, color=colour, zorder=5, **box, **fixed)
            style = {"ha": "center", "va": "center_baseline", "zorder": 5, "clip_on": True}
            ax.text(*place, domain_map.class_numbers[name], fontsize=7, **style)


def draw_gap_matrix(gaps, ax, *, distance="mmd"):
    """Draw how far each domain is from each other one: a row a source, a column a target.

    Arguments
    ---------
    gaps: DataFrame
        As `tlkit.adaptation.measure_gaps` returns it. A star stands beside distances whose p-value is below 0.05.
    ax: matplotlib axis
    distance: str
        One of those in the table.

    Returns the axis. Raises ValueError for a distance that the table doesn't have.
    """
    check_known("distance", [distance], gaps["distance"].unique().tolist())
    rows = gaps[gaps["distance"] == distance]
    said = {
        (row.source, row.target): f"{row.value:#.2g}".rstrip(".") + (" *" if row.p_value < 0.05 else "")
        for row in rows.itertuples()
    }
    values = rows.pivot_table(index="source", columns="target", values="value")
    # Estimates of no distance may lie below 0.
    _draw_matrix(values, said, ax, highest=max(values.max(axis=None), 0.0) or 1.0)
    ax.set_title(_DISTANCES.get(distance, distance), fontsize=10)
    return ax


def draw_pairs(comparison, ax, *, method):
    """Draw what a method reaches from each domain on each other one: balanced accuracy, and what it gains.

    Arguments
    ---------
    comparison: PairComparison
    ax: matplotlib axis
    method: str
        One of the comparison's; the gain is over "source_only".

    Returns the axis. Raises ValueError for a method that wasn't compared.
    """
    check_known("method", [method], comparison.runs["method"].unique().tolist())
    means = comparison.runs.pivot_table(index=["source", "target"], columns="method", values="balanced_accuracy")
    said = {pair: f"{row[method]:.2f}" for pair, row in means.iterrows()}
    if method != BASELINE:
        said = {pair: f"{said[pair]}\n{row[method] - row[BASELINE]:+.2f}" for pair, row in means.iterrows()}
    _draw_matrix(means[method].unstack(), said, ax, highest=1.0)
    below = "" if method == BASELINE else ",\ngain over source only"
    ax.set_title(f"{format_strategy(method)}: balanced accuracy{below}", fontsize=10)
    return ax


def _draw_matrix(values, said, ax, *, highest):
    """Draw shades from 0 to the highest, and a text in each cell, of a DataFrame source × target."""
    sources, targets = values.index.tolist(), values.columns.tolist()
    ax.imshow(values, cmap="Blues", vmin=0.0, vmax=highest)
    for (source, target), text in said.items():
        colour = "white" if values.loc[source, target] > _DARK * highest else "black"
        ax.text(targets.index(target), sources.index(source), text, ha="center", va="center", fontsize=9, color=colour)
    ax.set_xticks(range(len(targets)), targets)
    ax.set_yticks(range(len(sources)), sources)
    ax.set(xlabel="target: adapted to and tested on", ylabel="source: learned from")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def draw_adaptation(summary, figure):
    """Draw a pair of domains and a method on an empty figure, best of `SIZE_INCHES`: two maps, and recall by class.

    Arguments
    ---------
    summary: AdaptationSummary
    figure: matplotlib Figure

    Returns the figure.
    """
    _draw_what_changes(summary, _draw_what_stays(len(summary.recalls), figure))
    return figure


class AdaptationPage(Page):
    """The same drawing, made again and again for pairs and methods.

    Arguments
    ---------
    n_classes: int
        The most that a pair has.
    """

    def __init__(self, n_classes):
        super().__init__(SIZE_INCHES, lambda figure: _draw_what_stays(n_classes, figure), _draw_what_changes)


def _draw_what_stays(n_classes, figure):
    places = (0.035, 0.1, 0.315, 0.62), (0.36, 0.1, 0.315, 0.62), (0.8, 0.1, 0.19, 0.62)
    before, after, recalls = (figure.add_axes(place) for place in places)
    for ax, title in ((before, "before: the source as it comes"), (after, "after: where the method brought it")):
        ax.set(xlim=(-1, 1), ylim=(-1, 1), xticks=[], yticks=[])
        ax.set_title(title, fontsize=10)
    draw_recall_frame(n_classes, recalls)
    recalls.set_title("test half (pictures)", fontsize=10)
    keys = [
        ({"marker": "o", "color": _SOURCE, "markerfacecolor": "none", "linestyle": "none"}, "source"),
        ({"marker": "^", "color": _TARGET, "linestyle": "none"}, "target, half to adapt to"),
        ({"color": "black"}, "one class: its two means"),
        (BEFORE, "source only"),
        (AFTER, "this method"),
    ]
    handles = [recalls.plot([], [], **style, label=label)[0] for style, label in keys]
    key = {"loc": "upper right", "fontsize": 9, "frameon": False, "borderaxespad": 0.0, "columnspacing": 1.2}
    figure_place = {"bbox_to_anchor": (0.99, 0.86), "bbox_transform": figure.transFigure}
    recalls.legend(handles=handles, ncols=len(handles), **key, **figure_place)
    return before, after, recalls


def _draw_what_changes(summary, axes):
    before, after, recalls = axes
    scale = _measure_scale(summary.before, summary.after)
    for ax, domain_map in ((before, summary.before), (after, summary.after)):
        _draw_domains(_rescale(domain_map, *scale), ax)
        ax.text(0, -1.05, domain_map.axis_names[0], fontsize=9, ha="center", va="top")
    before.text(-1.04, 0, summary.before.axis_names[1], fontsize=9, ha="right", va="center", rotation="vertical")
    draw_recall_rows(summary.recalls, recalls, summary.before.class_numbers)
    heading = (
        (0.96, format_scores(summary), "bold"),
        (0.9, f"{format_recovered(summary)}; {summary.alarm or 'no alarm'}", "normal"),
    )
    for height, text, weight in heading:
        place = {"transform": before.figure.transFigure, "va": "center"}
        before.text(0.01, height, text, fontsize=10.5, weight=weight, **place)


def _measure_scale(*maps):
    """Return the middle, (2,), and half the width, (2,), of all that maps show."""
    places = np.concatenate([side for shown in maps for side in (shown.source, shown.target)])
    low, high = places.min(axis=0), places.max(axis=0)
    return (low + high) / 2, np.maximum((high - low) / 2 / _MOST_SHOWN, np.finfo(float).tiny)


def _rescale(domain_map, middle, half):
    sides = {name: (getattr(domain_map, name) - middle) / half for name in ("source", "target")}
    return dataclasses.replace(domain_map, **sides)
